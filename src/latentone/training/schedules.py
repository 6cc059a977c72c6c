"""Learning-rate schedules: plain functions `(step, total) -> factor`, step counted from 0.

Where a length may be a fraction of the total, a schedule scales with the budget: that is what lets
a budget in minutes become a number of steps once and for all.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sqrt

__all__ = ["Schedule", "constant", "cosine", "exponential", "inverse_sqrt", "warmup_steps"]

Schedule = Callable[[int, int], float]


def warmup_steps(warmup: float, total: int) -> int:
    """Steps of a warm-up given as a count (1 or more) or as a share of the total (below 1)."""
    if warmup < 0:
        raise ValueError(f"warmup must be a share below 1 or a number of steps, got {warmup}")
    return int(warmup) if warmup >= 1 else int(warmup * total)


def _rise(step: int, warmup: int) -> float:
    """Climb linearly and reach 1 at the last warm-up step; the first is not wasted on 0."""
    return min(1.0, (step + 1) / warmup) if warmup > 0 else 1.0


def constant(*, warmup: float = 0) -> Schedule:
    """Stay at 1 after a linear warm-up."""
    return lambda step, total: _rise(step, warmup_steps(warmup, total))


def cosine(*, warmup: float = 0, floor: float = 0.0) -> Schedule:
    """Rise linearly, then fall along half a cosine from 1 to `floor` at `total` (SGDR, 2016)."""

    def factor(step: int, total: int) -> float:
        rise = warmup_steps(warmup, total)
        if step < rise:
            return _rise(step, rise)
        progress = min(1.0, (step - rise) / max(1, total - rise))
        return floor + (1 - floor) * (1 + cos(pi * progress)) / 2

    return factor


def exponential(*, decay: float = 0.999996, warmup: float = 0) -> Schedule:
    """Multiply by `decay` at every step, as codec papers do."""
    return lambda step, total: _rise(step, warmup_steps(warmup, total)) * decay**step


def inverse_sqrt(*, warmup: float = 0.01) -> Schedule:
    """Rise linearly, then fall as sqrt(warmup / step) ("Attention Is All You Need", 2017)."""

    def factor(step: int, total: int) -> float:
        rise = max(1, warmup_steps(warmup, total))
        return min(_rise(step, rise), sqrt(rise / (step + 1)))

    return factor
