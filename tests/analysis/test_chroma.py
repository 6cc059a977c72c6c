"""Chroma and melody: librosa's filters, tones of known pitch, known melodies."""

import math

import librosa
import numpy as np
import pytest
import torch

from latentone.analysis import (
    CHROMA_SETTINGS,
    Chroma,
    ChromaSpec,
    chroma,
    chroma_filterbank,
    melody,
    one_hot,
)
from latentone.audio import Audio


def tone(midi, rate=32000, seconds=2.0):
    t = torch.arange(round(seconds * rate)).double() / rate
    hz = 440 * 2 ** ((midi - 69) / 12)
    return Audio((0.3 * torch.sin(2 * math.pi * hz * t)).float()[None], rate)


@pytest.mark.parametrize(("rate", "n_fft"), [(32000, 16384), (44100, 2048), (16000, 4096)])
def test_the_filters_are_librosas(rate, n_fft):
    theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=0, dtype=np.float64)
    np.testing.assert_allclose(chroma_filterbank(rate, n_fft).numpy(), theirs, atol=1e-12)


def test_the_musicgen_setting_is_librosas_pipeline():
    x = 0.1 * torch.randn(64000, generator=torch.Generator().manual_seed(0))
    spec = CHROMA_SETTINGS["musicgen"]
    assert (spec.sample_rate, spec.n_fft, spec.hop_length) == (32000, 2**14, 2**12)
    power = np.abs(librosa.stft(x.numpy(), n_fft=2**14, hop_length=2**12)) ** 2
    raw = librosa.filters.chroma(sr=32000, n_fft=2**14, tuning=0) @ power
    ours = chroma(Audio(x[None], 32000)).values
    np.testing.assert_allclose(ours.numpy(), librosa.util.normalize(raw, axis=0), atol=1e-4)
    hot = np.eye(12)[raw.argmax(0)].T
    np.testing.assert_array_equal(one_hot(ours).numpy(), hot)
    np.testing.assert_array_equal(melody(Audio(x[None], 32000)).one_hot.numpy(), hot)


@pytest.mark.parametrize("settings", list(CHROMA_SETTINGS))
def test_each_pitch_class_is_its_own(settings):
    for midi in range(72, 84):
        found = melody(tone(midi, rate=22050), settings)
        assert set(found.pitch_classes[2:-2].tolist()) == {midi % 12}


def test_the_high_pass_lets_the_melody_win_over_the_bass():
    mixed = Audio(5 * tone(43).samples + tone(76).samples, 32000)
    spec = {"sample_rate": 32000, "n_fft": 8192, "hop_length": 2048}
    plain = melody(mixed, ChromaSpec(**spec)).pitch_classes
    passed = melody(mixed, ChromaSpec(**spec, high_pass_hz=261.2)).pitch_classes
    assert set(plain.tolist()) == {43 % 12} and set(passed.tolist()) == {76 % 12}


def test_silence_has_no_melody_and_musicgen_takes_it_for_c():
    quiet = Audio(torch.zeros(1, 32000), 32000)
    assert set(melody(quiet).pitch_classes.tolist()) == {-1}
    assert float(melody(quiet).one_hot.sum()) == 0
    assert bool((one_hot(chroma(quiet).values)[0] == 1).all())


def test_batched_is_single_and_it_is_differentiable():
    module = Chroma(ChromaSpec(sample_rate=16000, n_fft=2048, hop_length=512, normalized=False))
    x = 0.1 * torch.randn(3, 2, 4000, generator=torch.Generator().manual_seed(0))
    together = module(x)
    assert together.shape == (3, 2, 12, 8)
    torch.testing.assert_close(together[1, 1], module(x[1, 1]))
    x.requires_grad_()
    module(x).sum().backward()
    assert float(x.grad.abs().sum()) > 0


def test_known_melodies(tunes):
    right = total = 0
    for known in tunes:
        found = melody(known.audio, ChromaSpec(sample_rate=22050, n_fft=4096, hop_length=1024))
        for start, end, pitch, _, _ in known.truth["notes"]:
            if end - start > 0.25:
                at = round((start + end) / 2 * found.frame_rate)
                right += int(found.pitch_classes[at]) == pitch % 12
                total += 1
    assert total > 20 and right / total > 0.9


def test_chroma_holds_the_pitch_classes_that_sound(pieces):
    cosines, shifted = [], []
    for known in pieces:
        drums = {n for n, track in enumerate(known.truth["tracks"]) if track["drums"]}
        found = chroma(known.audio)
        half = found.spec.n_fft / found.spec.sample_rate / 2
        for n, time in enumerate(found.times.tolist()):
            sounding = np.zeros(12)
            for start, end, pitch, _, track in known.truth["notes"]:
                overlap = min(end, time + half) - max(start, time - half)
                sounding[pitch % 12] += max(0.0, overlap) * (track not in drums)
            values = found.values[:, n].double().numpy()
            norm = np.linalg.norm(sounding) * np.linalg.norm(values)
            if norm > 0:
                cosines.append(values @ sounding / norm)
                shifted.append(values @ np.roll(sounding, 1) / norm)
    assert np.mean(cosines) > 0.75 and np.mean(shifted) < 0.5


def test_short_input_and_refusals():
    assert chroma(Audio(torch.zeros(1, 0), 32000)).values.shape == (12, 0)
    assert melody(Audio(torch.zeros(1, 0), 32000)).one_hot.shape == (12, 0)
    assert chroma(Audio(torch.ones(1, 1), 32000)).values.shape == (12, 1)
    with pytest.raises(ValueError, match="musicgen"):
        chroma(tone(60), "musicgan")
    with pytest.raises(ValueError, match="NaN or infinite"):
        chroma(Audio(torch.full((1, 9), math.nan), 32000))
    with pytest.raises(ValueError, match="high_pass_hz"):
        ChromaSpec(sample_rate=16000, high_pass_hz=9000)
