"""Distances by blocks: every pair once, and the precision that is promised."""

import pytest
import scipy.spatial.distance as spatial
import torch

from latentone.metrics.distribution.distances import (
    distance_blocks,
    distances_of,
    pair_blocks,
    search_dtype,
    sum_dtype,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("items", [2, 3, 255, 256, 257, 700])
@pytest.mark.parametrize("block", [1, 1000, 10**7])
def test_every_pair_comes_once(items, block):
    x = normal(items, 5)
    blocks = [b.clone() for b in pair_blocks(x, block)]
    found = torch.cat([b[torch.isfinite(b)] for b in blocks]).sort().values
    expected = torch.from_numpy(spatial.pdist(x.numpy(), "sqeuclidean")).sort().values
    torch.testing.assert_close(found, expected)
    assert all(b.numel() <= max(block, items) for b in blocks)
    assert sum(b.numel() for b in blocks) <= items * (items + min(items, 256)) / 2


@pytest.mark.parametrize("shrink", [True, False])
def test_rectangles_agree_with_scipy_at_any_block_size(shrink):
    x, y = normal(70, 6), normal(40, 6, seed=1)
    expected = torch.from_numpy(spatial.cdist(x.numpy(), y.numpy(), "sqeuclidean"))
    for block in (1, 100, 10**6):
        blocks = [(s, b.clone()) for s, b in distance_blocks(x, y, block, shrink=shrink)]
        assert [s for s, _ in blocks] == list(range(0, 70, len(blocks[0][1])))
        torch.testing.assert_close(torch.cat([b for _, b in blocks]), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shrunk_norms_make_equal_items_meet_at_exactly_nothing(dtype):
    x = (100 * normal(300, 128)).to(dtype)
    squares = next(distance_blocks(x, x))[1]
    assert float(squares.diagonal().max()) == 0
    # Only what is within rounding of nothing becomes nothing.
    assert int((squares == 0).sum()) == 300


def test_differences_lose_no_digits_and_know_ties():
    x = 1e8 + normal(50, 16)
    i, j = torch.arange(49), torch.arange(1, 50)
    exact = ((x[i] - x[j]) ** 2).sum(1)
    assert torch.equal(distances_of(x, x, i, j), distances_of(x, x, j, i))
    torch.testing.assert_close(distances_of(x, x, i, j), exact, rtol=1e-14, atol=0)
    alone = torch.cat([distances_of(x, x, i[k : k + 1], j[k : k + 1]) for k in range(49)])
    for block in (1, 50, 10**6):
        assert torch.equal(distances_of(x, x, i, j, block), alone)


def test_fp32_is_for_many_items_near_the_origin_and_whole_products():
    assert sum_dtype(10**4, 1.0) == torch.float32
    assert sum_dtype(100, 1.0) == sum_dtype(10**4, 1e3) == torch.float64
    torch.set_float32_matmul_precision("medium")
    try:
        assert search_dtype() == sum_dtype(10**4, 1.0) == torch.float64
    finally:
        torch.set_float32_matmul_precision("highest")
