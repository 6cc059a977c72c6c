"""Recorded sounds of which something is certain, for `analysis_errors.py`.

From a folder like that of Sonic Pi's samples (CC0). What is certain comes from a name (the pitch
class of a bass, the chord of a guitar, 97 beats a minute), from a length (a loop of a whole number
of beats at a whole tempo, exact to the sample), or from putting recorded strokes where we want
them. The sounds stay recordings: none is shifted in pitch or stretched.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from analysis_materials import Item

from latentone.audio import Audio, load_audio

RATE = 44100
PITCHED = {
    "C": "hit_c hard_c thick_c trance_c woodsy_c voxy_c voxy_hit_c",
    "F": "dnb_f",
}
PITCH_CLASSES = {"C": 0, "E": 4, "F": 5, "G": 7}
GUITARS = {"guit_em9": ("E:min9", "E minor"), "guit_e_fifths": ("E:5", None)}
NOISES = (
    "vinyl_hiss perc_swash perc_swoosh ambi_swoosh ambi_dark_woosh hat_noiz drum_cymbal_open "
    "drum_cymbal_closed drum_cymbal_hard drum_cymbal_soft drum_cymbal_pedal drum_splash_hard "
    "drum_splash_soft elec_cymbal"
).split()
BAR_97 = 4 * 60 / 97
LOOPS_97 = "electric mehackit1 mehackit2 perc1 perc2 weirdo".split()
# Loop, beats a minute: 16 and 4 beats in 302400 and 84000 samples.
LOOPS = {**{f"loop_{n}": 97.0 for n in LOOPS_97}, "loop_amen_full": 140.0, "loop_breakbeat": 126.0}
FORMS = (
    ("electric", "drone_g_97"), ("mehackit1", "weirdo"), ("perc2", "mehackit2"),
    ("drone_g_97", "perc1"), ("weirdo", "electric"), ("mehackit2", "mehackit1"),
)  # fmt: skip
KICKS = (
    "bd_haus bd_klub bd_tek bd_fat bd_808 bd_pure bd_sone drum_heavy_kick drum_bass_hard".split()
)
SNARES = "sn_dub sn_dolf sn_zome sn_generic drum_snare_hard drum_snare_soft elec_snare".split()
HATS = "hat_snap hat_zap hat_tap hat_zild hat_gump hat_cab drum_cymbal_closed elec_tick".split()
STROKES = (
    "drum_tom_hi_hard drum_tom_mid_soft drum_tom_lo_hard drum_cowbell perc_snap tabla_na "
    "tabla_te1 tabla_tun1 tabla_ghe1 tabla_ke1 elec_wood elec_blip2 elec_ping"
).split()


def recordings(folder: Path, seed: int) -> Iterator[Item]:
    """Everything that is certain, as items whose truth holds no more than that.

    Raises:
        FileNotFoundError: the folder lacks one of the sounds.
    """
    yield from pitched(folder)
    yield from guitars(folder)
    yield from noises(folder)
    yield from loops(folder)
    yield from forms(folder)
    rng = np.random.default_rng(seed)
    for index in range(12):
        yield groove(folder, rng, f"groove {index}")
        yield line(folder, rng, f"line {index}")


@cache
def sound(folder: Path, name: str) -> Audio:
    """One channel at `RATE`."""
    audio = load_audio(folder / f"{name}.flac").resample(RATE)
    return Audio(audio.samples.mean(0, keepdim=True), RATE)


def pitched(folder: Path) -> Iterator[Item]:
    """Basses and a drone that carry their pitch class in their names; the octave is not said."""
    names = {f"bass_{n}": c for c, group in PITCHED.items() for n in group.split()}
    for name, letter in {**names, "glitch_bass_g": "G", "loop_drone_g_97": "G"}.items():
        audio = sound(folder, name)
        note = [0.0, audio.duration, 36 + PITCH_CLASSES[letter], 100, 0]
        truth = {"pitch_class": PITCH_CLASSES[letter], "notes": [note], "tracks": [{}]}
        asked = frozenset({"named pitch", "chroma"})
        yield Item(name=name, audio=audio, truth=truth, asked=asked)


def guitars(folder: Path) -> Iterator[Item]:
    for name, (label, key) in GUITARS.items():
        audio = sound(folder, name)
        truth = {"chords": [[0.0, audio.duration, label]]}
        # Fifths have no third and no seventh to be right about.
        known = {"key": key} if key else {"chord_scores": {"chords_root"}}
        yield Item(name=name, audio=audio, truth=truth | known, asked=frozenset({"harmony"}))


def noises(folder: Path) -> Iterator[Item]:
    """Hiss, rushing air and cymbals."""
    for name in NOISES:
        yield Item(name=name, audio=sound(folder, name), truth={}, asked=frozenset({"noise"}))


def loops(folder: Path) -> Iterator[Item]:
    """Loops of known length in beats, repeated for 16 seconds; which beats are counted is open."""
    for name, bpm in LOOPS.items():
        audio = tile(sound(folder, name), 16.0)
        truth = {"bpm": bpm, "tempo_is_counted": False}
        yield Item(name=name, audio=audio, truth=truth, asked=frozenset({"tempo", "level"}))


def tile(audio: Audio, seconds: float) -> Audio:
    times = int(np.ceil(seconds / audio.duration))
    return Audio(audio.samples.repeat(1, times), audio.sample_rate)


def forms(folder: Path) -> Iterator[Item]:
    """ABAB of two loops at 97 BPM, four bars each."""
    for pair in FORMS:
        length = round(4 * BAR_97 * RATE)
        parts = [tile(sound(folder, f"loop_{name}"), 4 * BAR_97 + 1).samples for name in pair]
        x = torch.cat([part[:, :length] for part in parts * 2], 1)
        truth = {
            "downbeats": [n * BAR_97 for n in range(17)],
            "sections": [[4 * n * BAR_97, "AB"[n % 2]] for n in range(4)],
            "duration": 16 * BAR_97,
        }
        audio = Audio(x, RATE)
        yield Item(name=" ".join(pair), audio=audio, truth=truth, asked=frozenset({"form"}))


def place(folder: Path, strokes: list[tuple[float, str, float]], seconds: float) -> Audio:
    """Recorded strokes (seconds, name, gain) in silence."""
    x = torch.zeros(1, round(seconds * RATE))
    for time, name, gain in strokes:
        begin, part = round(time * RATE), sound(folder, name).samples
        part = gain * part[:, : x.shape[1] - begin]
        x[:, begin : begin + part.shape[1]] += part
    return Audio(x / x.abs().max().clamp_min(1.0), RATE)


def groove(folder: Path, rng: np.random.Generator, name: str) -> Item:
    """Eight bars of four: kick, snare on two and four, hats on eighths, a bass note on one."""
    bpm, beat0 = float(rng.uniform(70, 160)), 0.2
    kick, snare, hat = (str(rng.choice(kit)) for kit in (KICKS, SNARES, HATS))
    bass = str(rng.choice(["bass_woodsy_c", "bass_trance_c", "bass_voxy_hit_c"]))
    kicks = ((0.0, 2.0), (0.0, 2.5), (0.0, 1.5, 2.5), (0.0, 0.5, 2.0))[int(rng.integers(4))]
    pattern = [(b, kick, 0.8) for b in kicks] + [(b, snare, 0.6) for b in (1.0, 3.0)]
    pattern += [(b / 2, hat, 0.35) for b in range(8)] + [(0.0, bass, 0.4)]
    strokes = [
        (beat0 + (4 * bar + b) * 60 / bpm, part, gain)
        for bar in range(8)
        for b, part, gain in pattern
    ]
    beats = beat0 + np.arange(32) * 60 / bpm
    truth = {
        "bpm": bpm,
        "beats": beats.tolist(),
        "downbeats": beats[::4].tolist(),
        "time_signature": "4/4",
        "notes": [[time] for time, _, _ in strokes],
    }
    audio = place(folder, strokes, beat0 + 33 * 60 / bpm)
    asked = frozenset({"onsets", "tempo", "beats", "level"})
    return Item(name=name, audio=audio, truth=truth, asked=asked)


def line(folder: Path, rng: np.random.Generator, name: str) -> Item:
    """Thirty strokes of any kind, 0.12 to 0.8 seconds apart, at any level within 12 dB."""
    times = 0.3 + np.cumsum(rng.uniform(0.12, 0.8, 30))
    choice = [*KICKS, *SNARES, *HATS, *STROKES]
    strokes = [
        (float(t), str(rng.choice(choice)), float(10 ** rng.uniform(-0.8, -0.2))) for t in times
    ]
    audio = place(folder, strokes, float(times[-1]) + 1.5)
    truth = {"notes": [[time] for time, _, _ in strokes]}
    return Item(name=name, audio=audio, truth=truth, asked=frozenset({"onsets"}))
