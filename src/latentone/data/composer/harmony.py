"""Phrases of chords with cadences, and their voicings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...symbolic.score import Chord
from ...symbolic.theory import chord_pitch_classes, degree_chord, voice_lead
from .genres import Genre

__all__ = ["Key", "at", "phrase_chords", "voicings"]


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class) and `major` or `minor`."""

    tonic: int
    mode: str


def phrase_chords(
    genre: Genre, key: Key, bars: int, *, cadence: str, rng: np.random.Generator
) -> list[Chord]:
    """Chords for a phrase that begins at beat 0.

    Args:
        genre: whose progressions.
        key: where.
        bars: 4 or 8; eight are one progression twice, or two.
        cadence: `open` ends as the progression does, `half` on the dominant, `full` dominant to
            tonic in the last two bars.
        rng: which progression.
    """
    table = genre.major if key.mode == "major" else genre.minor
    first = table[rng.integers(len(table))]
    second = first if rng.random() < 0.6 else table[rng.integers(len(table))]
    numerals = list((*first, *second)[:bars])
    tonic, dominant = ("I", "V") if key.mode == "major" else ("i", "V")
    if any("7" in n or "9" in n for n in numerals):
        tonic, dominant = ("Imaj7" if key.mode == "major" else "imin7"), "V7"
        if genre.scale == "blues":
            tonic = "I7" if key.mode == "major" else "imin7"
    if cadence == "half":
        numerals[-1] = dominant
    elif cadence == "full":
        numerals[-2:] = [dominant, tonic]
    chords = []
    for bar, text in enumerate(numerals):
        parts = text.split()
        # Two chords share a bar of three beats as two and one.
        splits = [0.0, float(genre.beats)]
        if len(parts) == 2:
            splits.insert(1, float((genre.beats + 1) // 2))
        for part, begin, end in zip(parts, splits[:-1], splits[1:], strict=True):
            label = degree_chord(key.tonic, key.mode, part)
            start = bar * genre.beats
            chords.append(Chord(start + begin, start + end, label))
    return chords


def voicings(chords: list[Chord], *, low: int, high: int) -> list[tuple[int, ...]]:
    """Voices each chord near the one before; ninths leave out their fifth."""
    out: list[tuple[int, ...]] = []
    previous: tuple[int, ...] = ()
    for chord in chords:
        members = list(chord_pitch_classes(chord.label))
        if len(members) > 4:
            del members[2]
        previous = voice_lead(previous, members, low=low, high=high)
        out.append(previous)
    return out


def at(chords: list[Chord], beat: float) -> int:
    """Index of the chord that sounds at a beat; the last one holds on."""
    for i, chord in enumerate(chords):
        if beat < chord.end - 1e-9:
            return i
    return len(chords) - 1
