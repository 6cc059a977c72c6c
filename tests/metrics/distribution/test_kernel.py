"""Kernel distance: parity with the definition, unbiased, one ruler, any block size."""

import math

import numpy as np
import pytest
import scipy.spatial.distance as spatial
import torch

from latentone.metrics.distribution import kernel_distance, median, median_distance


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_definition(x, y):
    """Loops over numpy rows, 100 times the unbiased estimate."""
    x, y = x.numpy(), y.numpy()
    pairs = sorted(np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i])
    gamma = 1 / (2 * pairs[(len(pairs) - 1) // 2] ** 2)

    def mean(a, b, own):
        values = [
            math.exp(-gamma * ((p - q) ** 2).sum())
            for i, p in enumerate(a)
            for j, q in enumerate(b)
            if not (own and i == j)
        ]
        return sum(values) / len(values)

    return 100 * (mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False))


@pytest.mark.parametrize(("n", "m", "dims"), [(40, 31, 3), (12, 25, 50), (2, 2, 1)])
def test_agrees_with_the_definition(n, m, dims):
    x, y = normal(n, dims), 1.5 * normal(m, dims, seed=1) + 0.2
    assert kernel_distance(x, y).value == pytest.approx(by_definition(x, y), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("items", [2, 3, 4, 57, 300])
def test_the_median_is_that_of_all_pairs(items):
    for x in (normal(items, 7), 1e-9 * normal(items, 7), 1e9 * normal(items, 7).exp()):
        pairs = np.sort(spatial.pdist(x.numpy()))
        expected = pairs[(len(pairs) - 1) // 2]
        assert median_distance(x, block=90) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["plain", "mixed", "groups", "heavy tails", "far groups"])
def test_the_median_of_many_pairs_is_found_in_a_few_passes(kind):
    x = normal(1200, 5)
    if kind == "mixed":
        x[:600] *= 1e-3
    elif kind == "groups":
        # Half of the pairs, and one more, share an item's group: the median is at a jump.
        x = 1e-2 * x
        x[:1024] += 1
    elif kind == "heavy tails":
        x = (3 * x).exp()
    elif kind == "far groups":
        # 900 items share a group, and with it most pairs; fp32 does not see into it.
        x[900:] += 1e4
    pairs = np.sort(spatial.pdist(x.numpy()))
    expected = pairs[(len(pairs) - 1) // 2]
    assert median_distance(x) == pytest.approx(expected, rel=1e-6)


def test_a_sample_that_misleads_costs_a_pass_and_no_truth(monkeypatch):
    x = normal(300, 4)
    expected = median_distance(x)
    for bracket in ((0, 5), (median.LARGEST - 5, median.LARGEST), (0, median.LARGEST)):
        monkeypatch.setattr(median, "_bracket", lambda x, block, found=bracket: found)
        assert median_distance(x) == expected


def test_block_size_and_a_common_shift_change_nothing():
    x, y = normal(123, 9), normal(77, 9, seed=1) + 0.5
    expected = kernel_distance(x, y).value
    for block in (1, 200, 1000, 10**7):
        assert kernel_distance(x, y, block=block).value == pytest.approx(expected, rel=1e-9)
    assert kernel_distance(x + 1e4, y + 1e4).value == pytest.approx(expected, rel=1e-6)
    assert kernel_distance(x, y, dtype=torch.float32).value == pytest.approx(expected, abs=1e-3)


def test_many_items_are_measured_in_fp32_without_losing_what_counts():
    x, y = normal(1500, 32), 1.1 * normal(1100, 32, seed=1) + 0.1
    expected = kernel_distance(x, y, dtype=torch.float64).value
    assert kernel_distance(x, y).value == pytest.approx(expected, abs=1e-6)
    assert kernel_distance(x, y).value != expected  # it was fp32
    # Two narrow groups far apart, as fp32 cannot see them: found out, and measured in fp64.
    far = 1e4 * torch.arange(1500).remainder(2)[:, None].double()
    expected = kernel_distance(x + far, y + far[:1100], bandwidth=5.0, dtype=torch.float64)
    assert kernel_distance(x + far, y + far[:1100], bandwidth=5.0) == expected


def test_items_are_not_compared_with_themselves():
    # All items far apart: no kernel but an item's with itself is above 0.
    x = 1e3 * torch.arange(40.0)[:, None]
    score = kernel_distance(x, x + 500, bandwidth=1.0)
    assert score.value == 0 and score.details["within_reference"] == 0


def test_equal_distributions_score_zero_on_average_at_any_size():
    for items in (8, 60):
        values = torch.tensor(
            [
                kernel_distance(
                    normal(items, 16, seed=2 * i), normal(items, 16, seed=2 * i + 1), bandwidth=5.0
                ).value
                for i in range(200)
            ]
        )
        assert float(values.min()) < 0 < float(values.max())
        assert abs(float(values.mean())) < 3 * float(values.std()) / 200**0.5


def test_two_normal_distributions_have_a_closed_form():
    # E k(x, y) for x - y ~ N(shift, v I): (s^2 / (s^2 + v))^(D / 2) exp(-shift^2 / 2 (s^2 + v)).
    dims, s2, shift = 4, 4.0, 1.0
    x, y = normal(3000, dims), normal(3000, dims, seed=1)
    y[:, 0] += shift
    within = (s2 / (s2 + 2)) ** (dims / 2)
    expected = 100 * 2 * within * (1 - math.exp(-(shift**2) / 2 / (s2 + 2)))
    assert kernel_distance(x, y, bandwidth=s2**0.5).value == pytest.approx(expected, rel=0.05)


def test_the_ruler_is_the_reference_and_is_kept():
    x, y = normal(50, 4), 9 * normal(50, 4, seed=1)
    score = kernel_distance(x, y)
    assert score.settings["bandwidth"] == median_distance(x)
    assert kernel_distance(x, y, bandwidth=median_distance(x)) == score
    with pytest.raises(ValueError, match="above 0"):
        kernel_distance(x, y, bandwidth=-1)
    with pytest.raises(ValueError, match="copies"):
        kernel_distance(torch.zeros(20, 4), y)
