"""Loops: exact lengths, seams that close and seams that do not, beats on their grid."""

import math
from fractions import Fraction

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics.loops import LOOPS, loop_length_error, loop_scores

RATE = 22050


def drums(bpm, beats, off=0.0):
    """A decaying tick on every beat, late by `off` seconds, wrapped round the end."""
    count = round(60 * RATE / bpm * beats)
    t = torch.arange(count) / RATE
    tick = torch.sin(2 * math.pi * 900 * t) * torch.exp(-30 * t)
    x = torch.zeros(count)
    for beat in range(beats):
        x += tick.roll(round((beat * 60 / bpm + off) * RATE))
    return Audio(0.4 * x[None], RATE)


def drone(seconds=4.0, hz=220.0):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    return Audio(0.3 * torch.sin(2 * math.pi * hz * t).float()[None], RATE)


@pytest.mark.parametrize(
    ("samples", "rate", "bpm", "beats", "error"),
    [
        (88200, 44100, 120, 4, 0),
        # A vocoder whose frames are 256 samples where the spectrogram's are 275 apart.
        (81920, 44100, 120, 4, -6280),
        (30720, 16000, 120, 4, -1280),
        (88201, 44100, 120.0, None, 1),
        (44100 * 60, 44100, 87.3, 87, float(44100 * 60 - Fraction(44100 * 60 * 87 * 10, 873))),
        (1, 44100, 120, None, 1 - 22050),
    ],
)
def test_lengths_are_exact(samples, rate, bpm, beats, error):
    assert loop_length_error(samples, rate, bpm, beats) == error


def test_the_nearest_whole_sample_is_within_half_a_sample():
    for bpm in (63.7, 90, 97.31, 128, 174.5):
        count = round(Fraction(60 * 48000) / Fraction(str(bpm)) * 16)
        assert abs(loop_length_error(count, 48000, bpm, 16)) <= 0.5
        assert abs(loop_length_error(count + 1, 48000, bpm)) > 0.4


def test_a_wave_that_closes_and_one_that_does_not():
    closed = loop_scores(drone(4.0, 220.0))
    broken = loop_scores(drone(4.0, 220.125))  # half a period is left over
    open_ = loop_scores(drone(4.0, 220.0625))
    assert closed["seam_jump"] < 2 and closed["seam_flux"] < 1.5
    assert open_["seam_jump"] > 10 > closed["seam_jump"]
    # There the wave crosses zero twice in the same direction: no jump, but a kink.
    assert broken["seam_jump"] < 2 < broken["seam_flux"] and broken["seam_rank"] > 0.9
    assert closed["seam_chroma"] < 0.01 and abs(closed["seam_level"]) < 0.1
    assert "length_error" not in closed and "beat_error" not in closed


def test_a_wave_that_ends_elsewhere_than_it_begins():
    x = drone().samples
    ends = Audio(torch.cat([x, 0.1 * drone(4.0, 310.0).samples], 1), RATE)
    found = loop_scores(ends)
    assert found["seam_chroma"] > 0.5
    # The first part is ten times as loud.
    assert found["seam_level"] == pytest.approx(20, abs=0.5)
    assert found["seam_rank"] > 0.95


def test_where_a_loop_is_cut_does_not_matter_to_a_seam_that_closes():
    x = drums(120, 8)
    for shift in (0, 5000, 40000):
        turned = Audio(x.samples.roll(shift, 1), RATE)
        assert loop_scores(turned)["seam_jump"] < 20
    cut = Audio(x.samples[:, : -RATE // 3], RATE)
    assert loop_scores(cut, 120, 8)["length_error"] == -7350


@pytest.mark.parametrize("off", [0.0, 0.06])
def test_beats_are_measured_from_the_grid_that_begins_with_the_loop(off):
    for given in ({"bpm": 100.0}, {"beats": 8}, {"bpm": 100.0, "beats": 8}):
        found = loop_scores(drums(100, 8, off), **given)
        assert found["beat_error"] == pytest.approx(1000 * off, abs=12)
    assert loop_scores(drums(100, 8), 100)["length_error"] == 0


def test_names_come_in_order_and_silence_has_few():
    found = loop_scores(drums(100, 4), 100)
    assert list(found) == list(LOOPS)
    silence = loop_scores(Audio(torch.zeros(1, 2 * RATE), RATE), 120, 4)
    assert silence == {"seam_jump": 0, "seam_level": 0, "length_error": 0}
    short = loop_scores(Audio(torch.tensor([[0.1, -0.2, 0.3]]), RATE), beats=1)
    assert short.keys() == {"seam_jump", "seam_level"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loop_scores(Audio(torch.zeros(1, 2), RATE)), "three samples"),
        (lambda: loop_scores(drone(), bpm=0), "positive length, tempo"),
        (lambda: loop_scores(drone(), bpm=math.nan), "positive length, tempo"),
        (lambda: loop_scores(drone(), beats=0), "one beat or more"),
        (lambda: loop_scores(drone(), 120, -1), "positive length, tempo"),
        (lambda: loop_scores(Audio(torch.full((1, 9), math.nan), RATE)), "NaN or infinite"),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
