"""Tempo, beats and bars: click tracks, known pieces, librosa beside us."""

import math

import librosa
import mir_eval
import numpy as np
import pytest
import torch

from latentone.analysis import rhythm
from latentone.audio import Audio

RATE = 22050


def clicks(bpm, seconds=12.0, first=0.31, bar=4):
    """High clicks on beats, and a low thump where a bar begins."""
    x = torch.zeros(round(seconds * RATE))
    t = torch.arange(RATE // 8) / RATE
    beats = np.arange(first, seconds - 0.2, 60 / bpm)
    for i, beat in enumerate(beats):
        hz = 80.0 if i % bar == 0 else 1500.0
        n = round(beat * RATE)
        x[n : n + len(t)] += 0.4 * torch.sin(2 * math.pi * hz * t) * torch.exp(-30 * t)
    return Audio(x[None], RATE), beats


@pytest.mark.parametrize("bpm", [70.0, 96.5, 120.0, 140.0])
@pytest.mark.parametrize("bar", [3, 4])
def test_a_click_track(bpm, bar):
    audio, beats = clicks(bpm, bar=bar)
    found = rhythm(audio)
    assert found.bpm == pytest.approx(bpm, rel=0.01)
    assert mir_eval.beat.f_measure(beats, found.beats.numpy(), 0.03) > 0.95
    assert found.beats_per_bar == bar
    assert mir_eval.beat.f_measure(beats[::bar], found.downbeats.numpy(), 0.03) > 0.9
    assert found.pulse > 0.4


@pytest.mark.parametrize("bpm", [72.0, 100.0, 126.0])
def test_sixteenths_do_not_make_the_beat_faster(bpm):
    """At a tempo of its own a beat has parts: 144 and 80 (four fifths of 100) are wrong answers."""
    x = torch.zeros(16 * RATE)
    t = torch.arange(RATE // 8) / RATE
    for n, at in enumerate(np.arange(0.2, 15.7, 15 / bpm)):
        hz, gain = (200.0, 0.4) if n % 4 == 0 else (1500.0, (0.12, 0.24)[n % 2 == 0])
        k = round(at * RATE)
        x[k : k + len(t)] += gain * torch.sin(2 * math.pi * hz * t) * torch.exp(-30 * t)
    assert rhythm(Audio(x[None], RATE)).bpm == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_harmony_alone_says_where_bars_begin(first):
    """Equal clicks, and organ chords that change on a beat of four."""
    beat, count = RATE // 2, 32
    t = torch.arange(count * beat).double() / RATE
    x = torch.zeros(count * beat)
    for n in range(count):
        x[n * beat : n * beat + 400] += 0.3 * torch.exp(-torch.arange(400) / 60.0)
    chords = [(60, 64, 67), (57, 60, 64), (65, 69, 72), (55, 59, 62)]
    # On the third beat the same chord goes up an octave: no new pitch class.
    for n in range(count):
        chord, up = chords[(n - first) // 4 % 4], 12 * ((n - first) // 2 % 2)
        hz = [440 * 2 ** ((m + up - 69) / 12) for m in chord]
        part = slice(n * beat, (n + 1) * beat)
        x[part] += 0.05 * sum(torch.sin(2 * math.pi * f * t[part]) for f in hz).float()
    found = rhythm(Audio(x[None], RATE), bpm=120.0)
    assert found.beats_per_bar == 4
    expected = np.arange(first, count, 4) * 0.5
    assert mir_eval.beat.f_measure(expected, found.downbeats.numpy()) > 0.8


def test_a_given_tempo_is_kept():
    audio, _ = clicks(120.0)
    assert rhythm(audio, bpm=60.0).bpm == pytest.approx(60, rel=0.02)
    assert rhythm(audio).bpm == pytest.approx(120, rel=0.01)


def test_level_does_not_matter():
    audio, _ = clicks(100.0)
    quiet = rhythm(Audio(0.001 * audio.samples, RATE))
    torch.testing.assert_close(quiet.beats, rhythm(audio).beats, atol=0.011, rtol=0)


def test_noise_has_less_pulse_than_clicks():
    noise = 0.1 * torch.randn(1, 8 * RATE, generator=torch.Generator().manual_seed(0))
    assert rhythm(Audio(noise, RATE)).pulse < 0.2


@pytest.mark.slow  # librosa compiles it for some seconds
def test_beats_as_good_as_librosas(pieces):
    ours, theirs = [], []
    for known in pieces:
        truth = np.array(known.truth["beats"])
        _, peer = librosa.beat.beat_track(
            y=known.audio.samples[0].numpy(), sr=RATE, units="time", hop_length=220
        )
        ours.append(mir_eval.beat.f_measure(truth, rhythm(known.audio).beats.numpy()))
        theirs.append(mir_eval.beat.f_measure(truth, peer))
    assert np.mean(ours) > np.mean(theirs) - 0.1


def test_known_pieces(pieces):
    ours, tempi, bars = [], [], []
    for known in pieces:
        found, truth = rhythm(known.audio), np.array(known.truth["beats"])
        downbeats = np.array(known.truth["downbeats"])
        told = rhythm(known.audio, bpm=known.truth["bpm"])
        bars.append(mir_eval.beat.f_measure(downbeats, told.downbeats.numpy()))
        ours.append(mir_eval.beat.f_measure(truth, found.beats.numpy()))
        ratio = found.bpm / known.truth["bpm"]
        tempi.append(min(abs(ratio / octave - 1) for octave in (0.5, 1, 2)) < 0.04)
    assert np.mean(tempi) > 0.75
    # Beats off by half a beat would score 0, random ones 0.2.
    assert np.mean(ours) > 0.6
    # A random one of four beats would score 0.25.
    assert np.mean(bars) > 0.6


def test_silence_and_short_input_have_no_beats():
    one = torch.zeros(1, RATE // 2)
    one[0, 100] = 1.0
    for x in (torch.zeros(1, 0), torch.ones(1, 1), torch.zeros(1, 4 * RATE), one):
        found = rhythm(Audio(x, RATE))
        assert (found.bpm, found.beats_per_bar, found.pulse) == (0, 0, 0)
        assert len(found.beats) == len(found.downbeats) == 0


def test_refusals_say_why():
    with pytest.raises(ValueError, match="NaN or infinite"):
        rhythm(Audio(torch.full((1, 4 * RATE), math.nan), RATE))
    with pytest.raises(ValueError, match="bpm"):
        rhythm(Audio(torch.zeros(1, 10), RATE), bpm=0)
