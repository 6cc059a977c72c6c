"""What is inside a codec: codebook by codebook, dimension by dimension, score by score."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentone.nn.bottlenecks import KLBottleneck
from latentone.nn.factorized import FactorizedRVQ
from latentone.nn.residual import ResidualVQ
from latentone.training.codec_insides import code_health, divergences, latent_health, score_health


def test_each_codebook_is_counted_on_its_own():
    quantizer = ResidualVQ(3, 8, 4)
    for codebook, used in zip(quantizer.codebooks, (8, 4, 1), strict=True):
        codebook.cluster_size.copy_(torch.tensor([1.0] * used + [0.0] * (8 - used)))
    found = code_health(quantizer)
    assert found["use"] == pytest.approx([1.0, 0.5, 0.125])
    assert found["perplexity"] == pytest.approx([8.0, 4.0, 1.0])
    assert found["size"] == [8.0] * 3
    means = {name: float(value) for name, value in quantizer.health().items()}
    assert means["use"] == pytest.approx(sum(found["use"]) / 3)


def test_codes_by_gradient_are_counted_too():
    quantizer = FactorizedRVQ(2, 4, 6, code_dim=3)
    quantizer.code_use.uses.copy_(torch.tensor([0.25] * 4 + [1.0, 0, 0, 0]))
    found = code_health(quantizer)
    assert found["use"] == pytest.approx([1.0, 0.25])
    assert found["perplexity"] == pytest.approx([4.0, 1.0])
    assert code_health(torch.nn.Linear(2, 2)) == {}


def test_divergences_are_the_addends_of_the_penalty():
    bottleneck, hidden = KLBottleneck(), torch.randn(3, 10, 7)
    with divergences(torch.nn.ModuleList([bottleneck])) as found:
        passed = bottleneck(hidden)
    bottleneck(hidden)  # outside of the context nobody listens
    assert len(found) == 1 and found[0].shape == (5,)
    assert float(found[0].sum()) == pytest.approx(float(passed.losses["kl"]), rel=1e-5)
    mean, std = hidden[:, :5], torch.nn.functional.softplus(hidden[:, 5:]) + 1e-4
    expected = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).mean(dim=(0, 2))
    torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-6)
    health = latent_health(bottleneck.encode(hidden), found)
    np.testing.assert_allclose(health["kl"], expected.numpy(), rtol=1e-5)


def test_spread_is_numpys():
    latents = torch.randn(2, 4, 50) * torch.tensor([0.1, 1.0, 3.0, 0.0])[:, None]
    found = latent_health(latents)
    rows = latents.transpose(0, 1).flatten(1).numpy()
    np.testing.assert_allclose(found["std"], np.std(rows, axis=1), rtol=1e-5, atol=1e-7)
    assert "kl" not in found


def test_scores_are_numpys_histograms_and_discriminators_count_alike():
    rng = torch.Generator().manual_seed(0)
    real = [torch.randn(1000, generator=rng) + 1, torch.randn(20, generator=rng)]
    fake = [torch.randn(400, generator=rng) - 1, torch.randn(30, generator=rng)]
    found = score_health(real, fake)
    low, high = found["low"], found["high"]
    assert (low, high) == pytest.approx(
        (min(float(s.min()) for s in real + fake), max(float(s.max()) for s in real + fake))
    )
    for name, scores in (("real", real), ("fake", fake)):
        counts = [np.histogram(s.numpy(), 40, (low, high))[0] / len(s) for s in scores]
        np.testing.assert_allclose(found[name], np.mean(counts, axis=0), atol=1.1e-1)
        assert np.abs(np.array(found[name]) - np.mean(counts, axis=0)).sum() < 0.06
        assert sum(found[name]) == pytest.approx(1)


def test_scores_that_are_all_alike_or_no_numbers():
    found = score_health([torch.zeros(5)], [torch.zeros(5)])
    assert found["real"][0] == 1.0 and found["high"] > found["low"]
    broken = score_health([torch.tensor([1.0, math.nan])], [torch.tensor([0.0, math.inf])])
    assert (broken["low"], broken["high"]) == (0.0, 1.0)
