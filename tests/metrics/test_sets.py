"""All set metrics at once: they agree in direction, and what cannot be measured says why."""

import pytest
import torch

from latentone.metrics.sets import SET_METRICS, compare_sets

TRACKS = [f"track {i // 10}" for i in range(300)]


def vectors(seed, shift=0.0, scale=1.0):
    return scale * torch.randn(300, 4, generator=torch.Generator().manual_seed(seed)) + shift


def test_a_shifted_set_is_worse_in_every_metric():
    same = compare_sets(vectors(0), vectors(1), TRACKS, TRACKS, resamples=20)
    moved = compare_sets(vectors(0), vectors(1, shift=1.5), TRACKS, TRACKS, resamples=20)
    assert list(same.scores) == list(SET_METRICS) and not same.missing
    for name in SET_METRICS:
        sign = -1 if name in ("precision", "recall", "density", "coverage") else 1
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
