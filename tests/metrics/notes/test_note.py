"""Single notes: pitch, steadiness and attack of constructed sounds."""

import math

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics.notes import NOTES, attack_time, note_scores

RATE = 16000


def time(seconds=1.0):
    return torch.arange(round(seconds * RATE)).double() / RATE


def saw(phase):
    return torch.stack([torch.sin(2 * math.pi * k * phase) / k for k in range(1, 8)]).sum(0)


def note(pitch=60, seconds=1.0, vibrato_cents=0.0, envelope=1.0):
    t = time(seconds)
    cents = vibrato_cents * torch.sin(2 * math.pi * 2 * t)
    hz = 440 * 2 ** ((pitch - 69) / 12 + cents / 1200)
    return Audio((0.2 * envelope * saw(hz.cumsum(0) / RATE)).float()[None], RATE)


def test_a_steady_note():
    found = note_scores(note(57), 57)
    assert list(found) == [name for name in NOTES if "entropy" not in name]
    assert found["pitch"] == pytest.approx(57, abs=0.03)
    assert found["pitch_accuracy"] == 1 and found["voiced"] > 0.97
    assert abs(found["pitch_error"]) < 3 and found["pitch_spread"] < 1
    assert found["attack_time"] < 5


def test_vibrato_spreads_by_its_quartiles():
    found = note_scores(note(60, 2.0, vibrato_cents=40), 60)
    # A sine lies within sin(45 degrees) of its depth half of the time.
    assert found["pitch_spread"] == pytest.approx(40 * math.sin(math.pi / 4), rel=0.1)
    assert abs(found["pitch_error"]) < 4


def test_a_wrong_note_is_wrong_and_no_pitch_asks_nothing():
    assert note_scores(note(60), 64)["pitch_error"] == pytest.approx(-400, abs=3)
    free = note_scores(note(60))
    assert "pitch_accuracy" not in free and "pitch_error" not in free and free["voiced"] > 0.97


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.4])
def test_a_linear_attack_takes_eight_tenths_of_its_length(seconds):
    # Noise of one level under a straight ramp; RMS over 5 ms is the ramp but for its very start.
    x = (torch.arange(2 * RATE) % 2 * 2.0 - 1) * 0.3
    t = time(2.0)
    rising = Audio((x * (t / seconds).clamp(max=1)).float()[None], RATE)
    assert attack_time(rising) == pytest.approx(0.8 * seconds, abs=0.001)
    late = Audio(torch.nn.functional.pad(rising.samples, (4000, 0)), RATE)
    assert attack_time(late) == pytest.approx(0.8 * seconds, abs=0.001)
    assert attack_time(Audio(0.01 * rising.samples, RATE)) == pytest.approx(
        0.8 * seconds, abs=0.001
    )


def test_a_stroke_is_faster_than_a_swell():
    t = time()
    stroke = note_scores(note(60, envelope=torch.exp(-6 * t)), 60)
    swell = note_scores(note(60, envelope=t), 60)
    assert stroke["attack_time"] < 10 < 700 < swell["attack_time"] < 900
    assert attack_time(Audio(torch.ones(1, RATE), RATE)) == 0


def test_noise_has_hardly_a_pitch():
    x = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    assert note_scores(Audio(x, RATE), 60)["voiced"] < 0.3


@pytest.mark.parametrize("count", [0, 1, RATE])
def test_silence_has_no_answer_but_a_wrong_pitch(count):
    silence = Audio(torch.zeros(1, count), RATE)
    assert note_scores(silence) == {}
    assert note_scores(silence, 60) == {"pitch_accuracy": 0}


def test_refusals_say_why():
    for pitch in (-1, 128, math.nan):
        with pytest.raises(ValueError, match=r"MIDI number in \[0, 127\]"):
            note_scores(note(), pitch)
    with pytest.raises(ValueError, match="NaN or infinite"):
        note_scores(Audio(torch.full((1, 100), math.nan), RATE))
