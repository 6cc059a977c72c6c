"""Learning-rate schedules: plain functions `(step, total) -> factor`, step counted from 0.

Where a length may be a fraction of the total, a schedule scales with the budget: that is what lets
a budget in minutes become a number of steps once and for all.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, exp, log, pi, sqrt

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "inverse_power",
    "inverse_sqrt",
    "linear",
    "log_ramp",
    "warmup_steps",
]

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


def linear(*, fall: float, floor: float = 0.1, warmup: float = 0) -> Schedule:
    """Rise linearly, then fall in a straight line to `floor` at step `fall`, and stay (RAVE).

    Args:
        fall: where the fall ends: a count of steps (1 or more) or a share of the total (below 1).
        floor: factor from there on.
        warmup: as in the other schedules; the fall begins after it.
    """

    def factor(step: int, total: int) -> float:
        rise, end = warmup_steps(warmup, total), warmup_steps(fall, total)
        if step < rise:
            return _rise(step, rise)
        progress = min(1.0, (step - rise) / max(1, end - rise))
        return 1 + (floor - 1) * progress

    return factor


def inverse_power(
    *, inv_gamma: float = 200_000, power: float = 0.5, warmup: float = 0.999
) -> Schedule:
    """`(1 - warmup^(n + 1)) (1 + n / inv_gamma)^-power` at step n; the defaults are Oobleck's.

    Args:
        inv_gamma: steps after which the factor has fallen to `2^-power`.
        power: of the fall.
        warmup: base of the exponential rise, in [0, 1); 0 for none.
    """
    if inv_gamma <= 0 or not 0 <= warmup < 1:
        raise ValueError(
            f"expected inv_gamma above 0 and warmup in [0, 1), got {inv_gamma=}, {warmup=}"
        )
    return lambda step, total: (1 - warmup ** (step + 1)) * float((1 + step / inv_gamma) ** -power)


def log_ramp(first: float, last: float, steps: float) -> Schedule:
    """From `first` at step 0 to `last` at step `steps` by equal factors, and stay there.

    Args:
        first: value at step 0, positive.
        last: value at the end, positive.
        steps: a count (1 or more) or a share of the total (below 1).
    """
    if first <= 0 or last <= 0 or steps < 0:
        raise ValueError(
            f"a logarithmic ramp needs positive ends and 0 steps or more, got {first} to {last} "
            f"in {steps}"
        )

    def value(step: int, total: int) -> float:
        length = warmup_steps(steps, total)
        if step >= length:
            return last
        return exp(log(first) + (log(last) - log(first)) * step / length)

    return value
