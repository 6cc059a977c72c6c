from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentone.latents.statistics import ContinuousStatistics, DiscreteStatistics, Gatherer
from latentone.nn.transform import LatentTransform
from latentone.spec import LatentSpec


def continuous(dim: int) -> LatentSpec:
    return LatentSpec(kind="continuous", shape=(dim,), frame_rate=1.0, fingerprint="x")


def discrete(*vocab: int) -> LatentSpec:
    return LatentSpec(
        kind="discrete", shape=(len(vocab),), vocab=vocab, frame_rate=1.0, fingerprint="x"
    )


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    cut=st.integers(0, 6),
    centre=st.sampled_from([0.0, 1.0, -1e4, 1e6]),
)
def test_moments_in_pieces_and_merged_equal_numpy_on_everything(
    sizes: list[int], cut: int, centre: float
) -> None:
    chance = np.random.default_rng(len(sizes))
    blocks = [centre + chance.standard_normal((n, 3)) * [1, 0.1, 10] for n in sizes]
    first, second = Gatherer(continuous(3)), Gatherer(continuous(3))
    for i, block in enumerate(blocks):
        (first if i < cut else second).add(block)
    first.merge(second.result())
    everything, found = np.concatenate(blocks), first.result()
    assert isinstance(found, ContinuousStatistics) and found.count == len(everything)
    if len(everything):
        # A sum of squares in float64 would lose the digits of 1e6 ** 2 / 0.1 ** 2 = 1e14 here.
        np.testing.assert_allclose(found.mean, everything.mean(0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.std, everything.std(0), rtol=1e-6, atol=1e-9)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_usage_in_pieces_and_merged_equals_counting_everything(sizes: list[int]) -> None:
    chance = np.random.default_rng(sum(sizes))
    blocks = [np.stack([chance.integers(0, k, n) for k in (4, 7)], 1) for n in sizes]
    total = Gatherer(discrete(4, 7))
    for i, block in enumerate(blocks):
        part = Gatherer(discrete(4, 7))
        part.add(block.astype(np.uint8))
        total.merge(part if i % 2 else part.result())
    found, everything = total.result(), np.concatenate(blocks)
    assert isinstance(found, DiscreteStatistics)
    for row, size, usage in zip(everything.T, (4, 7), found.usage, strict=True):
        assert usage == tuple((row == code).sum() for code in range(size))
    assert found.count == len(everything)


def test_perplexity_and_share_of_known_usage() -> None:
    found = DiscreteStatistics(usage=((5, 5, 5, 5), (20, 0, 0, 0), (10, 10, 0, 0)))
    assert found.used == (1.0, 0.25, 0.5)
    assert found.perplexity == pytest.approx((4.0, 1.0, 2.0))


def test_they_standardise_latents_through_the_transform() -> None:
    frames = np.random.default_rng(0).normal([3, -2], [5, 0.5], (500, 2)).astype(np.float32)
    gatherer = Gatherer(continuous(2))
    gatherer.add(frames)
    found = gatherer.result()
    assert isinstance(found, ContinuousStatistics)
    z = LatentTransform.from_statistics(*found.tensors())(torch.from_numpy(frames.T)[None])
    assert z.mean(-1).abs().max() < 1e-5
    assert (z.std(-1, correction=0) - 1).abs().max() < 1e-5
