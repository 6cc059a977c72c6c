"""From notes on a grid to playing: swing, dynamics, and hands that are not machines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...symbolic.score import Note

__all__ = ["perform", "swing"]


def swing(beat: float, ratio: float) -> float:
    """Move the second half of a beat to `ratio`: the map is piecewise linear and keeps beats.

    >>> swing(1.5, 2 / 3)
    1.6666666666666665
    """
    whole, part = divmod(beat, 1.0)
    if part < 0.5:
        return whole + part * 2 * ratio
    return whole + ratio + (part - 0.5) * 2 * (1 - ratio)


def _deviation(rng: np.random.Generator) -> float:
    """A standard normal number, cut at two."""
    return min(max(float(rng.standard_normal()), -2.0), 2.0)


def perform(
    notes: list[Note],
    *,
    ratio: float,
    loose: float,
    bpm: float,
    level: Callable[[float], float],
    rng: np.random.Generator,
) -> tuple[Note, ...]:
    """Play a part.

    Args:
        notes: on the grid; their velocities are accents around 100.
        ratio: swing, see `swing`.
        loose: standard deviation of onsets in seconds, cut at twice that; 0 plays on the grid.
        bpm: to turn seconds into beats.
        level: loudness 0 to 1 at a beat.
        rng: chance.

    Returns:
        Notes in order; a key is released before it is struck again.
    """
    played = []
    for note in notes:
        start, end = swing(note.start, ratio), swing(note.end, ratio)
        shift = _deviation(rng) * loose * bpm / 60 if loose else 0.0
        force = note.velocity / 100 * level(note.start) * 127
        force *= 1 + (0.05 * _deviation(rng) if loose else 0.0)
        played.append(
            Note(
                max(0.0, start + shift),
                max(end - start, 0.03),
                note.pitch,
                min(max(round(force), 8), 127),
            )
        )
    played.sort()
    latest: dict[int, int] = {}
    out: list[Note] = []
    for note in played:
        before = latest.get(note.pitch)
        if before is not None and out[before].end > note.start - 0.01:
            room = note.start - 0.01 - out[before].start
            if room < 0.03:
                continue
            out[before] = replace(out[before], duration=room)
        latest[note.pitch] = len(out)
        out.append(note)
    return tuple(out)
