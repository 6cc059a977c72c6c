"""Onsets: clicks at known times, notes of known pieces, librosa beside us."""

import math

import librosa
import mir_eval
import numpy as np
import pytest
import torch

from latentone.analysis import onset_strength, onsets, pick_peaks
from latentone.audio import Audio


def strokes(times, rate, seconds=3.0, hz=700.0, attack=0.0):
    x = torch.zeros(round(seconds * rate))
    t = torch.arange(rate // 6) / rate
    sound = 0.5 * torch.sin(2 * math.pi * hz * t) * torch.exp(-20 * t)
    if attack:
        sound *= 0.5 - 0.5 * torch.cos(math.pi * (t / attack).clamp_max(1))
    for time in times:
        n = round(time * rate)
        x[n : n + len(sound)] += sound[: len(x) - n]
    return Audio(x[None], rate)


@pytest.mark.parametrize("rate", [16000, 24000, 44100])
@pytest.mark.parametrize("gain", [1.0, 0.001])
def test_strokes_are_found_where_they_are(rate, gain):
    times = [0.5, 1.0, 1.303, 2.11]
    audio = strokes(times, rate)
    found = onsets(Audio(gain * audio.samples, rate))
    np.testing.assert_allclose(found.times.numpy(), times, atol=0.015)
    assert bool((found.strength > 1).all())


def test_a_steady_tone_begins_once_and_vibrato_does_not_begin_anew():
    rate = 22050
    t = torch.arange(2 * rate).double() / rate
    phase = 2 * math.pi * 880 * t + 8 * torch.sin(2 * math.pi * 6 * t)
    for tone in (torch.sin(2 * math.pi * 880 * t), torch.sin(phase)):
        x = torch.cat([torch.zeros(rate // 2), 0.3 * tone.float()])
        assert len(onsets(Audio(x[None], rate)).times) == 1


def test_bands_tell_low_from_high():
    for hz, band in ((80.0, 0), (500.0, 1), (5000.0, 2)):
        measured = onset_strength(strokes([1.0], 22050, hz=hz, attack=0.06))
        assert int(measured.bands.amax(1).argmax()) == band


def test_peaks_by_hand():
    curve = torch.tensor([0, 0, 0, 1, 4, 1, 0, 0, 0, 2, 2, 0, 0, 0.5, 0, 0])
    found = pick_peaks(curve, 10.0, threshold=0.6, around_seconds=0.4, apart_seconds=0.2)
    assert found.times.tolist() == pytest.approx([0.4, 0.95])
    assert found.strength.tolist() == [4.0, 2.0]


def starts(truth):
    kept = []
    for time in sorted(note[0] for note in truth["notes"] if note[0] > 0):
        if not kept or time - kept[-1] > 0.03:
            kept.append(time)
    return np.array(kept)


def test_notes_of_known_pieces_as_well_as_librosa(pieces):
    ours, theirs = [], []
    for known in pieces:
        truth, rate = starts(known.truth), known.audio.sample_rate
        peer = librosa.onset.onset_detect(
            y=known.audio.samples[0].numpy(), sr=rate, units="time", hop_length=rate // 100
        )
        ours.append(mir_eval.onset.f_measure(truth, onsets(known.audio).times.numpy())[0])
        theirs.append(mir_eval.onset.f_measure(truth, peer)[0])
    assert np.mean(ours) > 0.85
    assert np.mean(ours) > np.mean(theirs) - 0.03


def test_silence_and_short_input_have_no_onsets():
    for x in (torch.zeros(1, 0), torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(2, 22050)):
        found = onsets(Audio(x, 22050))
        assert len(found.times) == 0 and len(found.strength) == 0
    assert onset_strength(Audio(torch.zeros(1, 2205), 22050)).strength.tolist() == [0.0] * 11


def test_refusals_say_why():
    with pytest.raises(ValueError, match="NaN or infinite"):
        onsets(Audio(torch.full((1, 100), math.inf), 22050))
    with pytest.raises(ValueError, match="frame_rate"):
        onset_strength(Audio(torch.zeros(1, 100), 50))
