"""What every quantiser promises, alone and on several processes."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn

from .promises import require, require_close

__all__ = ["verify_quantizer", "verify_quantizer_on_ranks"]

Smooth = Callable[[Tensor], Tensor]


def verify_quantizer(
    quantizer: nn.Module,
    *,
    dim: int,
    surrogate: Smooth | None = None,
    detached: bool = True,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check a quantiser against its contract on noise.

    Codes in their vocabulary, batch == single, fewer codebooks as a prefix, decode(encode) equal
    to the latents of a pass, evaluation that learns nothing; gradients that pass as those of a
    smooth function in its place; a commitment penalty whose gradient is its derivative, which it
    is not if residuals carry the codes' own gradients; codes that learn, the same from the same
    seed; and sane health metrics.

    Args:
        quantizer: with codes where normal noise is; left as it was.
        dim: latent channels D.
        surrogate: the smooth function; `quantizer.surrogate` when None, or else the identity.
        detached: False for chains that mean their residuals to carry gradients (DAC's): then
            commitment only has to move the latents.
        tolerance: largest difference, relative to the largest value.
        seed: of the noise.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    quantizer = copy.deepcopy(quantizer).eval()
    latents = torch.randn(2, dim, 40, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        _verify_codes(quantizer, latents)
        _verify_prefixes(quantizer, latents)
        _verify_pass(quantizer, latents, tolerance)
    smooth: Smooth = surrogate or getattr(quantizer, "surrogate", None) or _identity
    _verify_gradient(quantizer, latents, smooth, tolerance)
    _verify_losses(quantizer, latents, detached)
    _verify_learning(quantizer, latents)


def _identity(latents: Tensor) -> Tensor:
    return latents


def _verify_codes(quantizer: Any, latents: Tensor) -> None:
    vocab, kept = quantizer.vocab, latents.clone()
    codes = quantizer.encode(latents)
    expected = (len(latents), len(vocab), latents.shape[-1])
    require(
        codes.dtype == torch.int64 and codes.shape == expected,
        f"codes are {codes.dtype} {tuple(codes.shape)}, expected int64 {expected}",
    )
    top = torch.tensor(vocab)[:, None]
    require(bool(((codes >= 0) & (codes < top)).all()), "codes are outside the vocabulary")
    require(torch.equal(codes, quantizer.encode(latents)), "encode is not deterministic")
    require(torch.equal(codes[:1], quantizer.encode(latents[:1])), "batch differs from single")
    require(torch.equal(latents, kept), "encode changed its input")
    require(len(codes.unique()) > 1, "all codes are equal: this checks nothing; place them first")


def _verify_prefixes(quantizer: Any, latents: Tensor) -> None:
    codes = quantizer.encode(latents)
    for count in range(1, codes.shape[1] + 1):
        prefix = quantizer.encode(latents, count)
        require(
            torch.equal(prefix, codes[:, :count]), f"{count} codebooks are no prefix of all codes"
        )
        back = quantizer.decode(prefix)
        require(back.shape == latents.shape, f"decode of {count} rows gives {tuple(back.shape)}")
    for count in (0, codes.shape[1] + 1):
        try:
            quantizer.encode(latents, count)
        except ValueError:
            continue
        raise AssertionError(f"encode takes {count} of {codes.shape[1]} codebooks")


def _verify_pass(quantizer: Any, latents: Tensor, tolerance: float) -> None:
    before = {name: tensor.clone() for name, tensor in quantizer.state_dict().items()}
    output, codes = quantizer(latents), quantizer.encode(latents)
    require(torch.equal(output.codes, codes), "in evaluation, a pass and encode differ")
    decoded = quantizer.decode(codes)
    require_close(output.latents, decoded, tolerance, "decode(encode) differs from a pass")
    after = quantizer.state_dict()
    require(all(torch.equal(after[n], t) for n, t in before.items()), "evaluation learned")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        codes = quantizer(latents).codes
    require(torch.equal(output.codes, codes), "autocast changes the codes")


def _verify_gradient(quantizer: Any, latents: Tensor, surrogate: Smooth, tolerance: float) -> None:
    x = latents.clone().requires_grad_()
    weights = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
    (got,) = torch.autograd.grad((quantizer(x).latents * weights).sum(), x)
    (expected,) = torch.autograd.grad((surrogate(x) * weights).sum(), x)
    require(bool(expected.any()), "the gradient stops at the quantiser")
    require_close(got, expected, tolerance, "the gradient is not that of the smooth stand-in")


def _verify_losses(quantizer: Any, latents: Tensor, detached: bool) -> None:
    x = latents.clone().requires_grad_()
    losses = quantizer(x).losses
    for name, loss in losses.items():
        require(loss.dim() == 0 and bool(loss.isfinite()), f"loss {name} is no finite scalar")
    if "codebook" in losses:
        inputs = [x, *quantizer.parameters()]
        to_x, *to_codes = torch.autograd.grad(
            losses["codebook"], inputs, retain_graph=True, allow_unused=True
        )
        require(to_x is None or not bool(to_x.any()), "the codebook loss moves the latents")
        moved = any(g is not None and bool(g.any()) for g in to_codes)
        require(moved, "the codebook loss moves no code")
    if "commitment" in losses:
        (gradient,) = torch.autograd.grad(losses["commitment"], x)
        require(bool(gradient.any()), "commitment does not move the latents")
        if detached:
            _verify_derivative(quantizer, latents, gradient)


@torch.no_grad()
def _verify_derivative(quantizer: Any, latents: Tensor, gradient: Tensor) -> None:
    """Between the borders of its cells, commitment is a square in the latents.

    So a central difference is exact there, as long as no frame changes its codes.
    """
    codes = quantizer.encode(latents)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
    for direction in (latents - quantizer.decode(codes), noise):
        step = 1e-2 * direction
        moved = (quantizer.encode(latents + step) != codes) | (
            quantizer.encode(latents - step) != codes
        )
        step = step * ~moved.any(dim=1, keepdim=True)
        ahead, behind = (quantizer(latents + s).losses["commitment"] for s in (step, -step))
        expected, got = (ahead - behind) / 2, (gradient * step).sum()
        slack = 1e-2 * expected.abs() + 1e-3 * gradient.norm() * step.norm() + 1e-7
        require(
            bool((got - expected).abs() <= slack),
            f"commitment changes by {expected.item():.2e} where its gradient says "
            f"{got.item():.2e}: are residuals detached?",
        )


def _verify_learning(quantizer: Any, latents: Tensor) -> None:
    ends, codes = [], quantizer.encode(latents)
    for _ in range(2):
        learner = copy.deepcopy(quantizer).train()
        for step in range(3):
            louder = latents * (1 + step)  # codes placed by k-means have nothing left to learn here
            output = _learn(learner, louder, torch.Generator().manual_seed(step))
            if step == 0:  # which may have placed codes on the batch
                placed = learner.decode(codes).detach().clone()
        ends.append(learner.state_dict())
    require(
        all(torch.equal(ends[0][n], ends[1][n]) for n in ends[0]), "the same seed learns otherwise"
    )
    if "commitment" in output.losses:  # what latents are drawn to are codes that learn
        require(not torch.equal(placed, learner.decode(codes)), "training moves no code")
    metrics, largest = output.metrics, float(max(quantizer.vocab))
    bounds = (("use", 0.0, 1.0), ("perplexity", 1.0, largest), ("sameness", 0.0, 1.0))
    for name, low, high in bounds:
        require(name in metrics, f"no health metric {name!r}, only {sorted(metrics)}")
        value = metrics[name].item()
        require(low - 1e-4 <= value <= high * (1 + 1e-4), f"{name} is {value}")
    require(metrics.get("restarted", torch.zeros(())).item() >= 0, "restarted is negative")
    still = quantizer(latents[:1, :1, :1].expand_as(latents)).metrics["sameness"].item()
    require(still == 1 > metrics["sameness"].item(), f"sameness of one code alone is {still}")


def _learn(quantizer: Any, latents: Tensor, rng: torch.Generator) -> Any:
    """One step of training; gradients are averaged over processes, as DDP does."""
    output = quantizer(latents, rng)
    parameters = list(quantizer.parameters())
    total = sum(output.losses.values(), start=output.latents.square().mean())
    if parameters and total.requires_grad:
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is None:
                continue
            if distributed.is_initialized():
                distributed.all_reduce(gradient)
                gradient = gradient / distributed.get_world_size()
            with torch.no_grad():
                parameter.sub_(0.1 * gradient)
    return output


def verify_quantizer_on_ranks(
    quantizer: nn.Module, *, dim: int, steps: int = 4, seed: int = 0
) -> None:
    """Check that two processes with different batches learn one quantiser.

    After each of some steps all of the state is equal on both; and one step on two batches is one
    step of a single process on both together, unless codes restarted, which chance decides.

    Args:
        quantizer: left as it was.
        dim: latent channels D.
        steps: of the first check.
        seed: of the noise.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    latents = torch.randn(4, dim, 60, generator=torch.Generator().manual_seed(seed))
    started, alone = (copy.deepcopy(quantizer).train() for _ in range(2))
    for learner in (started, alone):  # some place their codes on the first batch
        _learn(learner, latents, torch.Generator().manual_seed(seed))
    output = _learn(alone, latents, torch.Generator().manual_seed(seed))
    with tempfile.TemporaryDirectory() as folder:
        args = (folder, started, quantizer, latents, steps)
        # A plain fork would hang where this process has run products on several threads.
        multiprocessing.set_forkserver_preload([__name__])
        multiprocessing.start_processes(_on_rank, args, nprocs=2, start_method="forkserver")
        ranks = [torch.load(f"{folder}/{rank}.pt") for rank in (0, 1)]
    for mine, other in zip(*ranks, strict=True):
        apart = [name for name in mine if not torch.equal(mine[name], other[name])]
        require(not apart, f"the processes' states differ: {apart}")
    if output.metrics.get("restarted", torch.zeros(())).item() == 0:
        for name, value in alone.state_dict().items():
            require_close(
                ranks[0][0][name].float(), value.float(), 1e-4, f"{name}: two processes learn else"
            )


def _on_rank(
    rank: int, folder: str, started: nn.Module, fresh: nn.Module, latents: Tensor, steps: int
) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
    )
    states = []
    started = copy.deepcopy(started)  # what comes from another process is shared memory
    _learn(started, latents.chunk(2)[rank], torch.Generator().manual_seed(rank))
    states.append(_state(started))
    fresh = copy.deepcopy(fresh).train()
    for step in range(steps):
        rng = torch.Generator().manual_seed(100 * step + rank)
        batch = torch.randn(latents.chunk(2)[0].shape, generator=rng) * (1 + rank) + step // 2
        _learn(fresh, batch, rng)
        states.append(_state(fresh))
    torch.save(states, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
