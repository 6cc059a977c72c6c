"""Recorded instruments, where they are installed; what is said where they are not."""

import numpy as np
import pytest

from latentone.instruments import fluidsynth
from latentone.symbolic import Note, Score, TempoMap, Track, write_midi

RATE = 24000
installed = pytest.mark.skipif(
    fluidsynth.missing() is not None, reason=f"FluidSynth: {fluidsynth.missing()}"
)


@pytest.fixture
def score():
    notes = tuple(Note(i * 1.0, 0.5, 60 + i, 100) for i in range(6))
    track = Track(name="xylophone", program=13, notes=notes)
    return Score(tracks=(track,), tempo=TempoMap([(0, 96)]))


@installed
def test_onsets_and_pitch_are_the_scores(score):
    x = fluidsynth.render_score(
        score, soundfont=fluidsynth.find_soundfont(), sample_rate=RATE, tail=1.0
    )
    assert x.shape == (2, round((score.duration + 1.0) * RATE)) and np.isfinite(x).all()
    mono = x.mean(0)
    for note in score.tracks[0].notes:
        at = round(score.tempo.seconds(note.start) * RATE)
        lo = max(0, at - 240)
        window = np.abs(mono[lo : at + 720])
        rise = (lo + int(np.argmax(window > 0.3 * window.max())) - at) / RATE
        assert -0.003 < rise < 0.010
        hertz = 440 * 2 ** ((note.pitch - 69) / 12)
        piece = mono[at + 200 : at + 6000] * np.hanning(5800)
        spectrum = np.abs(np.fft.rfft(piece, 16 * RATE))
        bins = np.arange(spectrum.size) / 16
        near = (bins > hertz / 1.06) & (bins < hertz * 1.06)
        peak = bins[near][spectrum[near].argmax()]
        assert abs(1200 * np.log2(peak / hertz)) < 15


@installed
def test_a_file_is_padded_with_its_own_ringing(score, tmp_path):
    write_midi(score, tmp_path / "a.mid")
    x = fluidsynth.render_midi_file(
        tmp_path / "a.mid",
        soundfont=fluidsynth.find_soundfont(),
        sample_rate=RATE,
        duration=score.duration + 3.0,
    )
    assert x.shape[1] == round((score.duration + 3.0) * RATE)
    after = x[:, round((score.duration + 0.1) * RATE) :]
    assert np.abs(after).max() > 0


@installed
def test_a_soundfont_that_is_none_is_refused(score, tmp_path):
    fake = tmp_path / "fake.sf2"
    fake.write_bytes(b"nothing")
    with pytest.raises(fluidsynth.FluidSynthError):
        fluidsynth.render_score(score, soundfont=fake, sample_rate=RATE)


def test_missing_things_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(fluidsynth.shutil, "which", lambda name: None)
    assert "apt-get install" in (fluidsynth.missing() or "")
    monkeypatch.setattr(fluidsynth.shutil, "which", lambda name: "/usr/bin/fluidsynth")
    assert "no.sf2" in (fluidsynth.missing(tmp_path / "no.sf2") or "")
    monkeypatch.setattr(fluidsynth, "SOUNDFONT_FOLDERS", (str(tmp_path),))
    assert "no SoundFont" in (fluidsynth.missing() or "")


def test_rates_it_cannot_render_are_refused(tmp_path):
    with pytest.raises(ValueError, match="8000 to 96000"):
        fluidsynth.render_midi_file(
            tmp_path / "a.mid", soundfont=tmp_path, sample_rate=192000, duration=1.0
        )
