"""How chords are played: held, broken, strummed, stabbed."""

from __future__ import annotations

import numpy as np

from ...symbolic.score import Chord, Note

__all__ = ["accompany"]

# (onset, length) of whole chords in a bar, in beats.
_BLOCKS: dict[str, tuple[tuple[float, float], ...]] = {
    "eighths": tuple((i / 2, 0.42) for i in range(8)),
    "power": ((0, 0.9), (1, 0.4), (1.5, 0.4), (2, 0.9), (3, 0.4), (3.5, 0.4)),
    "offbeat": ((0.5, 0.3), (1.5, 0.3), (2.5, 0.3), (3.5, 0.3)),
    "skank": ((1, 0.25), (3, 0.25)),
    "charleston": ((0, 0.9), (1.5, 0.4)),
    "stabs": ((0, 0.3), (0.75, 0.3), (1.5, 0.3), (2.5, 0.3), (3.25, 0.3)),
    "bossa": ((0, 0.4), (1, 0.4), (1.5, 0.9), (3, 0.4), (3.5, 0.4)),
    "scratch": (
        (0, 0.2), (0.5, 0.15), (0.75, 0.15), (1.5, 0.2), (2.25, 0.15), (2.75, 0.2), (3.5, 0.2),
    ),
    "lazy": ((0, 1.4), (1.5, 0.4), (2.5, 1.2)),
    "waltz": ((1, 0.6), (2, 0.6)),
}  # fmt: skip

# Order in which the voices of a chord are broken, one per step.
_BROKEN: dict[str, tuple[float, tuple[int, ...]]] = {
    "arpeggio": (0.5, (0, 1, 2, 3, 2, 1)),
    "alberti": (0.5, (0, 2, 1, 2)),
    "sixteenths": (0.25, (0, 1, 2, 3, 1, 2, 3, 2)),
    "sparse": (1.0, (0, 2, 1, 3)),
}

_STRUM = (
    (0, 0.95, 1),
    (1, 0.45, 1),
    (1.5, 0.45, -1),
    (2.5, 0.45, -1),
    (3, 0.45, 1),
    (3.5, 0.45, -1),
)


def accompany(
    style: str,
    chords: list[Chord],
    voicings: list[tuple[int, ...]],
    *,
    rng: np.random.Generator,
) -> list[Note]:
    """Play the chords of a phrase.

    Args:
        style: `block`, `pad`, `strum`, or a pattern of this file.
        chords: the phrase, each chord within one bar.
        voicings: MIDI numbers of each chord, ascending.
        rng: chance: which strokes are left out.
    """
    notes: list[Note] = []
    for chord, voicing in zip(chords, voicings, strict=True):
        length = chord.end - chord.start
        if style in ("block", "pad"):
            held = 0.99 if style == "pad" else 0.93
            notes += [Note(chord.start, held * length, p, 84) for p in voicing]
        elif style == "strum":
            for onset, duration, direction in _STRUM:
                if onset < length and (onset == 0 or rng.random() < 0.93):
                    notes += _strum(chord.start + onset, duration, voicing, direction)
        elif style in _BROKEN:
            step, order = _BROKEN[style]
            for i in range(round(length / step)):
                voice = order[i % len(order)] % len(voicing)
                accent = 92 if i % len(order) == 0 else 78
                notes.append(Note(chord.start + i * step, 0.95 * step, voicing[voice], accent))
        else:
            for onset, duration in _BLOCKS[style]:
                if onset < length and (onset == 0 or rng.random() < 0.95):
                    accent = 90 if onset % 1 == 0 else 82
                    stop = min(duration, length - onset)
                    notes += [Note(chord.start + onset, stop, p, accent) for p in voicing]
    return notes


def _strum(start: float, duration: float, voicing: tuple[int, ...], direction: int) -> list[Note]:
    """Strings one after the other, a hundredth of a beat or two apart."""
    strings = voicing if direction > 0 else tuple(reversed(voicing))
    accent = 92 if direction > 0 else 76
    return [Note(start + 0.018 * i, duration - 0.018 * i, p, accent) for i, p in enumerate(strings)]
