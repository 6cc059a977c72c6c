"""Inception score and divergence of posteriors: closed forms and scipy's entropies."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from latentone.metrics.distribution import inception_score, posterior_divergence


def posteriors(items, classes, seed=0, sharpness=2.0):
    rng = torch.Generator().manual_seed(seed)
    logits = sharpness * torch.randn(items, classes, generator=rng, dtype=torch.float64)
    return logits.softmax(1)


def test_sure_of_all_classes_is_their_number_and_unsure_is_one():
    sure = torch.eye(7).repeat(30, 1)
    assert inception_score(sure, splits=1).value == pytest.approx(7)
    assert inception_score(torch.full((40, 7), 1 / 7)).value == pytest.approx(1)
    one_class = torch.eye(7)[:1].repeat(40, 1)
    assert inception_score(one_class).value == pytest.approx(1)


def test_agrees_with_scipys_divergences():
    p = posteriors(300, 9)
    score = inception_score(p, splits=4, rng=torch.Generator().manual_seed(5))
    order = torch.randperm(300, generator=torch.Generator().manual_seed(5))
    parts = [part.numpy() for part in p[order].split(75)]
    scores = [math.exp(np.mean([scipy.stats.entropy(r, q.mean(0)) for r in q])) for q in parts]
    assert score.value == pytest.approx(np.mean(scores), rel=1e-9)
    assert score.details["std"] == pytest.approx(np.std(scores), rel=1e-9)


def test_a_sorted_folder_scores_as_a_shuffled_one():
    sure = torch.eye(5).repeat_interleave(200, 0)
    assert inception_score(sure, splits=5).value > 4.8


def test_fewer_modes_and_less_certainty_score_less():
    scores = [inception_score(posteriors(500, 10, sharpness=s)).value for s in (4, 2, 1, 0.2)]
    assert scores == sorted(scores, reverse=True)
    kept = [inception_score(torch.eye(8)[:n].repeat(64, 1), splits=1).value for n in (8, 5, 2)]
    assert kept == pytest.approx([8, 5, 2])


@pytest.mark.parametrize("paired", [True, False])
def test_divergence_agrees_with_scipy(paired):
    p, q = posteriors(40, 6), posteriors(40, 6, seed=1)
    value = posterior_divergence(q, p, paired=paired).value
    pairs = zip(p.numpy(), q.numpy(), strict=True) if paired else [(p.mean(0), q.mean(0))]
    expected = np.mean([scipy.stats.entropy(a, b) for a, b in pairs])
    assert value == pytest.approx(expected, rel=1e-3)
    assert posterior_divergence(p, q, paired=paired).value != pytest.approx(value, rel=1e-2)
    assert posterior_divergence(p, p, paired=paired).value == 0
    # Both directions come at once, and are told apart.
    score, turned = (posterior_divergence(*s, paired=paired) for s in ((q, p), (p, q)))
    assert score.details["reverse"] == turned.value != score.value


def test_a_class_that_is_never_expected_costs_a_bounded_amount():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert posterior_divergence(a, b).value == pytest.approx(math.log(1e6), rel=1e-3)
    sets = torch.cat([a, b]), torch.cat([b, a])
    assert posterior_divergence(*sets).value == 0
    assert posterior_divergence(*sets, paired=True).value > 13


def test_a_lost_class_shows_in_one_direction_and_an_invented_one_in_the_other():
    every, few = torch.eye(4).repeat(5, 1), torch.eye(4)[:2].repeat(10, 1)
    lost, invented = posterior_divergence(every, few), posterior_divergence(few, every)
    # Of four equal classes two are left: ln (2 / 1) either way, or ln (1 / 2) and ln (0.25 / 1e-6).
    assert lost.value == pytest.approx(math.log(2), abs=1e-4)
    assert lost.details["reverse"] == pytest.approx(math.log(125_000) / 2, abs=1e-3)
    assert invented.value == lost.details["reverse"] and invented.details["reverse"] == lost.value


def test_ten_parts_are_scored_one_by_one_and_averaged_as_exponentials():
    p = posteriors(1000, 6)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    alone = [inception_score(p[rows], splits=1).value for rows in order.split(100)]
    score = inception_score(p)
    assert score.settings["splits"] == 10
    assert score.value == pytest.approx(np.mean(alone), rel=1e-12)
    assert score.details["std"] == pytest.approx(np.std(alone), rel=1e-9)
    assert score.value < inception_score(p, splits=1).value


@pytest.mark.parametrize("items", [0, 1])
def test_sets_too_small_for_a_score(items):
    p, few = posteriors(40, 3), posteriors(40, 3, seed=1)[:items]
    with pytest.raises(ValueError, match=r"has 0 items|2 or more items in each part"):
        inception_score(few)
    if items:
        # One item has a divergence, and none from itself.
        assert posterior_divergence(p, few).value > 0 == posterior_divergence(few, few).value
    else:
        for pair in ((p, few), (few, p)):
            with pytest.raises(ValueError, match="set has 0 items"):
                posterior_divergence(*pair)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ValueError, match="softmax"):
        inception_score(torch.randn(40, 5))
    with pytest.raises(ValueError, match="softmax"):
        inception_score(torch.ones(40, 5))
    with pytest.raises(ValueError, match="2 or more items in each part"):
        inception_score(posteriors(19, 3))
    with pytest.raises(ValueError, match="not finite"):
        inception_score(posteriors(40, 3) * math.nan)
    with pytest.raises(ValueError, match="same classes"):
        posterior_divergence(posteriors(4, 3), posteriors(4, 5))
    with pytest.raises(ValueError, match="same items"):
        posterior_divergence(posteriors(4, 3), posteriors(5, 3), paired=True)
    assert "biased down" in inception_score(posteriors(40, 30)).warnings[0]
