"""Preferences and strengths: closed forms, scipy's maximum likelihood, coverage."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from latentone.listening.power import (
    answers_for_preference,
    listeners_for_difference,
    preference_power,
)
from latentone.listening.preference import abx, bradley_terry, decided, preferences, strengths


def test_two_systems_have_a_closed_form():
    theta = bradley_terry(np.array([[0.0, 12], [5, 0]]))
    assert theta[0] - theta[1] == pytest.approx(math.log(12 / 5), rel=1e-10)
    assert theta.sum() == pytest.approx(0, abs=1e-12)
    prior = bradley_terry(np.array([[0.0, 12], [0, 0]]), prior=0.1)
    assert prior[0] - prior[1] == pytest.approx(math.log(12.1 / 0.1), rel=1e-10)


@pytest.mark.parametrize("systems", [3, 5])
def test_strengths_agree_with_maximum_likelihood_by_scipy(systems):
    wins = np.random.default_rng(systems).integers(1, 20, (systems, systems)).astype(float)
    np.fill_diagonal(wins, 0)

    def cost(free):
        theta = np.append(free, -free.sum())
        chance = 1 / (1 + np.exp(theta[None] - theta[:, None]))
        return -(wins * np.log(chance)).sum()

    found = optimize.minimize(cost, np.zeros(systems - 1), method="BFGS", options={"gtol": 1e-9})
    expected = np.append(found.x, -found.x.sum())
    assert bradley_terry(wins) == pytest.approx(expected, abs=1e-6)
    # In a batch, as alone.
    batch = bradley_terry(np.stack([wins, wins.T]))
    assert batch[0] == pytest.approx(bradley_terry(wins), abs=1e-9)
    assert batch[1] == pytest.approx(-batch[0], abs=1e-9)


def test_strengths_come_back_from_drawn_choices():
    truth = np.array([0.8, 0.1, -0.9])
    rng = np.random.default_rng(0)
    wins = np.zeros((3, 3))
    for i in range(3):
        for j in range(i):
            wins[i, j] = rng.binomial(20_000, 1 / (1 + math.exp(truth[j] - truth[i])))
            wins[j, i] = 20_000 - wins[i, j]
    assert bradley_terry(wins) == pytest.approx(truth, abs=0.04)


def test_infinite_strengths_are_refused():
    unbeaten = np.array([[0.0, 3, 4], [0, 0, 2], [0, 1, 0]])
    with pytest.raises(ValueError, match="never lost"):
        bradley_terry(unbeaten)
    assert np.isfinite(bradley_terry(unbeaten, prior=0.1)).all()
    with pytest.raises(ValueError, match="2 or more"):
        bradley_terry(np.zeros((1, 1)))


def test_preferences_count_each_listener_once():
    # Five listeners prefer the first in 8 of 10, one in none: by answer significant, not by person.
    wins = np.zeros((6, 2, 2))
    wins[:5, 0, 1], wins[:5, 1, 0] = 8, 2
    wins[5, 1, 0] = 10
    (pair,) = preferences(wins, ["a", "b"])
    assert pair["share"] == pytest.approx((5 * 0.8 + 0) / 6)
    low, high = pair["share_interval"]
    assert low < 0.5 < high
    differences = [6.0] * 5 + [-10]
    expected = stats.permutation_test(
        (stats.rankdata(np.abs(differences)) * np.sign(differences),),
        lambda x, axis: x.sum(axis),
        permutation_type="samples",
        n_resamples=np.inf,
    ).pvalue
    assert pair["p_listeners"] == pytest.approx(expected) and pair["p_listeners"] > 0.05
    assert decided(40, 20, 0)["p"] < 0.02
    swapped = preferences(wins.transpose(0, 2, 1), ["b", "a"])[0]
    assert swapped["share"] == pytest.approx(1 - pair["share"])


def test_decided_answers_agree_with_scipy_and_leave_ties_out():
    found = decided(14, 5, 9)
    assert found["p"] == pytest.approx(stats.binomtest(14, 19).pvalue)
    assert found["decided_share"] == pytest.approx(14 / 19)
    nothing = decided(0, 0, 12)
    assert nothing["p"] == 1 and nothing["decided_share"] is nothing["decided_interval"] is None


def test_ties_are_half_a_win_and_one_listener_has_no_interval():
    wins = np.array([[[0, 2.5], [1.5, 0]]])
    (pair,) = preferences(wins, ["a", "b"])
    assert pair["share"] == pytest.approx(2.5 / 4) and pair["share_interval"] is None
    assert strengths(wins, ["a", "b"])["a"]["strength_interval"] is None


def test_intervals_of_strength_hold_the_truth():
    # Listeners with tastes of their own around a common one.
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        taste = 0.6 + 0.5 * rng.normal(size=25)
        won = rng.binomial(12, 1 / (1 + np.exp(-taste)))
        wins = np.zeros((25, 2, 2))
        wins[:, 0, 1], wins[:, 1, 0] = won, 12 - won
        low, high = strengths(wins, ["a", "b"])["a"]["strength_interval"]
        # The common share, averaged over tastes, in logits; half of it is each side's strength.
        held += low <= 0.5 * 0.5676 <= high
    assert 51 <= held <= 60


def test_the_average_taste_of_that_test_is_right():
    x = np.linspace(-8, 8, 200_001)
    share = np.trapezoid(stats.norm.pdf(x) / (1 + np.exp(-0.6 - 0.5 * x)), x)
    assert math.log(share / (1 - share)) == pytest.approx(0.5676, abs=1e-3)


def test_abx_counts_against_guessing():
    found = abx(15, 20)
    assert found["p"] == pytest.approx(stats.binom.sf(14, 20, 0.5))
    assert found["d_prime_interval"][0] < found["d_prime"] < found["d_prime_interval"][1]
    assert abx(8, 8)["d_prime"] is None
    assert abx(2, 8)["d_prime"] == 0 and abx(2, 8)["p"] > 0.9
    with pytest.raises(ValueError, match="right answers"):
        abx(3, 2)


def test_power_agrees_with_simulation():
    rng = np.random.default_rng(0)
    for share, count in ((0.7, 54), (0.8, 20)):
        hits = rng.binomial(count, share, 20_000)
        found = {k: stats.binomtest(int(k), count).pvalue <= 0.05 for k in np.unique(hits)}
        assert preference_power(share, count) == pytest.approx(
            np.mean([found[k] for k in hits]), abs=0.01
        )
    count = answers_for_preference(0.7)
    assert preference_power(0.7, count - 1) < 0.8
    assert all(preference_power(0.7, n) >= 0.8 for n in range(count, 2 * count))
    with pytest.raises(ValueError, match="too near"):
        answers_for_preference(0.505)


def test_listeners_for_a_difference_agree_with_simulation():
    count = listeners_for_difference(10, 15)
    draws = np.random.default_rng(0).normal(10, 15, (20_000, count))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.03)
    assert listeners_for_difference(10, 15, comparisons=6) > count
    with pytest.raises(ValueError, match="above 0"):
        listeners_for_difference(0, 15)
