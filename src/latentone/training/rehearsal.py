"""A budget in minutes: rehearse a few steps, count how many fit, and start again from the start.

Because the rehearsal is undone, a training of m minutes that came to n steps is the training that
`steps=n` gives, bit for bit.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from .budget import REHEARSAL_STEPS, steps_within, time_steps
from .checkpoint import Snapshot, save_checkpoint
from .trainee import Trainee

__all__ = ["rehearse"]


def rehearse(trainee: Trainee, folder: Path) -> int:
    """Time steps, a validation and a checkpoint; return the total for the budget in minutes.

    Under `torchrun` rank 0's clock decides. The rehearsal runs through all phases of the schedule
    in its 20 steps, and leaves the training as it found it.

    Args:
        trainee: before its first step.
        folder: `training/`, where the checkpoint is tried.
    """
    run, config = trainee.run, trainee.config
    assert config.minutes is not None
    start = time.perf_counter()
    seconds = config.minutes * 60
    before = _copy(trainee.snapshot())
    run.total_steps = REHEARSAL_STEPS
    batches = trainee.batches(0)
    per_step = time_steps(lambda: trainee.step(batches), seconds, run.fabric.broadcast)
    middle = time.perf_counter()
    trainee.validate()
    validation = time.perf_counter() - middle
    middle = time.perf_counter()
    if run.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            save_checkpoint(Path(scratch), trainee.snapshot(), keep=1)
    checkpoint = time.perf_counter() - middle
    trainee.restore(before)
    total = steps_within(
        seconds - (time.perf_counter() - start),
        step=per_step,
        validation=validation,
        validate_every=config.validate_every,
        checkpoint=checkpoint,
        checkpoint_every=config.checkpoint_every,
    )
    return int(run.fabric.broadcast(total))


def _copy(snapshot: Snapshot) -> Snapshot:
    """Copy the tensors of a snapshot, so that training on does not change it."""

    def copy(value: object) -> object:
        if isinstance(value, torch.Tensor):
            return value.detach().clone()
        if isinstance(value, dict):
            return {key: copy(v) for key, v in value.items()}
        if isinstance(value, list):
            return [copy(v) for v in value]
        return value

    fields = {name: copy(value) for name, value in vars(snapshot).items()}
    return Snapshot(**fields)  # type: ignore[arg-type]
