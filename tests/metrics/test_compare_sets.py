"""All set metrics at once: they agree in direction, and what cannot be measured says why."""

import math

import numpy as np
import pytest
import torch

from latentone.metrics.clusters import independent_items
from latentone.metrics.distribution import (
    frechet_infinity,
    kernel_distance,
    manifold_scores,
    median_distance,
)
from latentone.metrics.sets import SET_METRICS, compare_sets, set_metric, thin

TRACKS = [f"track {i // 10}" for i in range(300)]


def vectors(seed, shift=0.0, scale=1.0):
    return scale * torch.randn(300, 4, generator=torch.Generator().manual_seed(seed)) + shift


def test_a_shifted_set_is_worse_in_every_metric():
    same = compare_sets(vectors(0), vectors(1), TRACKS, TRACKS, resamples=20)
    moved = compare_sets(vectors(0), vectors(1, shift=1.5), TRACKS, TRACKS, resamples=20)
    assert list(same.scores) == list(SET_METRICS) and not same.missing
    for name in SET_METRICS:
        sign = -1 if set_metric(name).better == "higher" else 1
        assert sign * (moved.scores[name].value - same.scores[name].value) > 0, name
    assert moved.scores["frechet"].value == pytest.approx(4 * 1.5**2, rel=0.2)
    interval = same.scores["kernel"].interval
    assert interval is not None and interval.groups == (30, 30) and interval.low < 0 < interval.high


def test_what_cannot_be_measured_says_why():
    found = compare_sets(vectors(0), vectors(1)[:3], TRACKS, ["one"] * 3, resamples=20)
    assert "frechet" in found.scores and found.scores["frechet"].interval is None
    assert "coverage" in found.missing and "3 items" in found.missing["coverage"]
    assert set(found.scores) | set(found.missing) == set(SET_METRICS)


def test_the_odd_track_is_the_first_outlier_and_the_seed_decides():
    odd = vectors(1)
    odd[50:60] += 8
    found = compare_sets(vectors(0), odd, TRACKS, TRACKS, resamples=5)
    assert next(iter(found.outliers)) == "track 5"
    again = compare_sets(vectors(0), odd, TRACKS, TRACKS, resamples=5)
    assert found.to_json() == again.to_json()


def test_outliers_may_be_of_songs_and_those_of_one_window_come_last():
    odd = vectors(1)
    odd[50:55] += 8
    songs = [f"song {i // 5}" for i in range(299)] + ["short"]
    found = compare_sets(vectors(0), odd, TRACKS, TRACKS, resamples=0, songs=songs)
    assert next(iter(found.outliers)) == "song 10" and list(found.outliers)[-1] == "short"
    assert found.to_json()["outliers"]["short"] is None


def test_posteriors_have_closed_forms():
    """Sure of each item and even over four classes scores 4; of one class alone, 1."""
    sure = torch.eye(4)[torch.arange(300) % 4]
    one = torch.eye(4)[torch.zeros(300, dtype=torch.long)]
    heads = {"genre": (sure, sure), "key": (sure, one)}
    found = compare_sets(vectors(0), vectors(1), TRACKS, TRACKS, posteriors=heads, resamples=10)
    assert found.scores["inception/genre"].value == pytest.approx(4, rel=1e-6)
    assert found.scores["inception/key"].value == pytest.approx(1, rel=1e-6)
    assert found.scores["posterior_kl/genre"].value == pytest.approx(0, abs=1e-9)
    assert found.scores["posterior_kl/key"].value == pytest.approx(math.log(4), rel=1e-4)
    assert found.scores["inception/key"].interval is not None
    assert set_metric("inception/key").better == "higher"
    with pytest.raises(ValueError, match="unknown metric"):
        set_metric("excellence/key")


def test_intervals_of_fewer_windows_stand_around_the_value_of_all():
    """Thinned to a third, the spread over tracks is about the same: tracks differ, not windows."""
    rng = torch.Generator().manual_seed(2)
    tracks = [f"track {i // 20}" for i in range(800)]
    x, y = (
        torch.randn(40, 3, generator=rng).repeat_interleave(20, 0)
        + 0.3 * torch.randn(800, 3, generator=rng)
        for _ in range(2)
    )
    whole, few = (
        compare_sets(x, y, tracks, tracks, resamples=100, interval_items=n).scores["kernel"]
        for n in (800, 270)
    )
    truth = kernel_distance(x, y, bandwidth=median_distance(x)).value
    assert whole.value == few.value == pytest.approx(truth)
    assert few.details["interval_reference_items"] == 270 and few.interval.groups == (40, 40)
    widths = [s.interval.high - s.interval.low for s in (whole, few)]
    assert widths[1] == pytest.approx(widths[0], rel=0.25)
    middle = [(s.interval.high + s.interval.low) / 2 - s.value for s in (whole, few)]
    assert abs(middle[0] - middle[1]) < 0.15 * widths[0]


def test_intervals_keep_to_what_is_possible():
    found = compare_sets(
        vectors(0)[:40], vectors(1, shift=9)[:40], TRACKS[:40], TRACKS[:40], resamples=20
    )
    for name, score in found.scores.items():
        if score.interval is not None and name != "kernel":
            assert score.interval.low >= 0, name
        if name in ("precision", "recall", "coverage", "ndb"):
            assert score.interval.high <= 1, name


def test_thinning_keeps_the_shares_of_tracks():
    tracks = ["a"] * 600 + ["b"] * 300 + ["c"] * 100
    rows = thin(tracks, 100)
    assert len(rows) == 100 and bool((rows.diff() > 0).all())
    counts = {t: sum(tracks[i] == t for i in rows.tolist()) for t in "abc"}
    assert counts == {"a": pytest.approx(60, abs=1), "b": pytest.approx(30, abs=1), "c": 10}
    assert thin(tracks, 1000).tolist() == list(range(1000))
    with pytest.raises(ValueError, match="1 or more"):
        thin(tracks, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_leave_nothing_to_measure(bad):
    broken = vectors(1)
    broken[7, 2] = bad
    found = compare_sets(vectors(0), broken, TRACKS, TRACKS, resamples=0)
    assert not found.scores and not found.outliers
    assert all("not finite" in why for why in found.missing.values())


def test_a_kernel_without_a_ruler_leaves_the_manifolds():
    """Most of the reference is one silent window: no median distance, yet there are neighbours."""
    x = vectors(0)
    x[:220] = x[0]
    found = compare_sets(x, vectors(1), TRACKS, TRACKS, resamples=0)
    assert set(found.missing) == {"kernel"} and "no median distance" in found.missing["kernel"]
    assert found.scores["precision"].value == manifold_scores(x, vectors(1))["precision"].value


def test_too_few_for_neighbours_leave_the_kernel():
    found = compare_sets(vectors(0), vectors(1)[:4], TRACKS, TRACKS[:4], resamples=0)
    assert {"precision", "recall", "density", "coverage"} <= set(found.missing)
    truth = kernel_distance(vectors(0), vectors(1)[:4]).value
    assert found.scores["kernel"].value == truth


def clustered(seed, tracks=40, windows=15, dims=8, between=0.9):
    rng = torch.Generator().manual_seed(seed)
    means = torch.randn(tracks, dims, generator=rng).repeat_interleave(windows, 0)
    own = torch.randn(tracks * windows, dims, generator=rng)
    return between**0.5 * means + (1 - between) ** 0.5 * own


def test_equal_music_of_few_tracks_is_not_called_different_without_a_word():
    """Windows of a track that say the same are worth one; unrelated ones are worth all."""
    tracks = [f"track {i // 15}" for i in range(600)]
    worth = independent_items(clustered(0), tracks)
    assert worth == pytest.approx(40 / 0.9, rel=0.2)
    assert independent_items(clustered(0, between=0.0), tracks) == pytest.approx(600, rel=0.3)
    assert independent_items(clustered(0), ["one"] * 600) == 1
    assert independent_items(torch.ones(6, 2), list("aabbcc")) == 6
    found = compare_sets(clustered(1), clustered(2), tracks, tracks, resamples=20).scores
    said = found["frechet"].details["bias_by_track"]
    assert said == pytest.approx(found["frechet"].value, rel=0.6)
    assert said > 5 * found["frechet"].details["bias"]
    assert any("halves of the reference" in note for note in found["frechet"].warnings)
    plain = [f"{i}" for i in range(600)]
    unrelated = compare_sets(
        clustered(1, between=0.0), clustered(2, between=0.0), plain, plain, resamples=0
    ).scores["frechet"]
    assert not any("halves" in note for note in unrelated.warnings)


def test_infinity_follows_tracks_and_has_an_interval():
    """The line over windows of few tracks stays where it is; over tracks it falls towards 0."""
    tracks = [f"track {i // 15}" for i in range(600)]
    by_track, by_window = 0.0, 0.0
    for seed in range(20):
        x, y = clustered(2 * seed, tracks=80), clustered(2 * seed + 1)
        by_track += frechet_infinity(x, y, groups=tracks).value / 20
        by_window += frechet_infinity(x, y).value / 20
    of = [f"track {i // 15}" for i in range(1200)]
    score = compare_sets(x, y, of, tracks, resamples=12).scores["frechet_infinity"]
    # What is left is the bias of the reference, which is said.
    assert by_track == pytest.approx(score.details["reference_bias"], abs=0.2)
    assert by_window > 2.5 * by_track
    low, high = score.interval[:2]
    assert low <= score.value <= high and high - low > 0.1
    assert score.interval.groups == (80, 40) and score.settings["by_track"]


def test_a_lost_interval_says_why():
    found = compare_sets(vectors(0), vectors(1)[:10], TRACKS, ["a"] * 5 + ["b"] * 5, resamples=10)
    assert found.scores["kernel"].interval is not None
    lost = found.scores["precision"]
    assert lost.interval is None and any("no interval" in note for note in lost.warnings)
