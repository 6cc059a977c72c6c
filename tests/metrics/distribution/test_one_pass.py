"""Kernel distance and manifolds from one pass are those of two."""

import pytest
import torch

from latentone.metrics.distribution import (
    kernel_distance,
    manifold_scores,
    neighbour_scores,
    one_pass,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(
    ("size", "n", "m"), [(1, 1300, 1100), (1e-30, 1100, 1200), (1e25, 1100, 1100), (1, 60, 90)]
)
def test_the_numbers_are_those_of_both(size, n, m, closed):
    x, y = size * (7 + normal(n, 24)), size * (7.2 + 0.9 * normal(m, 24, seed=1))
    found = neighbour_scores(x, y, k=3, closed=closed)
    kernel = found.pop("kernel")
    assert found == manifold_scores(x, y, k=3, closed=closed)
    expected = kernel_distance(x, y, dtype=torch.float64)
    assert kernel.value == pytest.approx(expected.value, abs=1e-6)
    # The factor of the exponent is rounded, as if the bandwidth had been read with 7 digits.
    assert kernel.details == pytest.approx(expected.details, abs=3e-8)
    assert (kernel.settings, kernel.items) == (expected.settings, expected.items)
    given = neighbour_scores(x, y, bandwidth=3 * size, scale=1.0)["kernel"]
    expected = kernel_distance(x, y, bandwidth=3 * size, scale=1.0, dtype=torch.float64)
    assert given.value == pytest.approx(expected.value, abs=1e-8)


def test_items_without_a_sure_neighbour_are_counted_once():
    # Copies leave no order, so that all radii are worked out again.
    x = normal(600, 8).repeat(2, 1)
    y = normal(1100, 8, seed=1)
    found = neighbour_scores(x, y)
    expected = kernel_distance(x, y, dtype=torch.float64)
    assert found["kernel"].value == pytest.approx(expected.value, abs=1e-6)
    assert found["coverage"] == manifold_scores(x, y)["coverage"]


def test_sets_that_fp32_cannot_serve_are_measured_one_by_one(monkeypatch):
    x, y = normal(1100, 4), normal(1100, 4, seed=1)
    monkeypatch.setattr(one_pass, "measure_manifold", None)
    with pytest.raises(TypeError):
        neighbour_scores(x, y)
    far = 1e4 * torch.arange(1100).remainder(2)[:, None]
    assert neighbour_scores(x + far, y + far, bandwidth=1.0) == {
        "kernel": kernel_distance(x + far, y + far, bandwidth=1.0),
        **manifold_scores(x + far, y + far),
    }


def test_bad_settings_are_refused():
    x, y = normal(30, 4), normal(30, 4, seed=1)
    with pytest.raises(ValueError, match="k of 1"):
        neighbour_scores(x, y, k=0)
    with pytest.raises(ValueError, match="bandwidth above 0"):
        neighbour_scores(x, y, bandwidth=0.0)
    with pytest.raises(ValueError, match="this metric needs 6"):
        neighbour_scores(x, y[:5])
