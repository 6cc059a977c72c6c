"""Estimators on recorded sounds of which something is certain.

By name (the pitch class of a bass), by length (a loop of whole beats at 97 BPM), or because the
recorded strokes were put where they are. The recordings are the CC0 samples of Sonic Pi.
"""

from functools import cache
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import torch

from latentone.analysis import (
    chords,
    chroma,
    dynamics,
    fundamental,
    key,
    melody,
    onsets,
    rhythm,
    structure,
)
from latentone.audio import Audio, load_audio

FOLDER = Path(__file__).parents[3] / "shared/data/sonic_pi"
RATE = 44100
BAR_97 = 4 * 60 / 97

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"needs the CC0 recordings of Sonic Pi in {FOLDER}"
)


@cache
def sound(name):
    audio = load_audio(FOLDER / f"{name}.flac").resample(RATE)
    return Audio(audio.samples.mean(0, keepdim=True), RATE)


def tile(name, seconds):
    audio = sound(name)
    return Audio(audio.samples.repeat(1, int(np.ceil(seconds / audio.duration))), RATE)


@pytest.mark.parametrize(
    ("name", "pitch_class"),
    [("bass_thick_c", 0), ("bass_woodsy_c", 0), ("bass_dnb_f", 5), ("loop_drone_g_97", 7)],
)
def test_a_bass_has_the_pitch_class_of_its_name(name, pitch_class):
    found = fundamental(sound(name), f_min=20.0)
    assert float(found.voiced.double().mean()) > 0.9
    away = (found.midi[found.voiced] - pitch_class + 6) % 12 - 6
    assert float((away.abs() < 0.5).double().mean()) > 0.95


@pytest.mark.parametrize(
    ("name", "pitch_class"),
    [("bass_hard_c", 0), ("bass_trance_c", 0), ("bass_woodsy_c", 0), ("loop_drone_g_97", 7)],
)
def test_its_chroma_is_strongest_there(name, pitch_class):
    classes = melody(sound(name)).pitch_classes
    assert int(classes[classes >= 0].bincount(minlength=12).argmax()) == pitch_class
    assert int(chroma(sound(name)).values.mean(1).argmax()) == pitch_class


@pytest.mark.parametrize("name", ["vinyl_hiss", "perc_swash", "drum_cymbal_closed", "sn_dub"])
def test_hiss_and_strokes_have_no_pitch(name):
    assert float(fundamental(sound(name)).voiced.double().mean()) < 0.05


def test_a_guitar_chord_is_that_of_its_name():
    audio = sound("guit_em9")
    assert key(audio).name == "E minor"
    spans = chords(audio)
    share = sum(s.end - s.start for s in spans if s.label == "E:min") / audio.duration
    assert share > 0.7


@pytest.mark.parametrize(
    ("name", "bpm"),
    [("electric", 97), ("mehackit1", 97), ("amen_full", 140), ("breakbeat", 126)],
)
def test_loops_of_whole_beats_have_their_tempo(name, bpm):
    found = rhythm(tile(f"loop_{name}", 16.0)).bpm
    assert min(abs(found / bpm / octave - 1) for octave in (0.5, 1, 2)) < 0.01


@pytest.fixture(scope="module")
def groove():
    """Recorded kick, snare, hats and bass at 104 BPM; strokes as (seconds, name, gain)."""
    beats = 0.2 + np.arange(32) * 60 / 104
    pattern = [(0, "bd_haus", 0.8), (1.5, "bd_haus", 0.6), (2.5, "bd_haus", 0.7)]
    pattern += [(b, "sn_dub", 0.6) for b in (1, 3)] + [(b / 2, "hat_tap", 0.4) for b in range(8)]
    pattern += [(0, "bass_woodsy_c", 0.4)]
    x = torch.zeros(1, round((beats[-1] + 1.5) * RATE))
    times = set()
    for one in beats[::4]:
        for beat, name, gain in pattern:
            begin, part = round((one + beat * 60 / 104) * RATE), sound(name).samples
            part = gain * part[:, : x.shape[1] - begin]
            x[:, begin : begin + part.shape[1]] += part
            times.add(round(begin / RATE, 4))
    return Audio(x / x.abs().max(), RATE), beats, np.array(sorted(times))


def test_strokes_are_found_where_they_were_put(groove):
    audio, _, times = groove
    assert mir_eval.onset.f_measure(times, onsets(audio).times.numpy(), 0.025)[0] > 0.95


def test_beats_and_bars_of_recorded_drums(groove):
    audio, beats, _ = groove
    found = rhythm(audio)
    assert found.bpm == pytest.approx(104, rel=0.005)
    assert mir_eval.beat.f_measure(beats, found.beats.numpy(), 0.03) > 0.95
    assert found.beats_per_bar == 4
    assert mir_eval.beat.f_measure(beats[::4], found.downbeats.numpy()) > 0.9


def test_a_swell_put_on_a_recording_is_read_off_its_level(groove):
    audio = tile("loop_amen_full", 12.0)
    time = torch.arange(audio.samples.shape[1]).double() / RATE
    gain = -12 + 12 * torch.cos(2 * torch.pi * time / audio.duration)
    swell = Audio((audio.samples * 10 ** (gain / 20)).float(), RATE)
    plain, swollen = dynamics(audio), dynamics(swell)
    known = -12 + 12 * torch.cos(2 * torch.pi * plain.times / audio.duration)
    assert float((swollen.db - plain.db - known).abs().mean()) < 0.1


@pytest.mark.parametrize("pair", [("electric", "mehackit1"), ("drone_g_97", "perc1")])
def test_two_loops_in_turn_have_their_form(pair):
    length = round(4 * BAR_97 * RATE)
    parts = [tile(f"loop_{name}", 4 * BAR_97 + 1).samples[:, :length] for name in pair]
    found = structure(Audio(torch.cat(parts * 2, 1), RATE), min_seconds=6 * BAR_97)
    np.testing.assert_allclose(
        found.boundaries.numpy(), [4 * BAR_97 * n for n in (1, 2, 3)], atol=1
    )
    assert found.repetition_seconds == pytest.approx(8 * BAR_97, abs=0.3)
