"""Pairs of files: what of the waves, of one voice and of the music comes back."""

import math

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics.control import LIKENESS, likeness
from latentone.metrics.pairs import PAIR_METRICS, PairMeter
from latentone.metrics.pitch import pitch_scores
from latentone.metrics.reconstruction import METRICS, PITCH_METRICS

RATE = 16_000


def voice(pitches, seconds=0.5):
    """Notes one after the other, of five partials."""
    t = torch.arange(round(seconds * RATE)).double() / RATE
    fade = (t * 50).clamp(max=1) * ((seconds - t) * 50).clamp(0, 1)
    notes = []
    for pitch in pitches:
        hz = 440 * 2 ** ((pitch - 69) / 12)
        parts = [torch.sin(2 * math.pi * k * hz * t) / k for k in range(1, 6)]
        notes.append(fade * 0.2 * torch.stack(parts).sum(0))
    return torch.cat(notes).float()[None]


@pytest.fixture
def measure(tmp_path):
    meter = PairMeter()

    def run(one, two, rates=(RATE, RATE)):
        for name, x, rate in (("a", one, rates[0]), ("b", two, rates[1])):
            Audio(x, rate).save(tmp_path / f"{name}.wav", subtype="FLOAT")
        return meter(tmp_path / "a.wav", tmp_path / "b.wav")

    return run


def test_a_melody_that_is_shifted_keeps_its_rhythm_and_loses_its_pitch(measure):
    x = voice([60, 64, 67, 72, 67, 64])
    y = voice([p + 1 for p in (60, 64, 67, 72, 67, 64)])
    (same, _), (shifted, _) = measure(x, x), measure(x, y)
    every = {"covered", *METRICS, *PITCH_METRICS, *LIKENESS}
    assert set(same) - {"visqol"} == every - {"stereo_error", "balance_error"}
    assert same.keys() <= PAIR_METRICS.keys()
    for name in ("raw_pitch_accuracy", "voicing_recall", *LIKENESS):
        assert same[name] == pytest.approx(1), name
    assert same["f0_error"] == same["voicing_false_alarm"] == 0
    assert shifted["f0_error"] == pytest.approx(100, abs=3)
    assert shifted["raw_pitch_accuracy"] < 0.05 and shifted["melody_accuracy"] < 0.1
    assert shifted["rhythm_f1"] > 0.9 and shifted["dynamics_correlation"] > 0.9
    for name, value in pitch_scores(x, y, RATE).items():
        assert shifted[name] == value
    for name, value in likeness(Audio(x, RATE), Audio(y, RATE)).items():
        assert shifted[name] == value


def test_f0_is_left_out_where_the_original_is_no_single_voice(measure):
    chord = voice([48, 55, 64]) + voice([52, 59, 67]) + voice([43, 62, 72])
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for x in (chord, noise, torch.zeros(1, RATE)):
        found, _ = measure(x, x)
        assert not found.keys() & PITCH_METRICS.keys() and "mel_distance" in found
    # A voice of which nothing is left has no error of f0, and no recall.
    found, _ = measure(voice([60, 62]), torch.zeros(1, RATE))
    assert found["voicing_recall"] == found["raw_pitch_accuracy"] == 0 and "f0_error" not in found


def test_how_much_was_compared_is_said(measure):
    x = voice([60, 64, 67, 72])
    found, notes = measure(x, x[:, : RATE // 2])
    assert found["covered"] == 1 / 4 and found["mel_distance"] == pytest.approx(0, abs=1e-4)
    assert "lengths differ" in notes[0]
    assert measure(x[:, :RATE], x)[0]["covered"] == 1
    assert measure(x, x, (RATE, 2 * RATE))[0]["covered"] == 1 / 2


def test_channels_are_compared_where_there_are_two(measure):
    x = voice([60, 64]).repeat(2, 1)
    values, _ = measure(x, x * torch.tensor([[1.0], [0.5]]))
    assert values["balance_error"] == pytest.approx(6.02, abs=0.01)
    mixed, notes = measure(x[:1], x)
    assert "balance_error" not in mixed and "mixed down" in notes[0]


def test_a_silent_original_leaves_out_what_is_a_ratio_to_it(measure):
    """Noise of -60 dB over nothing is 15,000 times too much, and nearly inaudible."""
    noise = 1e-3 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    values, notes = measure(torch.zeros(1, RATE), noise)
    assert any("silent" in note for note in notes)
    assert "mel_distance" in values and not {"stft_distance", "si_sdr", "snr"} & values.keys()
