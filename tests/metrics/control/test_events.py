"""Times matched one to one: mir_eval beside us, and what empty lists mean."""

import math

import mir_eval
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.metrics.control import (
    BEAT_WINDOW,
    ONSET_WINDOW,
    event_f1,
    merge_onsets,
    onset_f1,
    tempo_scores,
)

# Thousandths of a second, so that no distance comes within rounding of the window.
TIMES = st.lists(st.integers(0, 2000), min_size=1, max_size=30).map(
    lambda rows: np.sort(np.array(rows)) / 1000
)


@settings(max_examples=200, deadline=None)
@given(TIMES, TIMES)
def test_agrees_with_mir_eval(reference, estimate):
    # Crowded: 30 times in two seconds, many possible partners each.
    window = 0.0705
    expected = mir_eval.beat.f_measure(reference, estimate, window)
    assert event_f1(reference, estimate, window) == pytest.approx(expected, abs=1e-12)
    expected = mir_eval.onset.f_measure(reference, estimate, window=window)[0]
    assert event_f1(reference, estimate, window) == pytest.approx(expected, abs=1e-12)


def test_windows_are_mir_evals():
    reference = np.arange(1, 30, 0.5)
    for off, beat, onset in ((0.049, 1, 1), (0.051, 1, 0), (0.069, 1, 0), (0.071, 0, 0)):
        assert event_f1(reference, reference + off, BEAT_WINDOW) == beat
        assert event_f1(reference, reference + off, ONSET_WINDOW) == onset
        assert mir_eval.beat.f_measure(reference, reference + off) == beat
        assert mir_eval.onset.f_measure(reference, reference + off)[0] == onset


def test_a_time_has_one_partner():
    assert event_f1([1.0], [0.99, 1.0, 1.01], 0.05) == pytest.approx(2 / 4)
    # Matching 1.0 with its nearest, 1.04, would leave 1.08 alone.
    assert event_f1([1.0, 1.08], [0.96, 1.04], 0.05) == 1


def test_nothing_asked_and_nothing_heard_is_right():
    empty = torch.zeros(0)
    assert event_f1([], empty, 0.05) == 1
    assert event_f1([1.0], [], 0.05) == event_f1([], [1.0], 0.05) == 0


def test_onsets_at_the_very_start_do_not_count():
    assert onset_f1([0.0, 1.0], [1.01]) == 1
    assert onset_f1([1.0], [0.01, 1.01]) == 1
    assert onset_f1([0.0], []) == 1
    assert onset_f1([0.0], [0.5]) == 0


def test_a_chord_begins_once():
    assert merge_onsets([1.02, 0.5, 1.0, 1.05]).tolist() == [0.5, 1.0, 1.05]
    assert merge_onsets([]).tolist() == []


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (100, (1, 1, 0)),
        (103.9, (1, 1, 3.9)),
        (96.1, (1, 1, -3.9)),
        (104.1, (0, 0, 4.1)),
        (200, (0, 1, 100)),
        (51.9, (0, 1, -48.1)),
        (300, (0, 1, 200)),
        (33.4, (0, 1, -66.6)),
        (150, (0, 0, 50)),
        (0, (0, 0, -100)),
    ],
)
def test_tempi(heard, expected):
    scores = tempo_scores(100, heard)
    assert list(scores) == ["tempo_accuracy", "tempo_accuracy_2", "tempo_error"]
    assert tuple(scores.values()) == pytest.approx(expected)
    if heard:
        pair = np.array([heard, heard + 500.0])
        _, one, _ = mir_eval.tempo.detection(np.array([0, 100.0]), 1.0, pair, tol=0.04)
        assert scores["tempo_accuracy"] == one


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: event_f1([2.0, 1.0], [], 0.05), "ascending"),
        (lambda: event_f1([], [math.nan], 0.05), "finite"),
        (lambda: event_f1([], [], 0.0), "window must be positive"),
        (lambda: tempo_scores(0, 100), "positive beats"),
        (lambda: tempo_scores(100, -1), "positive beats"),
        (lambda: tempo_scores(math.nan, 100), "positive beats"),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
