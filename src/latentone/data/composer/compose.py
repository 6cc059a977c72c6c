"""One whole piece: form, orchestration, dynamics, and the parts together."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import pi, sin
from typing import TypeVar

import numpy as np

from ...symbolic.score import Chord, Meter, Note, Score, TempoMap, Track
from ...symbolic.theory import spell
from ..piece import Piece
from .accompaniment import accompany
from .bass import bass_line
from .drums import drum_part
from .genres import GENRES, MOODS, Genre, Mood
from .harmony import Key, phrase_chords, voicings
from .melody import melody, vary
from .performance import perform

__all__ = ["compose"]

T = TypeVar("T")

_FORMS = ("AABA", "AABA", "ABAB", "ABAC", "AABB", "ABCA")

# Where a melody instrument sounds at ease.
_RANGES: dict[int, tuple[int, int]] = {
    8: (67, 91), 11: (60, 84), 12: (53, 77), 16: (57, 81), 18: (57, 81), 21: (60, 82),
    22: (60, 82), 24: (55, 77), 25: (55, 77), 26: (55, 79), 27: (57, 81), 29: (57, 81),
    40: (62, 86), 42: (45, 67), 53: (57, 77), 56: (60, 80), 57: (48, 68), 66: (54, 75),
    68: (62, 84), 71: (57, 81), 73: (67, 89), 88: (60, 82), 108: (60, 84),
}  # fmt: skip


@dataclass(frozen=True)
class _Section:
    name: str
    start: float
    bars: int
    level: float
    parts: frozenset[str]


def _choice(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _plan(
    genre: Genre, mood: Mood, phrase: int, form: str, rng: np.random.Generator
) -> list[_Section]:
    """The form in time: who plays where, and how loud."""
    shape = str(rng.choice(["arch", "growing", "even"], p=[0.45, 0.35, 0.2]))
    everyone = {"lead", "chords", "bass", "pad", "drums"}
    opening = {0: {"chords", "pad"}, 1: {"chords", "drums"}, 2: {"bass", "drums", "chords"}}
    sections = [("intro", 4 if phrase == 8 else 2, opening[int(rng.integers(3))])]
    for i, letter in enumerate(form):
        parts = set(everyone)
        if i == 0 and rng.random() < 0.4:
            parts.discard("drums")
        if i == 0 and rng.random() < 0.4:
            parts.discard("pad")
        if letter == "C" and rng.random() < 0.5:
            parts -= {"drums", "bass"}
        sections.append((letter, phrase, parts))
    sections.append(("ending", 2, everyone))
    out, start = [], 0.0
    last = len(sections) - 1
    for i, (name, bars, parts) in enumerate(sections):
        u = i / last
        level = {"arch": 0.58 + 0.3 * np.sin(np.pi * u), "growing": 0.5 + 0.4 * u, "even": 0.72}
        lift = 0.05 if name in "BC" else 0.0
        loud = float(np.clip(level[shape] + lift + mood.level, 0.3, 0.97))
        out.append(_Section(name, start, bars, loud, frozenset(parts)))
        start += bars * genre.beats
    return out


def _moved(notes: list[Note], beats: float) -> list[Note]:
    return [replace(note, start=note.start + beats) for note in notes]


def compose(seed: int, index: int) -> Piece:
    """Compose piece number `index` of the sequence `seed`: always the same piece.

    Genres take turns in an order that is shuffled anew for every round, so that a small corpus has
    them all.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must be 0 or more, got {seed} and {index}")
    turn, place = divmod(index, len(GENRES))
    genre = GENRES[np.random.default_rng([seed, turn, 1]).permutation(len(GENRES))[place]]
    rng = np.random.default_rng([seed, index, 2])

    mood = MOODS[_choice(genre.moods, rng)]
    modes = [m for m in ("major", "minor") if getattr(genre, m) and mood.mode in (None, m)]
    if not modes:
        modes = [m for m in ("major", "minor") if getattr(genre, m)]
    key = Key(int(rng.integers(12)), str(rng.choice(modes)))
    bpm = round(float(rng.uniform(*genre.tempo)) * mood.tempo)
    phrase = 8 if bpm > 104 else 4
    form = _choice(_FORMS, rng)
    sections = _plan(genre, mood, phrase, form, rng)
    density = int(np.clip(genre.density + mood.density, 0, 2))

    chords, parts, pattern = _parts(genre, key, sections, phrase, density, rng)
    end = sections[-1].start + sections[-1].bars * genre.beats
    tempo = _tempo(genre, bpm, sections[-1].start, end)

    starts = [section.start for section in sections]

    def level(beat: float) -> float:
        section = sections[bisect_right(starts, beat + 1e-6) - 1]
        u = (beat - section.start) / (section.bars * genre.beats)
        # A phrase rises towards its third quarter and yields; bars begin with an accent.
        arch = 0.94 + 0.09 * sin(pi * min(u * 1.2, 1.0))
        accent = 1.05 if beat % genre.beats < 1e-6 else 0.98
        return section.level * arch * accent

    tracks = []
    for name, (program, volume, pan, notes) in parts.items():
        played = perform(notes, ratio=genre.swing, loose=genre.loose, bpm=bpm, level=level, rng=rng)
        if played:
            drums = name == "drums"
            tracks.append(
                Track(name=name, program=program, notes=played, drums=drums, volume=volume, pan=pan)
            )
    score = Score(
        tracks=tuple(tracks),
        tempo=tempo,
        meters=(Meter(0.0, genre.beats, 4),),
        key=f"{spell(key.tonic, mode=key.mode)} {key.mode}",
        chords=tuple(chords),
        sections=tuple((s.start, s.name) for s in sections),
    )
    return Piece(
        name=f"{index:05d}",
        score=score,
        metadata={
            "genre": genre.name,
            "mood": mood.name,
            "form": form,
            "drum_pattern": pattern or "none",
        },
    )


def _tempo(genre: Genre, bpm: float, ending: float, end: float) -> TempoMap:
    if not genre.ritardando:
        return TempoMap([(0.0, bpm)])
    # Steps of a beat over the ending, down to two thirds.
    steps = np.arange(ending, end)
    slower = np.linspace(0.95, 0.67, len(steps))
    return TempoMap(
        [(0.0, bpm), *((float(b), bpm * float(f)) for b, f in zip(steps, slower, strict=True))]
    )


def _parts(
    genre: Genre,
    key: Key,
    sections: list[_Section],
    phrase: int,
    density: int,
    rng: np.random.Generator,
) -> tuple[list[Chord], dict[str, tuple[int, int, int, list[Note]]], str]:
    """All parts on the grid, name to (program, volume, pan, notes); and the drum pattern."""
    lead, comp = int(_choice(genre.lead, rng)), int(_choice(genre.chords, rng))
    low, high = _RANGES.get(lead, (60, 84))
    style = _choice(genre.comping, rng)
    bass_style = _choice(genre.bass_style, rng)
    pattern = _choice(genre.drums, rng) if genre.drums else ""
    side = 1 if rng.random() < 0.5 else -1
    parts: dict[str, tuple[int, int, int, list[Note]]] = {
        "melody": (lead, 104, 64 - 6 * side, []),
        "chords": (comp, 78, 64 + 22 * side, []),
    }
    if genre.pad and rng.random() < 0.7:
        parts["pad"] = (int(_choice(genre.pad, rng)), 62, 64 - 18 * side, [])
    if genre.bass:
        parts["bass"] = (int(_choice(genre.bass, rng)), 98, 64, [])
    if pattern:
        parts["drums"] = (0, 110, 64, [])

    written: dict[str, tuple[list[Chord], list[Note]]] = {}
    chords: list[Chord] = []
    for i, section in enumerate(sections):
        name = "A" if section.name == "intro" else section.name
        if name == "ending":
            here = phrase_chords(genre, key, 4, cadence="full", rng=rng)[-1:]
            here = [replace(here[0], start=0.0, end=float(2 * genre.beats))]
            tune: list[Note] = []
        else:
            if name not in written:
                cadence = "full" if name == "A" else "half"
                written[name] = _write(genre, key, phrase, cadence, density, low, high, rng)
            here, tune = written[name]
            length = section.bars * genre.beats
            here = [c for c in here if c.start < length]
            if sum(s.name == name for s in sections[:i]):
                tune = vary(tune, key, rng)
        shapes = voicings(here, low=52, high=74)
        start = section.start
        chords += [Chord(c.start + start, c.end + start, c.label) for c in here]
        _play(section, genre, here, shapes, tune, (style, bass_style, pattern), parts, rng)
    return chords, parts, pattern


def _write(
    genre: Genre,
    key: Key,
    phrase: int,
    cadence: str,
    density: int,
    low: int,
    high: int,
    rng: np.random.Generator,
) -> tuple[list[Chord], list[Note]]:
    chords = phrase_chords(genre, key, phrase, cadence=cadence, rng=rng)
    # A contrasting section lies higher.
    bottom = low if cadence == "full" else min(low + 3, high - 16)
    tune = melody(
        genre, key, chords, low=bottom, high=high, density=density,
        closing=cadence == "full", rng=rng,
    )  # fmt: skip
    return chords, tune


def _play(
    section: _Section,
    genre: Genre,
    chords: list[Chord],
    shapes: list[tuple[int, ...]],
    tune: list[Note],
    styles: tuple[str, str, str],
    parts: dict[str, tuple[int, int, int, list[Note]]],
    rng: np.random.Generator,
) -> None:
    """Add what everybody plays in one section to `parts`."""
    comping, bass_style, pattern = styles
    ending = section.name == "ending"
    start = section.start

    def add(part: str, notes: list[Note]) -> None:
        if part in parts:
            parts[part][3].extend(_moved(notes, start))

    if ending:
        home = shapes[0]
        add("melody", [Note(0.0, 1.8 * genre.beats, home[-1] + 12 * (home[-1] < 66), 100)])
        comping, bass_style = "block", "roots"
    elif "lead" in section.parts and section.name != "intro":
        add("melody", tune)
    if "chords" in section.parts or ending:
        add("chords", accompany(comping, chords, shapes, rng=rng))
    if "pad" in section.parts:
        add("pad", accompany("pad", chords, shapes, rng=rng))
    if "bass" in section.parts:
        add("bass", bass_line(bass_style, chords, low=28, high=48, rng=rng))
    if "drums" in section.parts and pattern:
        if ending:
            add("drums", [Note(0.0, 0.2, 36, 108), Note(0.0, 1.0, 49, 96)])
        else:
            crash = section.name not in ("intro", "A") or rng.random() < 0.4
            add("drums", drum_part(pattern, section.bars, fill=True, crash=crash, rng=rng))
