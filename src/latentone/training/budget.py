"""Minutes into steps, once: what depends on the total may then depend on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import mean

__all__ = ["REHEARSAL_STEPS", "steps_within", "time_steps"]

REHEARSAL_STEPS = 20
WARM_UP_STEPS = 3
REHEARSAL_SHARE = 0.2


def _own(seconds: float) -> float:
    return seconds


def time_steps(
    step: Callable[[], None],
    budget_seconds: float,
    agree: Callable[[float], float] = _own,
) -> float:
    """Run up to 20 steps and return the mean seconds of one.

    The first few are left out (memory is being allocated, caches are cold), as is the slowest of
    the others; a mean, because a step may cost more in one phase of the training than in another.
    A rehearsal never takes more than a fifth of the budget, beyond its first five steps.

    Args:
        step: one optimiser step.
        budget_seconds: of the whole training.
        agree: makes the seconds of a step the same on all ranks. By its own clock one rank would
            stop a step before another, which then waits in its all-reduce for ever.
    """
    seconds: list[float] = []
    for done in range(REHEARSAL_STEPS):
        if done > WARM_UP_STEPS + 1 and sum(seconds) > REHEARSAL_SHARE * budget_seconds:
            break
        start = time.perf_counter()
        step()
        seconds.append(agree(time.perf_counter() - start))
    return mean(sorted(seconds[WARM_UP_STEPS:])[:-1])


def steps_within(
    seconds: float,
    *,
    step: float,
    validation: float = 0.0,
    validate_every: int = 1,
    checkpoint: float = 0.0,
    checkpoint_every: int = 1,
) -> int:
    """Steps that fit into `seconds`, with the validations and checkpoints they bring along.

    n steps cost `n (step + validation / validate_every + checkpoint / checkpoint_every)` and one
    last validation and checkpoint; at least one step is always made.

    Args:
        seconds: what is left of the budget.
        step: seconds of one optimiser step.
        validation: seconds of one validation.
        validate_every: steps between two.
        checkpoint: seconds to write one checkpoint.
        checkpoint_every: steps between two.
    """
    each = step + validation / validate_every + checkpoint / checkpoint_every
    return max(1, int((seconds - validation - checkpoint) / each))
