"""Entropy of the pitches of a set, beside what was asked for."""

import math

import pytest

from latentone.metrics.notes import pitch_variety

TRACKS = [str(i % 6) for i in range(24)]


def test_a_model_that_keeps_to_one_pitch_has_none_of_the_variety_that_was_asked_for():
    asked = [60 + i % 8 for i in range(24)]
    same = pitch_variety([60.2] * 24, asked, TRACKS)
    assert same["pitch_entropy"].value == 0
    assert same["asked_pitch_entropy"].value == pytest.approx(3)
    obeyed = pitch_variety([p + 0.3 for p in asked], asked, TRACKS)
    assert obeyed["pitch_entropy"].value == pytest.approx(3)
    interval = obeyed["pitch_entropy"].interval
    assert interval.groups == (0, 6) and 0 <= interval.low <= 3 <= interval.high


def test_notes_without_a_pitch_do_not_count():
    found = pitch_variety([60.0, None, math.nan, 64.0], [None] * 4, ["a", "b", "c", "d"])
    assert list(found) == ["pitch_entropy"]
    assert found["pitch_entropy"].items == (0, 2) and found["pitch_entropy"].value == 1
    assert pitch_variety([60.0], [60], ["a"]) == {}


def test_one_track_has_no_interval_and_lists_have_to_fit():
    found = pitch_variety([60, 62], [60, 62], ["a", "a"])
    assert found["pitch_entropy"].interval is None
    assert pitch_variety([60, 62], [60, 62], ["a", "b"], resamples=0)["pitch_entropy"].value == 1
    with pytest.raises(ValueError, match="as many pitches as tracks"):
        pitch_variety([60], [60, 62], ["a"])
