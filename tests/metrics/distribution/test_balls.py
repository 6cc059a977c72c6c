"""Balls that are searched in fp32 hold exactly what differences in fp64 put into them."""

import pytest
import torch

from latentone.metrics.distribution import balls, manifold_scores
from latentone.metrics.distribution.distances import distance_blocks


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_differences(x, y, k, closed=False):
    """The definitions, from all differences."""

    def squares(a, b):
        return ((a[:, None] - b) ** 2).sum(2)

    inside = torch.le if closed else torch.lt
    radii = [squares(z, z).sort(dim=1).values[:, k] for z in (x, y)]
    across = squares(x, y)
    real = inside(across, radii[0][:, None])
    return {
        "precision": float(real.any(0).double().mean()),
        "recall": float(inside(across, radii[1]).any(1).double().mean()),
        "density": float(real.sum()) / k / len(y),
        "coverage": float(real.any(1).double().mean()),
    }


def clusters(items, seed, apart, width):
    """Groups that fp32 sees as points when they are `apart` and not wide."""
    rng = torch.Generator().manual_seed(seed)
    centres = apart * normal(6, 9, seed=99)
    return centres[torch.randint(6, (items,), generator=rng)] + width * normal(items, 9, seed=seed)


def outlier(items, seed):
    x = normal(items, 9, seed=seed)
    x[0] = 1e7
    return x


SETS = {
    "plain": (normal(150, 9), normal(130, 9, seed=1) * 0.9),
    "narrow groups": (clusters(150, 1, 1e3, 0.1), clusters(140, 2, 1e3, 0.09)),
    "groups below fp32": (clusters(150, 1, 1e4, 0.01), clusters(140, 2, 1e4, 0.01)),
    "groups that fp64 sees to 3 digits": (
        clusters(150, 1, 1e4, 1e-3),
        clusters(140, 2, 1e4, 1e-3),
    ),
    "outliers": (outlier(120, 3), outlier(150, 4)),
    "tiny": (1e-160 * normal(100, 9), 1e-160 * normal(90, 9, seed=1)),
    "huge": (1e120 * normal(100, 9), 1e120 * normal(90, 9, seed=1)),
    "generated set of one sound, all but": (normal(100, 9), 1e-25 * normal(90, 9, seed=1)),
    "whole numbers, with ties and copies": (
        (2 * normal(120, 3)).round(),
        (2 * normal(150, 3, seed=1)).round(),
    ),
}


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("name", SETS)
def test_as_differences_have_it(name, k, closed):
    x, y = SETS[name]
    found = manifold_scores(x, y, k=k, closed=closed)
    values = {key: score.value for key, score in found.items()}
    assert values == pytest.approx(by_differences(x, y, k, closed), abs=1e-12)
    assert 0 < sum(values.values())


def test_fp32_alone_would_be_wrong():
    x, y = SETS["groups below fp32"]
    x, y = x - x.mean(0), y - x.mean(0)
    expected = by_differences(x, y, 5)
    coarse = by_differences(x.float(), y.float(), 5)
    assert abs(coarse["density"] - expected["density"]) > 0.01


@pytest.mark.parametrize("name", ["plain", "narrow groups", "outliers"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_blur_is_a_bound_from_both_sides(name, dtype):
    x, y = SETS[name]
    size = float(torch.cat([x, y]).abs().max())
    x, y = x / size, y / size
    exact = ((x[:, None] - y) ** 2).sum(2)
    sides = balls.Blur(x, dtype), balls.Blur(y, dtype)
    found = next(distance_blocks(sides[0].features, sides[1].features, shrink=False))[1]
    error = (found.double() - exact).abs()
    for absolute in (sides[0].absolute[:, None], sides[1].absolute):
        assert bool((error <= sides[0].relative * exact + absolute).all())


def test_a_neighbour_is_sure_only_where_it_is_the_right_one():
    for name in ("plain", "narrow groups", "outliers", "groups below fp32"):
        x = SETS[name][0]
        x = (x - x.mean(0)) / (x - x.mean(0)).abs().max()
        order = ((x[:, None] - x) ** 2).sum(2).fill_diagonal_(9e9).argsort(dim=1)
        for k in (1, 4, len(x) - 1):
            found, sure = balls._find_kth(x, k, 1000, balls.ignore)
            assert torch.equal(found[sure], order[sure, k - 1])
            if name == "plain":
                assert float(sure.double().mean()) > 0.9
        if name == "groups below fp32":
            assert float(sure.double().mean()) < 0.5


def test_products_of_less_than_fp32_are_not_searched_in():
    x, y = SETS["plain"]
    expected = by_differences(x, y, 3)
    torch.set_float32_matmul_precision("medium")
    try:
        found = manifold_scores(x, y, k=3)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert {key: s.value for key, s in found.items()} == pytest.approx(expected, abs=1e-12)
