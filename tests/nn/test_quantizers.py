"""One contract for all quantisers, and proof that it finds those that are broken."""

import pytest
import torch
from quantizer_makers import DIM, MAKERS, make
from torch.nn import functional as F

from latentone.nn.factorized import FactorizedRVQ
from latentone.nn.fsq import FSQ
from latentone.nn.gradient_vq import GradientVQ
from latentone.nn.quantizer import CodeUse, Quantized, Quantizer
from latentone.nn.residual import ResidualVQ
from latentone.testing import verify_quantizer, verify_quantizer_on_ranks


@pytest.mark.parametrize("name", MAKERS)
def test_it_keeps_the_contract(name):
    verify_quantizer(make(name), dim=DIM)


FRESH = {
    "fresh_residual": lambda: ResidualVQ(2, 16, DIM),
    "fresh_gradient": lambda: GradientVQ(16, DIM, num_codebooks=2),
}


@pytest.mark.parametrize("name", [*MAKERS, *FRESH])
def test_two_processes_learn_one_quantiser(name):
    torch.manual_seed(0)
    verify_quantizer_on_ranks({**MAKERS, **FRESH}[name](), dim=DIM)


STARTS = {"kmeans_iterations": 10, "restart_below": 0.1}


@pytest.mark.parametrize(("dropout", "starts"), [(0.0, {}), (0.0, STARTS), (0.5, STARTS)])
def test_factorized_codes_keep_it_but_for_their_residual(dropout, starts):
    """Projections P_i in a chain leave over (1 - P_n) ... (1 - P_1) x."""
    torch.manual_seed(0)
    quantizer = FactorizedRVQ(3, 16, DIM, code_dim=2, dropout=dropout, **starts)

    def surrogate(latents):
        residual = latents
        for book in quantizer.codebooks:
            residual = residual - book.out_proj(book.in_proj(residual))
        return latents - residual

    verify_quantizer(quantizer, dim=DIM, surrogate=surrogate, detached=False)
    if not dropout:  # two processes draw it twice
        verify_quantizer_on_ranks(quantizer, dim=DIM)


def test_all_say_what_they_are():
    for name in MAKERS:
        assert isinstance(make(name), Quantizer)
        assert isinstance(make(name)(torch.randn(1, DIM, 3)), Quantized)
    assert make("residual").vocab == (16, 16, 16)
    assert make("ema")(torch.randn(1, DIM, 3)).losses.keys() == {"commitment"}


# What the contract must find.


class UndetachedChain(GradientVQ):
    """The residual of the first EnCodec release: each code passes gradients straight through."""

    def _forward(self, latents, rng):
        out = super()._forward(latents, rng)
        residual, losses = latents.transpose(1, 2), []
        for row, codebook in zip(out.codes.unbind(1), self.codebooks, strict=True):
            entry = F.embedding(row, codebook).detach()
            losses.append(F.mse_loss(residual, entry))
            residual = residual - (residual + (entry - residual).detach())
        return out._replace(losses={"commitment": torch.stack(losses).mean()})


class StoppedGradient(GradientVQ):
    def _forward(self, latents, rng):
        out = super()._forward(latents, rng)
        return out._replace(latents=out.latents.detach() + 0 * latents)


class SwappedLosses(GradientVQ):
    """The two losses under each other's name, as when the weight went to the wrong term."""

    def _forward(self, latents, rng):
        out = super()._forward(latents, rng)
        one, other = out.losses["commitment"], out.losses["codebook"]
        return out._replace(losses={"commitment": other, "codebook": one})


class OffByOne(GradientVQ):
    def decode(self, codes):
        return super().decode((codes + 1) % 16)


class LearnsInEvaluation(FSQ):
    def forward(self, latents, rng=None):
        self.use.update(self.use.count(self.encode(latents)))
        return super().forward(latents, rng)


class NothingLearned(GradientVQ):
    def _forward(self, latents, rng):
        out = super()._forward(latents, rng)
        return out._replace(losses={"commitment": out.losses["commitment"]})

    def _start(self, rows, rng):
        pass

    def _learn(self, codes, residuals, rng):
        return torch.zeros(())


class UseAsSameness(GradientVQ):
    def _forward(self, latents, rng):
        out = super()._forward(latents, rng)
        return out._replace(metrics={**out.metrics, "sameness": out.metrics["use"]})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (NothingLearned, "training moves no code"),
        (UseAsSameness, "sameness of one code"),
        (UndetachedChain, "are residuals detached"),
        (StoppedGradient, "not that of the smooth stand-in"),
        (SwappedLosses, "moves the latents"),
        (OffByOne, "differs from a pass"),
    ],
)
def test_broken_quantisers_are_found(broken, message):
    torch.manual_seed(0)
    quantizer = broken(16, DIM, num_codebooks=3)
    for codebook in quantizer.codebooks:
        codebook.data.normal_()
    with pytest.raises(AssertionError, match=message):
        verify_quantizer(quantizer, dim=DIM)


def test_learning_in_evaluation_is_found():
    with pytest.raises(AssertionError, match="evaluation learned"):
        verify_quantizer(LearnsInEvaluation((8, 5, 4), DIM), dim=DIM)


class LocalUse(CodeUse):
    def update(self, counts):
        super().update(self.mine)

    def count(self, codes):
        self.mine = super().count(codes)
        return self.mine


def test_state_of_one_process_only_is_found():
    quantizer = make("gradient")
    quantizer.use = LocalUse(quantizer.vocab)
    with pytest.raises(AssertionError, match="states differ"):
        verify_quantizer_on_ranks(quantizer, dim=DIM)
