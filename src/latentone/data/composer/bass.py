"""Bass lines, from held roots to walking."""

from __future__ import annotations

import numpy as np

from ...symbolic.score import Chord, Note
from ...symbolic.theory import chord_pitch_classes

__all__ = ["bass_line"]

# (onset in beats, length, what) in a bar of four; what: r root, f fifth, o octave.
_PATTERNS: dict[str, tuple[tuple[float, float, str], ...]] = {
    "fifths": ((0, 1.8, "r"), (2, 1.8, "f")),
    "eighths": tuple((i / 2, 0.45, "r") for i in range(8)),
    "octaves": tuple((i / 2, 0.42, "ro"[i % 2]) for i in range(8)),
    "offbeat": tuple((i + 0.5, 0.42, "r") for i in range(4)),
    "syncopated": (
        (0, 0.7, "r"), (0.75, 0.4, "r"), (1.5, 0.7, "o"), (2.5, 0.4, "r"), (3.25, 0.3, "f"),
        (3.5, 0.4, "o"),
    ),
    "bossa": ((0, 1.4, "r"), (1.5, 0.45, "f"), (2, 1.4, "f"), (3.5, 0.45, "r")),
    "reggae": ((0, 0.9, "r"), (1.5, 0.4, "r"), (2, 0.45, "f"), (2.5, 0.45, "o"), (3.5, 0.4, "f")),
}  # fmt: skip


def _near(pitch_class: int, previous: int, low: int, high: int) -> int:
    options = [p for p in range(low, high + 1) if p % 12 == pitch_class]
    return min(options, key=lambda p: (abs(p - previous), p))


def bass_line(
    style: str, chords: list[Chord], *, low: int, high: int, rng: np.random.Generator
) -> list[Note]:
    """Play the bass of a phrase.

    Args:
        style: `roots`, `walking`, or a pattern of this file.
        chords: the phrase, each chord within one bar.
        low: lowest MIDI number.
        high: highest, at least an octave above.
        rng: chance.
    """
    if style == "walking":
        return _walking(chords, low, high, rng)
    notes = []
    root = (low + high) // 2 - 3
    for chord in chords:
        members = chord_pitch_classes(chord.label)
        root = _near(members[0], min(root, low + 10), low, high)
        fifth = _near(members[2], root + 3, low, high)
        octave = root + 12 if root + 12 <= high + 5 else root
        length = chord.end - chord.start
        if style == "roots":
            notes.append(Note(chord.start, 0.95 * length, root, 96))
            continue
        for onset, duration, what in _PATTERNS[style]:
            if onset < length:
                pitch = {"r": root, "f": fifth, "o": octave}[what]
                weight = 100 if onset in (0, 2) else 88
                notes.append(
                    Note(chord.start + onset, min(duration, length - onset), pitch, weight)
                )
    return notes


def _walking(chords: list[Chord], low: int, high: int, rng: np.random.Generator) -> list[Note]:
    """Quarter notes: the root on the change, chord tones between, a half step into the next."""
    notes = []
    pitch = (low + high) // 2
    for i, chord in enumerate(chords):
        members = chord_pitch_classes(chord.label)
        after = chord_pitch_classes(chords[(i + 1) % len(chords)].label)[0]
        count = round(chord.end - chord.start)
        for step in range(count):
            if step == 0:
                pitch = _near(members[0], pitch, low, high)
            elif step == count - 1:
                goal = _near(after, pitch, low, high)
                pitch = goal + (1 if pitch > goal else -1)
            else:
                choices = [_near(m, pitch, low, high) for m in members[:4] if m != pitch % 12]
                pitch = int(rng.choice(choices))
            accent = 100 if step % 2 == 0 else 92
            notes.append(Note(chord.start + step, 0.88, int(np.clip(pitch, low, high)), accent))
    return notes
