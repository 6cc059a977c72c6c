"""Keys, scales, chords, progressions and voice leading, in pitch classes and MIDI numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product

__all__ = [
    "CHORDS",
    "SCALES",
    "chord_pitch_classes",
    "degree_chord",
    "parse_key",
    "pitch_class",
    "scale",
    "scale_pitches",
    "spell",
    "voice_lead",
]

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
}
"""Semitones above the tonic."""

CHORDS: dict[str, tuple[int, ...]] = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "minmaj7": (0, 3, 7, 11),
    "hdim7": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "9": (0, 4, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "min9": (0, 3, 7, 10, 14),
}
"""Harte's shorthand to semitones above the root (Harte et al., ISMIR 2005)."""

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAJOR_NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_MINOR_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_ROMAN = {"i": 0, "ii": 1, "iii": 2, "iv": 3, "v": 4, "vi": 5, "vii": 6}


def pitch_class(name: str) -> int:
    """The pitch class of a note name.

    >>> pitch_class("F#"), pitch_class("Cb")
    (6, 11)
    """
    if not re.fullmatch(r"[A-G](#*|b*)", name):
        raise ValueError(f"expected a note name such as C, F# or Bb, got {name!r}")
    return (_LETTERS[name[0]] + name.count("#") - name.count("b")) % 12


def spell(pitch_class: int, *, mode: str = "major") -> str:
    """The usual name of a tonic or root: flats or sharps as the key signature has fewer."""
    names = _MINOR_NAMES if mode == "minor" else _MAJOR_NAMES
    return names[pitch_class % 12]


def parse_key(key: str) -> tuple[int, str]:
    """Read `C# minor`, `Db:maj` or `a:min` into (pitch class, `major` or `minor`).

    Raises:
        ValueError: not a key.
    """
    match = re.fullmatch(r"([A-Ga-g][#b]*)[\s:]*(major|minor|maj|min)", key.strip())
    if not match:
        raise ValueError(f"expected a key such as 'C# minor' or 'Db:maj', got {key!r}")
    tonic = match[1][0].upper() + match[1][1:]
    return pitch_class(tonic), "major" if match[2].startswith("maj") else "minor"


def scale(tonic: int, name: str) -> tuple[int, ...]:
    """Pitch classes of a scale, from the tonic up.

    >>> scale(9, "minor")
    (9, 11, 0, 2, 4, 5, 7)
    """
    return tuple((tonic + step) % 12 for step in SCALES[name])


def scale_pitches(tonic: int, name: str, low: int, high: int) -> list[int]:
    """MIDI numbers of a scale from `low` to `high`, both included."""
    members = set(scale(tonic, name))
    return [p for p in range(low, high + 1) if p % 12 in members]


def chord_pitch_classes(label: str) -> tuple[int, ...]:
    """Pitch classes of a chord in Harte syntax, root first; `N` has none.

    An inversion (`C:maj/3`) has the same members; additions in brackets are left out.

    >>> chord_pitch_classes("A:min7")
    (9, 0, 4, 7)

    Raises:
        ValueError: not a known chord.
    """
    if label in ("N", "X"):
        return ()
    root, _, quality = re.sub(r"\(.*?\)|/.*", "", label).partition(":")
    quality = quality or "maj"
    if quality not in CHORDS:
        raise ValueError(f"unknown chord quality in {label!r}; known: {', '.join(CHORDS)}")
    base = pitch_class(root)
    return tuple((base + step) % 12 for step in CHORDS[quality])


def degree_chord(tonic: int, mode: str, degree: str) -> str:
    """A chord of a key from its Roman numeral, as a Harte label.

    Upper case is major, lower case minor; `b` or `#` before it shift the degree of the *major*
    scale for upper-case borrowed chords; a quality may follow: `V7`, `iimin9`, `Imaj7`, `viidim`.
    Degrees without accidental are those of the key's own scale (`VI` in C minor is Ab).

    >>> degree_chord(0, "major", "vi"), degree_chord(0, "minor", "VImaj7")
    ('A:min', 'Ab:maj7')

    Raises:
        ValueError: not a Roman numeral, or an unknown quality.
    """
    match = re.fullmatch(r"([b#]?)(III|II|IV|I|VII|VI|V|iii|ii|iv|i|vii|vi|v)(.*)", degree)
    if not match:
        raise ValueError(f"expected a Roman numeral such as I, vi or V7, got {degree!r}")
    accidental, numeral, quality = match.groups()
    steps = SCALES["major" if accidental else mode]
    root = tonic + steps[_ROMAN[numeral.lower()]] + {"": 0, "b": -1, "#": 1}[accidental]
    quality = quality or ("min" if numeral.islower() else "maj")
    if quality not in CHORDS:
        raise ValueError(f"unknown chord quality in {degree!r}; known: {', '.join(CHORDS)}")
    # Roots are spelt as minor keys are (sharps) only for minor chords on black keys such as C#.
    return f"{spell(root, mode='minor' if CHORDS[quality][1] == 3 else 'major')}:{quality}"


def voice_lead(
    previous: Sequence[int], pitch_classes: Sequence[int], *, low: int, high: int
) -> tuple[int, ...]:
    """Voice a chord close to the chord before it: the least total movement, in close position.

    Args:
        previous: MIDI numbers of the last chord, ascending; empty for the first.
        pitch_classes: what to voice, each once.
        low: the lowest MIDI number allowed.
        high: the highest; at least an octave above `low`.

    Returns:
        MIDI numbers, ascending, one per pitch class.
    """
    if high - low < 11:
        raise ValueError(f"a voicing needs an octave of room, got {low} to {high}")
    return _voice_lead(tuple(previous), tuple(pc % 12 for pc in pitch_classes), low, high)


@lru_cache(maxsize=4096)
def _voice_lead(
    previous: tuple[int, ...], pitch_classes: tuple[int, ...], low: int, high: int
) -> tuple[int, ...]:
    options = [[p for p in range(low, high + 1) if p % 12 == pc] for pc in pitch_classes]
    centre = (low + high) / 2

    def cost(voicing: Iterable[int]) -> tuple[float, float]:
        chord = sorted(voicing)
        spread = chord[-1] - chord[0]
        if not previous:
            return abs(sum(chord) / len(chord) - centre) + max(0, spread - 12), spread
        # Chords of different size: every voice moves to the nearest of the other chord.
        there = sum(min(abs(p - q) for q in previous) for p in chord)
        back = sum(min(abs(p - q) for q in chord) for p in previous)
        drift = 0.25 * abs(sum(chord) / len(chord) - centre)
        return there + back + drift + 2 * max(0, spread - 14), spread

    voicings: list[tuple[int, ...]] = list(product(*options))
    return tuple(sorted(min(voicings, key=cost)))
