"""What a run folder remembers of its training, and what may change when it goes on.

`training/state.json` is the one place for the status, the total number of steps and the stage that
was trained: it is replaced as a whole, so the three always belong together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..config import from_dict, load_json, save_json, to_dict
from .recipe import Stage

__all__ = [
    "ResumeError",
    "is_finished",
    "read_state",
    "require_same_stage",
    "saved_total",
    "write_state",
]

FREE = frozenset({"log_every", "checkpoint_every", "keep_checkpoints", "workers", "preview_every"})
"""Fields of TrainConfig that cannot change the weights; all others must stay, or grow: BUDGET."""

BUDGET = ("steps", "minutes")


class ResumeError(ValueError):
    """A run folder that holds a training with other settings; the field is named."""


def read_state(folder: Path) -> dict[str, Any] | None:
    """Read `state.json` of a `training/` folder; None when nothing was trained there."""
    path = folder / "state.json"
    return load_json(path) if path.exists() else None


def write_state(folder: Path, stage: Stage, *, status: str, **values: Any) -> None:
    """Replace `state.json`; status is running, interrupted, diverged or finished."""
    save_json({"status": status, **values, "stage": to_dict(stage)}, folder / "state.json")


def require_same_stage(state: dict[str, Any], stage: Stage, run_dir: Path) -> None:
    """Refuse to go on with other settings, unless only the budget grew.

    A larger budget is allowed because the steps already done are valid under any total: schedules
    and phases go on as they stand at this share of the new total. The result is not that of
    one long training, whose learning rate would have been higher at the same step.

    Raises:
        ResumeError: another value; field, both values and what to do are named.
    """
    # Settings that a run from before them does not name had their defaults.
    saved, ours = to_dict(from_dict(Stage, state["stage"])), to_dict(stage)
    for path, before, now in _differences(saved, ours, ""):
        name = path.removeprefix("train.")
        if path.startswith("train.") and name in FREE:
            continue
        if path.startswith("train.") and name in BUDGET and before is not None and now is not None:
            if now > before:
                continue
            what = f"`{path}` can grow, not shrink"
        else:
            what = "resuming needs the same settings"
        raise ResumeError(
            f"{run_dir} was trained with `{path}` = {before!r}, and now it is {now!r}: {what}. "
            "Give the old value, another folder, or train from the start (resume=False)."
        )


def saved_total(state: dict[str, Any], stage: Stage) -> int:
    """Steps in all: those that were fixed at the start, scaled when the minutes grew."""
    if stage.train.steps is not None:
        return stage.train.steps
    before = state["stage"]["train"]["minutes"]
    return round(state["total_steps"] * stage.train.minutes / before)


def is_finished(state: dict[str, Any], stage: Stage) -> bool:
    """Whether there is nothing left to train."""
    return state["status"] == "finished" and saved_total(state, stage) <= state["total_steps"]


def _differences(before: Any, now: Any, path: str) -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        found = []
        for key in [*before, *(k for k in now if k not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            found += _differences(before.get(key), now.get(key), inner)
        return found
    return [] if before == now else [(path, before, now)]
