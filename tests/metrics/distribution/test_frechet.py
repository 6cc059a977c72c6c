"""Frechet distance: closed forms, parity with scipy's matrix square root, bias, extrapolation."""

import math

import pytest
import scipy.linalg
import torch

from latentone.metrics.distribution import (
    frechet_bias,
    frechet_distance,
    frechet_from_statistics,
    frechet_infinity,
    frechet_per_group,
    gaussian,
    gaussian_from_moments,
    merge,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def rotation(dims, seed=0):
    return torch.linalg.qr(normal(dims, dims, seed=seed)).Q


def by_sqrtm(x, y):
    """The textbook formula, on numpy and scipy alone."""
    x, y = x.double().numpy(), y.double().numpy()
    a, b = ((z - z.mean(0)).T @ (z - z.mean(0)) / (len(z) - 1) for z in (x, y))
    root = scipy.linalg.sqrtm(a @ b)
    return float(((x.mean(0) - y.mean(0)) ** 2).sum() + (a + b - 2 * root.real).trace())


@pytest.mark.parametrize(("n", "m", "dims"), [(400, 300, 8), (500, 700, 64), (200, 150, 128)])
def test_agrees_with_the_matrix_square_root_of_scipy(n, m, dims):
    x = normal(n, dims) @ rotation(dims) * torch.linspace(0.1, 3, dims)
    y = normal(m, dims, seed=1) * torch.linspace(2, 0.5, dims) + 0.3
    assert frechet_distance(x, y).value == pytest.approx(by_sqrtm(x, y), rel=1e-8)
    moments = [gaussian_from_moments(z.mean(0), z.T.cov(), len(z)) for z in (x, y)]
    assert frechet_from_statistics(*moments).value == pytest.approx(by_sqrtm(x, y), rel=1e-8)


def test_normal_distributions_with_commuting_covariances_have_a_closed_form():
    turn, a, b = rotation(6), torch.tensor([4.0, 1, 9, 0, 2, 1]), torch.tensor([1.0, 1, 4, 3, 0, 5])
    shift = torch.arange(6.0)
    sides = [
        gaussian_from_moments(m, turn @ v.double().diag() @ turn.T, 10**6)
        for m, v in ((torch.zeros(6), a), (shift, b))
    ]
    expected = float(shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum())
    assert frechet_from_statistics(*sides).value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("items", [20, 500])
def test_shift_and_scale_have_closed_forms_also_where_covariances_are_singular(items):
    x = normal(items, 64)
    shift = normal(64, seed=1)
    assert frechet_distance(x, x + shift).value == pytest.approx(float(shift @ shift), rel=1e-10)
    # About the mean, so that nothing but the covariance changes.
    scaled = x.mean(0) + 3 * (x - x.mean(0))
    expected = 4 * float(x.var(0).sum())
    assert frechet_distance(x, scaled).value == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(x, x.flip(0)).value < 1e-10


@pytest.mark.parametrize("least", [0.5, 0.05, 1e-3, 1e-6, 0])
def test_features_that_explain_each_other_cost_no_digits(least):
    # Columns of q are orthonormal: the variances are exactly those of `scale`, however turned.
    q = torch.linalg.qr(normal(300, 6) - normal(300, 6).mean(0)).Q * 299**0.5
    scale = torch.tensor([1, 1, 0.7, 0.5, least, least], dtype=torch.float64)
    turned, plain = q * scale @ rotation(6), q @ rotation(6)
    score = frechet_distance(turned, plain)
    assert score.value == pytest.approx(float((1 - scale).square().sum()), rel=1e-12)
    # A matrix of products knows its small eigenvalues, and their roots, less well.
    if least == 1e-6:
        assert by_sqrtm(turned, plain) != pytest.approx(score.value, rel=1e-12)


def test_products_are_squared_only_where_features_stand_alone(monkeypatch):
    used = []
    qr = torch.linalg.qr
    monkeypatch.setattr(torch.linalg, "qr", lambda *a, **k: used.append(1) or qr(*a, **k))
    x = normal(200, 5)
    for case, expected in (
        (x, 0),
        (x * torch.logspace(-8, 8, 5), 0),  # features of unequal size stand alone as well
        (torch.cat([x, x[:, :1] + 1e-3 * normal(200, 1, seed=1)], 1), 1),
        (torch.cat([x, torch.ones(200, 1)], 1), 1),
        (x[:4], 1),
    ):
        used.clear()
        found = gaussian(case)
        assert len(used) == expected
        torch.testing.assert_close(found.covariance, case.T.cov(), rtol=1e-9, atol=1e-12)


def test_few_items_in_many_dimensions_agree_with_the_low_rank_projection():
    # Both sets lie in a space of 5 dimensions, where nothing is singular.
    basis = rotation(200)[:5]
    x, y = normal(40, 5), 2 * normal(30, 5, seed=1) + 1
    expected = by_sqrtm(x, y)
    assert frechet_distance(x @ basis, y @ basis).value == pytest.approx(expected, rel=1e-9)


def test_far_from_the_origin_no_digits_are_lost():
    x, y = normal(300, 16), 2 * normal(300, 16, seed=1)
    assert frechet_distance(x + 1e6, y + 1e6).value == pytest.approx(by_sqrtm(x, y), rel=1e-6)


def test_shards_merge_into_the_whole():
    x = normal(500, 32) + torch.linspace(0, 5, 500)[:, None]
    merged = gaussian(x[:3])
    for part in (x[3:90], x[90:92], x[92:]):
        merged = merge(merged, gaussian(part))
    assert merged.items == 500
    torch.testing.assert_close(merged.mean, x.mean(0))
    torch.testing.assert_close(merged.covariance, x.T.cov())


@pytest.mark.parametrize(("dims", "n", "m"), [(16, 500, 500), (32, 500, 500), (16, 300, 1200)])
def test_equal_distributions_score_the_derived_bias(dims, n, m):
    scores = [
        frechet_distance(normal(n, dims, seed=2 * i), normal(m, dims, seed=2 * i + 1))
        for i in range(20)
    ]
    expected = frechet_bias(torch.ones(dims), n, m)
    if n == m:
        assert expected == pytest.approx(2 * dims / n + dims * (dims + 1) / (2 * n), rel=1e-12)
    mean = sum(s.value for s in scores) / len(scores)
    assert mean == pytest.approx(expected, rel=0.05)
    assert scores[0].details["bias"] == pytest.approx(expected, rel=0.05)
    assert any("FAD-infinity" in w for w in scores[0].warnings)


def test_the_bias_of_any_spectrum_is_derived():
    scale = torch.logspace(-2, 1, 24)
    turn = rotation(24)
    draws = [(normal(2000, 24, seed=i) * scale) @ turn for i in range(40)]
    values = [frechet_distance(a, b).value for a, b in zip(draws[::2], draws[1::2], strict=True)]
    expected = frechet_bias(scale.square(), 2000, 2000)
    assert sum(values) / len(values) == pytest.approx(expected, rel=0.1)
    assert frechet_bias(scale.square(), math.inf, 2000) == pytest.approx(expected / 2)


def test_infinity_comes_nearer_to_the_truth_than_all_items_do():
    dims, truth = 32, 32 * 0.1**2
    reference = normal(20000, dims)
    score = frechet_infinity(reference, normal(1500, dims, seed=1) + 0.1)
    whole = frechet_distance(reference, normal(1500, dims, seed=1) + 0.1).value
    assert score.details["whole"] == pytest.approx(whole)
    left = frechet_bias(torch.ones(dims), 20000, math.inf)
    assert whole > 1.7 * truth
    assert score.value == pytest.approx(truth + left, abs=0.25 * (whole - truth))
    # The slope is the bias of one side times its items.
    assert score.details["slope"] == pytest.approx(
        frechet_bias(torch.ones(dims), math.inf, 1), rel=0.25
    )
    assert score.details["r2"] > 0.9
    assert score.settings["smallest"] == 150


def test_infinity_repeats_with_its_seed():
    x, y = normal(200, 4), normal(200, 4, seed=1)
    rngs = [torch.Generator().manual_seed(s) for s in (7, 7, 8)]
    values = [frechet_infinity(x, y, rng=rng).value for rng in rngs]
    assert values[0] == values[1] != values[2]
    with pytest.raises(ValueError, match="smaller `smallest`"):
        frechet_infinity(x, y[:5])


def test_songs_are_measured_one_by_one():
    reference, songs = normal(400, 8), normal(120, 8, seed=1)
    songs[40:80] += 2
    groups = ["a"] * 40 + ["b"] * 40 + ["c"] * 39 + ["short"]
    scores = frechet_per_group(reference, songs, groups)
    assert list(scores) == ["a", "b", "c", "short"]
    assert scores["b"].value == pytest.approx(by_sqrtm(reference, songs[40:80]), rel=1e-8)
    assert scores["b"].value > 2 * max(scores["a"].value, scores["c"].value)
    assert math.isnan(scores["short"].value) and "one frame" in scores["short"].warnings[0]


def test_too_few_items_are_warned_of():
    score = frechet_distance(normal(100, 64), normal(50, 64, seed=1))
    assert any("singular" in w and "kernel distance" in w for w in score.warnings)
    far = frechet_distance(normal(1000, 4), normal(1000, 4, seed=1) + 10)
    assert far.warnings == () and far.items == (1000, 1000)


def test_moments_that_are_none_are_refused():
    mean, good = torch.zeros(3), torch.eye(3)
    with pytest.raises(ValueError, match="negative"):
        gaussian_from_moments(mean, -good, 10)
    with pytest.raises(ValueError, match="symmetric"):
        gaussian_from_moments(mean, good + torch.ones(3, 3).triu(1), 10)
    with pytest.raises(ValueError, match="2 or more items"):
        gaussian_from_moments(mean, good, 1)
    with pytest.raises(ValueError, match="finite"):
        gaussian_from_moments(mean * math.nan, good, 10)
    with pytest.raises(ValueError, match="same model"):
        frechet_from_statistics(gaussian(normal(9, 3)), gaussian(normal(9, 4)))
