"""Drum patterns on a grid of sixteenths, with fills and crashes."""

from __future__ import annotations

import numpy as np

from ...symbolic.score import Note

__all__ = ["PATTERNS", "drum_part"]

KICK, RIM, SNARE, CLAP, CLOSED, OPEN = 36, 37, 38, 39, 42, 46
LOW_TOM, MIDDLE_TOM, HIGH_TOM, CRASH, RIDE, TAMBOURINE, SHAKER = 41, 45, 48, 49, 51, 54, 70

# One character per sixteenth: X loud, x normal, o soft.
PATTERNS: dict[str, dict[int, str]] = {
    "pop": {KICK: "X.....x.X.......", SNARE: "....X.......X...", CLOSED: "x.o.x.o.x.o.x.o."},
    "half": {KICK: "X.........x.....", SNARE: "........X.......", CLOSED: "x.o.x.o.x.o.x.o."},
    "four": {KICK: "X...X...X...X...", SNARE: "....X.......X...", CLOSED: "o.x.o.x.o.x.o.x."},
    "rock": {KICK: "X.......X.x.....", SNARE: "....X.......X...", CLOSED: "X.x.X.x.X.x.X.x."},
    "rock2": {KICK: "X..x....x.X.....", SNARE: "....X.......X..o", RIDE: "X.x.X.x.X.x.X.x."},
    "swing": {KICK: "o.......o.......", 44: "....x.......x...", RIDE: "X...x.x.X...x.x."},
    "brushes": {SNARE: "o...x.o.o...x.o.", 44: "....x.......x...", RIDE: "x...o.o.x...o.o."},
    "bossa": {KICK: "x.....xx......x.", RIM: "x..x..x...x..x..", SHAKER: "x.o.x.o.x.o.x.o."},
    "shaker": {SHAKER: "x.oox.oox.oox.oo", KICK: "o.......o......."},
    "ballad": {KICK: "x.........x.....", RIM: "....x.......x...", CLOSED: "o.o.o.o.o.o.o.o."},
    "house": {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..x...x...x...x.",
              CLOSED: "o.o.o.o.o.o.o.o."},
    "house2": {KICK: "X...X...X...X...", CLAP: "....X.......X...", CLOSED: "oxxooxxooxxooxxo",
               SHAKER: "x.o.x.o.x.o.x.o."},
    "synth": {KICK: "X.......X.......", SNARE: "....X.......X...", CLOSED: "x.x.x.x.x.x.x.x.",
              CLAP: "....o.......o..."},
    "boombap": {KICK: "X.....x...x.....", SNARE: "....X.......X...", CLOSED: "x.o.x.o.x.o.x.o."},
    "boombap2": {KICK: "X..x......x..x..", SNARE: "....X..o....X...", CLOSED: "x.x.x.x.x.xox.x."},
    "funk": {KICK: "X.x...x...x..x..", SNARE: "....X..o.o..X..o", CLOSED: "xoxoxoxoxoxoxoxo"},
    "funk2": {KICK: "X..x..x...X.....", SNARE: "....X..o....X.o.", CLOSED: "x.x.x.x.x.x.x.x.",
              TAMBOURINE: "....o.......o..."},
    "onedrop": {KICK: "........X.......", RIM: "........X.......", CLOSED: "o.x.o.x.o.x.o.x."},
    "shuffle": {KICK: "X.....x.X.......", SNARE: "....X.......X...", RIDE: "x.o.x.o.x.o.x.o."},
}  # fmt: skip

_FORCE = {"X": 112, "x": 88, "o": 54}

_FILLS: tuple[tuple[tuple[float, int], ...], ...] = (
    ((2, SNARE), (2.5, SNARE), (3, HIGH_TOM), (3.25, HIGH_TOM), (3.5, MIDDLE_TOM), (3.75, LOW_TOM)),
    ((3, SNARE), (3.25, SNARE), (3.5, SNARE), (3.75, SNARE)),
    ((2, HIGH_TOM), (2.5, HIGH_TOM), (3, MIDDLE_TOM), (3.5, LOW_TOM)),
    ((3, SNARE), (3.5, LOW_TOM)),
)


def drum_part(
    pattern: str, bars: int, *, fill: bool, crash: bool, rng: np.random.Generator
) -> list[Note]:
    """Play a pattern for some bars of four beats.

    Args:
        pattern: a key of `PATTERNS`.
        bars: how many.
        fill: whether the last bar ends in a fill.
        crash: whether the first stroke is a crash.
        rng: chance: ghost strokes, dropped soft strokes, which fill.
    """
    grid = PATTERNS[pattern]
    notes = []
    chosen = _FILLS[rng.integers(len(_FILLS))] if fill and SNARE in grid else ()
    for bar in range(bars):
        # A fill takes the place of hands, not of the kick's foot.
        stop = chosen[0][0] if chosen and bar == bars - 1 else 4.0
        for drum, row in grid.items():
            for step, mark in enumerate(row):
                at = step / 4
                if mark == "." or (at >= stop and drum != KICK):
                    continue
                if mark == "o" and rng.random() < 0.08:
                    continue
                notes.append(Note(4.0 * bar + at, 0.2, drum, _FORCE[mark]))
        if SNARE in grid and bar % 2 == 1 and rng.random() < 0.25 and stop == 4.0:
            notes.append(Note(4.0 * bar + 3.75, 0.2, SNARE, 42))
    notes += [
        Note(4.0 * (bars - 1) + at, 0.2, drum, 84 + 6 * i) for i, (at, drum) in enumerate(chosen)
    ]
    if crash and pattern not in ("brushes", "shaker", "bossa"):
        notes.append(Note(0.0, 1.0, CRASH, 100))
    return sorted(set(notes))
