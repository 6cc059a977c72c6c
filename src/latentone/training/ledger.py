"""What a training writes down: curves, the best validation, checkpoints, its status."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .checkpoint import Snapshot, load_newest, save_checkpoint
from .progress import clock
from .recipe import Stage
from .resume import write_state
from .run import TrainingDiverged
from .strip import Strip
from .trackers import Tracker
from .trainee import Trainee

__all__ = ["Ledger"]

CURVES_SECONDS = 60.0
"""Least time between two drawings of the curves; the last one always comes."""


class Ledger:
    """Keeps the records of one training; a context manager. Rank 0 writes, all ranks call it.

    Args:
        stage: what is trained.
        run_dir: whose `training/` folder is kept.
        trainee: what is trained, at the step where this process begins.
        snapshot: the checkpoint that was restored, or None.
    """

    def __init__(
        self, stage: Stage, run_dir: Path, trainee: Trainee, snapshot: Snapshot | None
    ) -> None:
        self.stage, self.run_dir, self.trainee, self.run = stage, run_dir, trainee, trainee.run
        self.folder = run_dir / "training"
        before = snapshot.progress if snapshot is not None else {}
        self.best: dict[str, Any] | None = before.get("best")
        self.validations: int = before.get("validations", 0)
        self.validated: int = before.get("validated", 0)
        self.seconds: float = before.get("seconds", 0.0)
        self.writes = self.run.rank == 0
        self.started = self.logged = self.drawn = time.monotonic()
        self.logged_step = self.run.step
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self.writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._state("running")
            self.tracker = Tracker(self.folder, self.run.step)
            every = self.stage.train.validate_every
            self.strip = Strip(self.folder / "strip", every=every, step=self.run.step)
            self._stack.callback(self.tracker.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writes and isinstance(error, TrainingDiverged):
            kept = self._keep_last_good(error)
            self._state("diverged", reason=str(error), diagnosis=error.diagnosis.sign, kept=kept)
        self._stack.close()

    def losses(self) -> dict[str, float]:
        """Record the training losses since the last call, gradient norms, rates and speed."""
        losses, now = self.trainee.losses(), time.monotonic()
        speed = (self.run.step - self.logged_step) / max(1e-9, now - self.logged)
        self.logged, self.logged_step = now, self.run.step
        if self.writes:
            scalars = {name: float(value) for name, value in self.run.scalars.items()}
            self.tracker.scalars(
                self.run.step, "train", losses, optimizer=scalars, steps_per_second=round(speed, 3)
            )
        return losses

    def validation(self, values: dict[str, float], *, last: bool) -> str:
        """Record a validation, keep the best model, preview now and then; say what came out."""
        self.validations += 1
        self.validated = self.run.step
        if not values:
            return ""
        loss, step = values["loss"], self.run.step
        improved = math.isfinite(loss) and (self.best is None or loss < self.best["loss"])
        if improved:
            self.best = {"step": step, "loss": loss}
        if self.writes:
            if improved:
                self.trainee.save_model(self.folder / "best")
            self.tracker.scalars(step, "valid", values)
            if last or (self.validations - 1) % self.stage.train.preview_every == 0:
                self.tracker.preview(step, self.trainee.preview())
            if last or self.strip.wants(step):
                portrait = self.trainee.portrait()
                self.tracker.health(step, portrait.health)
                self.strip.add(step, portrait)
            if time.monotonic() - self.drawn > CURVES_SECONDS:
                self.tracker.draw()
                self.drawn = time.monotonic()
        return f"step {step}  validation loss {loss:.5g}{' (best so far)' if improved else ''}"

    def checkpoint(self) -> None:
        """Write a checkpoint of this moment.

        Raises:
            CheckpointError: the disk is full; older checkpoints are intact.
        """
        if self.writes:
            snapshot = self.trainee.snapshot(
                best=self.best,
                validations=self.validations,
                validated=self.validated,
                seconds=self._seconds(),
            )
            keep = self.stage.train.keep_checkpoints
            save_checkpoint(self.folder / "checkpoints", snapshot, keep)
            self._state("running")

    def close(self, status: str) -> str:
        """Make the run folder a model folder, draw the curves, and write the status down."""
        keep_best = self.trainee.task.keep_best and self.best is not None
        if self.writes:
            self.trainee.publish(self.run_dir, self.folder / "best" if keep_best else None)
            self.tracker.draw()
            self._state(status, kept="best" if keep_best else "last")
        self.run.fabric.barrier()
        best = (
            ""
            if self.best is None
            else (f"; best validation {self.best['loss']:.5g} at step {self.best['step']}")
        )
        return f"{status} at step {self.run.step} after {clock(self._seconds())}{best}"

    def _keep_last_good(self, error: TrainingDiverged) -> str | None:
        """Make the newest whole checkpoint the model, and let the error say how to go on."""
        snapshot = load_newest(self.folder / "checkpoints")
        if snapshot is None:
            error.advise("No checkpoint came before it: start again with these changes.")
            return None
        self.trainee.restore(snapshot)
        self.trainee.publish(self.run_dir, None)
        error.advise(
            f"The weights of step {snapshot.step}, the last good checkpoint, are kept as the model "
            f"{self.run_dir}. The same command would meet the same step again: go on from these "
            f"weights in a new folder with such changes, --from {self.run_dir}"
        )
        return f"step {snapshot.step}"

    def _seconds(self) -> float:
        return self.seconds + time.monotonic() - self.started

    def _state(self, status: str, **more: Any) -> None:
        write_state(
            self.folder,
            self.stage,
            status=status,
            step=self.run.step,
            total_steps=self.run.total_steps,
            seconds=round(self._seconds(), 3),
            best=self.best,
            **more,
        )
