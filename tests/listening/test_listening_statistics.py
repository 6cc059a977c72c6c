"""Intervals and tests against scipy, enumeration, simulation and published examples."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from latentone.listening.statistics import (
    bootstrap,
    d_prime,
    holm,
    resample,
    signed_rank,
    t_interval,
    wilson,
)


def test_student_interval_agrees_with_scipy():
    x = np.array([3.0, 7, 1, 9, 4])
    expected = stats.t.interval(0.95, 4, loc=x.mean(), scale=stats.sem(x))
    assert t_interval(x) == pytest.approx(expected, rel=1e-12)
    assert t_interval(x[:1]) is None


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 10), (19, 36), (12, 12)])
def test_wilson_agrees_with_scipy(hits, count):
    expected = stats.binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(0, 0) is None


def test_bootstrap_of_a_mean_spreads_as_derived():
    # Var of a resampled mean is (n - 1) / n times s^2 / n.
    x = np.random.default_rng(0).normal(5, 2, 60)
    low, high = bootstrap(x)
    half = 1.96 * x.std(ddof=0) / np.sqrt(60)
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.08 * half)
    # The median of 9 draws from 1 ... 9 is 8 or more with the chance of 5 or more hits of 2 / 9.
    assert stats.binom.sf(4, 9, 2 / 9) > 0.025 > stats.binom.sf(4, 9, 1 / 9)
    assert bootstrap(np.arange(1.0, 10), median=True) == (2, 8)
    assert bootstrap(x[:1]) is None


def test_intervals_hold_the_mean_as_often_as_the_docs_say():
    rng = np.random.default_rng(0)
    for count, by_bootstrap in ((4, 0.79), (8, 0.89), (15, 0.93)):
        x = rng.normal(size=(500, count))
        for method, share in ((t_interval, 0.95), (bootstrap, by_bootstrap)):
            ends = np.array([method(row) for row in x])
            held = np.mean((ends[:, 0] <= 0) & (ends[:, 1] >= 0))
            assert held == pytest.approx(share, abs=0.035)


def test_draws_follow_the_generator_and_reach_everyone():
    first = resample(5, torch.Generator().manual_seed(1))
    assert (first == resample(5, torch.Generator().manual_seed(1))).all()
    assert (first != resample(5, torch.Generator().manual_seed(2))).any()
    counts = np.bincount(first.ravel(), minlength=5) / first.size
    assert counts == pytest.approx(np.full(5, 0.2), abs=0.02)


@pytest.mark.parametrize("n", [3, 6, 12, 25])
def test_signed_ranks_agree_with_scipy_without_ties(n):
    x = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.wilcoxon(x, method="exact").pvalue
    assert signed_rank(x) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "x", [[1, 1, -1, 2, 2], [3, -1, 1, 1, 5, 0, 0], [2, 2, 2, 2], [-5, 1, 1, 1, 1, 1]]
)
def test_signed_ranks_agree_with_every_sign_where_values_are_tied(x):
    x = np.array([v for v in x if v], dtype=float)
    ranks = stats.rankdata(np.abs(x))
    sums = [float(ranks @ np.array(signs)) for signs in product((0, 1), repeat=len(x))]
    far = abs(float(ranks[x > 0].sum()) - ranks.sum() / 2)
    expected = np.mean([abs(s - ranks.sum() / 2) >= far - 1e-9 for s in sums])
    assert signed_rank(x) == pytest.approx(expected, rel=1e-12)


def test_signed_ranks_of_few_or_nothing():
    assert signed_rank(np.zeros(4)) == 1
    assert signed_rank(np.array([])) == 1
    assert signed_rank(np.arange(1.0, 6)) == pytest.approx(2**-4)


def test_holm_corrects_step_by_step():
    # By hand: 4 * 0.01; 3 * 0.02; then 2 * 0.03, no less than the last; 1 * 0.04, likewise.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.001]) == pytest.approx([0.5, 0.002])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_holm_errs_in_no_more_than_its_level():
    p = np.random.default_rng(0).uniform(size=(4000, 6))
    wrong = np.mean([min(holm(row)) < 0.05 for row in p])
    assert wrong == pytest.approx(1 - (1 - 0.05 / 6) ** 6, abs=0.012)


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
def test_d_prime_returns_the_distance_of_a_simulated_listener(distance):
    rng = np.random.default_rng(0)
    a, b, x = rng.normal(size=(3, 400_000))
    b, x = b + distance, x + distance
    share = np.mean(np.abs(x - b) < np.abs(x - a))
    assert d_prime(float(share)) == pytest.approx(distance, abs=0.03)


def test_d_prime_at_the_ends():
    assert d_prime(0.5) == d_prime(0.2) == 0
    assert d_prime(1.0) == float("inf")
    with pytest.raises(ValueError, match="0 to 1"):
        d_prime(1.2)
