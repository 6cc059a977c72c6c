"""f0 and voicing of reconstructions: mir_eval on the same tracks, and sounds of known pitch."""

import math

import mir_eval
import numpy as np
import pytest
import torch

from latentone.metrics import (
    METRICS,
    PITCH_METRICS,
    ReconstructionMetrics,
    f0_scores,
    pitch_scores,
    reconstruction_metrics,
)

RATE = 16000


def tracks(seed):
    """Two tracks that agree, are a little off, an octave off, or voiced on one side alone."""
    rng = np.random.default_rng(seed)
    reference = 440 * 2 ** rng.uniform(-2, 2, 300)
    cents = rng.choice([0, 20, 49.9, 50.1, -49.9, 80, 1200, -1200], 300)
    estimate = reference * 2 ** (cents / 1200)
    reference[rng.random(300) < 0.3] = 0
    estimate[rng.random(300) < 0.3] = 0
    return reference, estimate


def voice(pitch, seconds=0.6, level=0.2):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    parts = [torch.sin(2 * math.pi * k * hz * t) / k for k in range(1, 6)]
    return (level * torch.stack(parts).sum(0)).float()[None]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_mir_eval_on_the_same_tracks(seed):
    reference, estimate = tracks(seed)
    times = np.arange(300) / 100
    arrays = mir_eval.melody.to_cent_voicing(times, reference, times, estimate)
    recall, false_alarm = mir_eval.melody.voicing_measures(arrays[0], arrays[2])
    found = f0_scores(torch.from_numpy(reference), torch.from_numpy(estimate))
    assert list(found) == list(PITCH_METRICS)
    expected = mir_eval.melody.raw_pitch_accuracy(*arrays)
    assert found["raw_pitch_accuracy"] == pytest.approx(expected, abs=1e-9)
    assert found["voicing_recall"] == pytest.approx(recall, abs=1e-9)
    assert found["voicing_false_alarm"] == pytest.approx(false_alarm, abs=1e-9)
    both = (arrays[0] > 0) & (arrays[2] > 0)
    median = np.median(np.abs(arrays[1] - arrays[3])[both])
    assert found["f0_error"] == pytest.approx(median, abs=1e-6)


def test_degenerate_tracks():
    zero, one = torch.zeros(10), torch.full((10,), 440.0)
    assert tuple(f0_scores(zero, zero).values()) == (1, 1, 0, 0)
    assert tuple(f0_scores(one, zero).values()) == (0, 0, 0, 0)
    assert tuple(f0_scores(zero, one).values()) == (1, 1, 1, 0)
    assert tuple(f0_scores(zero[:0], zero[:0]).values()) == (1, 1, 0, 0)


def test_a_voice_that_is_kept_detuned_and_lost():
    x = torch.cat([voice(57), torch.zeros(1, RATE // 2)], 1)
    assert tuple(pitch_scores(x, x, RATE).values()) == (1, 1, 0, 0)
    sharp = torch.cat([voice(57.3), torch.zeros(1, RATE // 2)], 1)
    found = pitch_scores(x, sharp, RATE)
    assert found["raw_pitch_accuracy"] > 0.9 and found["f0_error"] == pytest.approx(30, abs=2)
    wrong = pitch_scores(x, torch.cat([voice(58), torch.zeros(1, RATE // 2)], 1), RATE)
    assert wrong["raw_pitch_accuracy"] < 0.05 and wrong["voicing_recall"] > 0.9
    lost = pitch_scores(x, 0 * x, RATE)
    assert lost["raw_pitch_accuracy"] == lost["voicing_recall"] == 0
    added = pitch_scores(x, torch.cat([voice(57), voice(57, 0.5)], 1), RATE)
    assert added["voicing_false_alarm"] > 0.8 and added["voicing_recall"] > 0.95


def test_pitch_is_measured_with_the_others_when_it_is_asked_for():
    x = voice(57)[None].repeat(2, 1, 1)
    y = x.clone()
    y[1] = voice(60)
    metrics = ReconstructionMetrics(RATE, pitch=True)
    together = metrics(x, y)
    assert list(together) == [*METRICS, *PITCH_METRICS]
    # One item of two is right.
    assert together["raw_pitch_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert together["f0_error"] == pytest.approx(150, abs=5)
    assert PITCH_METRICS.keys().isdisjoint(reconstruction_metrics(x, y, RATE))
    silence = reconstruction_metrics(torch.zeros(1, 800), torch.zeros(1, 800), RATE, pitch=True)
    assert silence["raw_pitch_accuracy"] == 1 and all(map(math.isfinite, silence.values()))
    low = reconstruction_metrics(x[0, :, :4000], x[0, :, :4000], 4000, pitch=True)
    assert low["f0_error"] == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: f0_scores(torch.zeros(3), torch.zeros(4)), r"tracks \(N,\)"),
        (lambda: f0_scores(torch.zeros(1), torch.full((1,), math.nan)), "all finite"),
        (lambda: f0_scores(torch.full((1,), -1.0), torch.zeros(1)), "0 \\(unvoiced\\) or more"),
        (lambda: pitch_scores(torch.zeros(1, 9), torch.zeros(1, 8), RATE), "equal length"),
        (lambda: pitch_scores(torch.zeros(9), torch.zeros(9), RATE), "channels, time"),
        (
            lambda: pitch_scores(torch.full((1, 9), math.nan), torch.zeros(1, 9), RATE),
            "NaN or infinite",
        ),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
