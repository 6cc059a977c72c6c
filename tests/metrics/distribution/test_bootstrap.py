"""Intervals: the spread that statistics predicts, by track and not by clip."""

from functools import partial

import pytest
import torch

from latentone.metrics.distribution import (
    Score,
    bin_scores,
    bootstrap,
    frechet_distance,
    inception_score,
    kernel_distance,
    manifold_scores,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def difference(reference, generated):
    value = float(generated.mean() - reference.mean())
    return Score(value=value, items=(len(reference), len(generated)))


@pytest.mark.parametrize("method", ["half", "replace"])
def test_a_mean_has_its_standard_error(method):
    x, y = normal(300, 1), 2 * normal(200, 1, seed=1)
    score = bootstrap(difference, x, y, method=method, resamples=1500, level=0.9)
    expected = float((x.var() / 300 + y.var() / 200).sqrt())
    assert score.details["standard_error"] == pytest.approx(expected, rel=0.08)
    # 5 and 95 percent of a normal distribution are 1.645 standard deviations out.
    low, high = score.interval.low, score.interval.high
    assert high - score.value == pytest.approx(1.645 * expected, rel=0.12)
    assert score.value - low == pytest.approx(1.645 * expected, rel=0.12)
    assert score.interval.groups == (300, 200) and score.interval.resamples == 1500
    fixed = bootstrap(difference, x, y, method=method, resample="generated", resamples=1500)
    expected = float((y.var() / 200).sqrt())
    assert fixed.details["standard_error"] == pytest.approx(expected, rel=0.08)
    assert fixed.interval.groups == (0, 200)


@pytest.mark.parametrize("method", ["half", "replace"])
def test_clips_of_one_track_do_not_pass_for_many(method):
    # 10 clips that are all but equal: 40 tracks know as much as 40 clips.
    tracks = normal(40, 1).repeat_interleave(10, 0) + 1e-3 * normal(400, 1, seed=1)
    groups = [f"track {i // 10}" for i in range(400)]
    by = partial(bootstrap, difference, method=method, resample="generated", resamples=600)
    grouped = by(normal(50, 1, seed=2), tracks, generated_groups=groups)
    expected = float((tracks[::10].var() / 40).sqrt())
    assert grouped.details["standard_error"] == pytest.approx(expected, rel=0.12)
    naive = by(normal(50, 1, seed=2), tracks)
    assert naive.details["standard_error"] < 0.5 * grouped.details["standard_error"]


def test_the_spread_is_that_of_new_draws():
    def sets(seed):
        return normal(120, 4, seed=seed), normal(120, 4, seed=seed + 1) + 0.5

    for metric in (frechet_distance, partial(kernel_distance, bandwidth=3.0)):
        drawn = torch.tensor([metric(*sets(2 * i)).value for i in range(120)])
        found = torch.tensor(
            [
                bootstrap(metric, *sets(2 * i), resamples=40).details["standard_error"]
                for i in range(8)
            ]
        )
        assert float(found.mean()) == pytest.approx(float(drawn.std()), rel=0.25)


def test_every_metric_can_be_given_an_interval():
    x, y = normal(80, 3), normal(80, 3, seed=1) + 0.3
    groups = [i // 4 for i in range(80)]
    p = y.softmax(1)
    for metric in (
        frechet_distance,
        kernel_distance,
        manifold_scores,
        partial(bin_scores, bins=4),
        lambda reference, generated: inception_score(generated, splits=2),
    ):
        found = bootstrap(metric, x, p, generated_groups=groups, resamples=10)
        plain = metric(x, p)
        if isinstance(plain, Score):
            found, plain = {"": found}, {"": plain}
        assert list(found) == list(plain)
        for name, score in found.items():
            assert score.value == plain[name].value and score.items == plain[name].items
            assert score.interval.low <= score.interval.high
            assert score.interval.groups == (80, 20)


def test_repeats_with_its_seed():
    x, y = normal(30, 2), normal(30, 2, seed=1)
    seeds = [None, torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)]
    first, same, other = (bootstrap(difference, x, y, resamples=20, rng=rng) for rng in seeds)
    assert first == same != other


def test_what_cannot_be_resampled_is_refused():
    x, y = normal(30, 2), normal(30, 2, seed=1)
    with pytest.raises(ValueError, match="one group"):
        bootstrap(difference, x, y, generated_groups=["a"] * 30)
    with pytest.raises(ValueError, match="a group for each of 30 reference items, got 3"):
        bootstrap(difference, x, y, reference_groups=["a", "b", "c"])
    with pytest.raises(ValueError, match="'half' or 'replace'"):
        bootstrap(difference, x, y, method="thirds")
    with pytest.raises(ValueError, match="2 or more resamples"):
        bootstrap(difference, x, y, resamples=1)
    with pytest.raises(ValueError, match="needs 26"):
        bootstrap(partial(manifold_scores, k=25), x, y)
    few = bootstrap(difference, x, y, generated_groups=[i % 3 for i in range(30)], resamples=5)
    assert "3 groups" in few.warnings[-1]
