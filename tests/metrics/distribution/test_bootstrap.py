"""Intervals: the spread that statistics predicts, by track and not by clip."""

from dataclasses import replace
from functools import partial

import pytest
import scipy.stats
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


def share(reference, generated):
    """Of items above 0."""
    items = len(reference), len(generated)
    value = float((generated > 0).double().mean())
    return Score(value=value, items=items, bounds=(0.0, 1.0), share_of=items[1])


def wilson(hits, items, level=0.95):
    return scipy.stats.binomtest(hits, items).proportion_ci(level, method="wilson")


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.99])
def test_intervals_of_shares_hold_the_truth_as_often_as_they_say(truth):
    hits, widths, expected = 0, 0.0, 0.0
    for seed in range(200):
        y = truth - torch.rand(100, 1, generator=torch.Generator().manual_seed(seed)).double()
        found = bootstrap(share, normal(2, 1), y, resample="generated", resamples=60).interval
        assert 0 <= found.low <= found.high <= 1
        # Of 1 set in 3 all items are above 0 when 99 % are: the spread alone would miss those.
        hits += found.low <= truth <= found.high
        widths += found.high - found.low
        textbook = wilson(int((y > 0).sum()), 100)
        expected += textbook.high - textbook.low
    assert hits >= 180
    assert widths == pytest.approx(expected, rel=0.1)


def test_a_share_has_the_textbooks_interval():
    y = torch.cat([torch.ones(30, 1), -torch.ones(70, 1)])
    by = partial(bootstrap, share, y, resample="generated")
    found, expected = by(y, resamples=3000, level=0.9).interval, wilson(30, 100, 0.9)
    assert found[:2] == pytest.approx((expected.low, expected.high), abs=0.005)
    assert by(y.abs(), resamples=9).interval[:2] == pytest.approx((wilson(100, 100).low, 1.0))
    # Twenty tracks of five clips are twenty draws.
    few = by(y.abs(), resamples=9, generated_groups=[i // 5 for i in range(100)]).interval
    assert few.low == pytest.approx(wilson(20, 20).low)


def test_shares_that_move_together_have_wider_intervals():
    """Items of 40 tracks, ten alike in each, count as 40: so do items whose hits move as one."""
    y = normal(40, 1).repeat_interleave(10, 0)
    groups = [i // 10 for i in range(400)]
    by = partial(bootstrap, share, y, y, resample="generated", resamples=1500)
    found, hits = by(generated_groups=groups).interval, int((y[::10] > 0).sum())
    assert found[:2] == pytest.approx(wilson(hits, 40)[:], abs=0.02)

    def even(reference, generated):
        """A share that counts every tenth item ten times."""
        return replace(share(reference, generated[::10].repeat_interleave(10, 0)), share_of=400)

    loose = normal(400, 1, seed=3)
    by = partial(bootstrap, even, loose, loose, resample="generated", method="replace")
    found = by(resamples=1500).interval
    kept = int((loose[::10] > 0).sum())
    assert found[:2] == pytest.approx(wilson(kept, 40)[:], abs=0.03)


def test_a_full_share_whose_resamples_are_not_full_is_unsure():
    def full(reference, generated):
        return replace(share(reference, generated), value=1.0 if len(generated) == 100 else 0.4)

    def unsteady(reference, generated):
        value = 1.0 if len(generated) == 100 else float((generated > 0).double().mean())
        return replace(share(reference, generated), value=value)

    y = normal(100, 1)
    expected = wilson(100, 100)
    for metric in (full, unsteady):
        found = bootstrap(metric, y, y, resample="generated", resamples=50).interval
        assert found.low == pytest.approx(expected.low) and found.high == 1


def test_intervals_end_where_values_do():
    x, y = normal(60, 3), normal(60, 3, seed=1)
    close = bootstrap(frechet_distance, x, y, resamples=40)
    assert close.interval.low == 0 < close.value < close.interval.high
    for name, score in bootstrap(manifold_scores, x, y + 9, resamples=10).items():
        assert score.interval.low == score.value == 0, name
        assert (score.interval.high > 0.01) == (name != "density")
    sure = torch.eye(4).repeat(20, 1)
    top = bootstrap(lambda _, p: inception_score(p, splits=1), sure, sure, resamples=20)
    assert top.interval.high == pytest.approx(4) and 1 <= top.interval.low < 4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["equal", "shifted", "narrow"])
def test_intervals_of_distances_and_manifolds_hold_what_is_expected(kind):
    def sets(seed):
        x, y = normal(100, 4, seed=2 * seed), normal(100, 4, seed=2 * seed + 1)
        return x, {"equal": y, "shifted": 0.9 * y + 0.4, "narrow": 0.5 * y}[kind]

    def metric(x, y):
        single = {"frechet": frechet_distance(x, y), "kernel": kernel_distance(x, y, bandwidth=2.6)}
        return single | manifold_scores(x, y)

    found = [bootstrap(metric, *sets(i), resamples=60) for i in range(100)]
    for name in found[0]:
        expected = sum(f[name].value for f in found) / 100
        hits = sum(f[name].interval.low <= expected <= f[name].interval.high for f in found)
        assert hits >= 85, (name, hits)


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
            assert score.interval.low <= score.value <= score.interval.high
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
