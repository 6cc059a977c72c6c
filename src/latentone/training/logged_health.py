"""A diagnosis from what a training wrote down, so that it can also be had after the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .health import Diagnosis, diagnose

__all__ = ["LASTING_STEPS", "diagnose_log"]

LASTING_STEPS = 500
"""For how many steps a sign must hold, as `HealthWatch` has it: what is fresh says one thing."""


def diagnose_log(
    records: Sequence[Mapping[str, Any]],
    *,
    state: Mapping[str, Any] | None = None,
    lasting: int = LASTING_STEPS,
) -> Diagnosis | None:
    """Name what is wrong with a logged training, or that nothing is.

    Args:
        records: of `metrics.jsonl`; numbers that are null there were not finite.
        state: of `state.json`; a training that diverged is told from its status, since the step
            that broke is never logged.
        lasting: steps for which all signs but `nan` must hold. In a shorter training none does.

    Returns:
        None where nothing was logged.
    """
    state = state or {}
    if state.get("status") == "diverged":
        return Diagnosis("nan", state.get("diagnosis") or "a loss or gradient was not finite")
    logged = [(r["step"], r["train"]) for r in records if "train" in r]
    if not logged:
        return None
    history = [{n: math.nan if v is None else v for n, v in values.items()} for _, values in logged]
    last = logged[-1][0]
    recent = sum(step > last - lasting for step, _ in logged)
    if last >= lasting:
        return diagnose(history, patience=recent)
    found = diagnose(history, patience=len(history) + 1)
    if not found.is_healthy:
        return found
    short = f"{last:,} steps are too few to tell, a sign must hold for {lasting:,}"
    return Diagnosis("success", f"{found.sign}; {short}")
