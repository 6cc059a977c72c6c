"""The training loop, on Lightning Fabric: the same on a laptop and under `torchrun`.

    run_dir/
        config.json, model.safetensors    the trained model (averaged weights where there are any)
        training/
            state.json                    status, total steps, settings, best validation
            checkpoints/step_N/           rotated; training goes on from the newest whole one
            best/                         the model of the best validation
            NAME.safetensors              the other modules (a discriminator), for fine-tuning
            strip/                        the same held-out sounds at a few steps
            metrics.jsonl curves.png tensorboard/

The model is that of the last step, unless its task says `keep_best`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .chance import seed_everything
from .checkpoint import load_newest
from .devices import make_fabric
from .ledger import Ledger
from .loader import TrainingData
from .progress import TrainingProgress
from .recipe import Stage
from .rehearsal import rehearse
from .resume import is_finished, read_state, require_same_stage, saved_total
from .run import FabricRun
from .signals import Interrupted, StopRequest
from .task import Task
from .trainee import Trainee

__all__ = ["fit"]


def fit(
    stage: Stage,
    run_dir: str | Path,
    train: TrainingData,
    valid: TrainingData | None = None,
    *,
    task: Task | None = None,
    device: str = "auto",
    resume: bool = True,
    progress: bool = True,
) -> Path:
    """Train `stage` into `run_dir`, going on where an earlier call stopped.

    Repeating a finished training returns at once. Under `torchrun` all processes call it alike.

    Args:
        stage: what is trained and how long.
        run_dir: becomes a model folder with a `training/` folder inside.
        train: the training items.
        valid: held-out items; None or empty trains without validation.
        task: made by the caller (after `seed_everything(stage.train.seed)`); default
            `stage.task.build()`.
        device: auto, cpu, cuda, cuda:N or mps.
        resume: False removes what was trained there before.
        progress: whether to show it on stderr.

    Returns:
        `run_dir`.

    Raises:
        ResumeError: the folder holds a training with other settings.
        TrainingDiverged: a loss or gradient is no finite number; step and items are named, and
            the last good checkpoint has become the model.
        CheckpointError: the disk is full; older checkpoints are intact.
        Interrupted: by Ctrl-C or SIGTERM, after a checkpoint.
    """
    run_dir, config = Path(run_dir), stage.train
    folder = run_dir / "training"
    state = read_state(folder) if resume else None
    if state is not None:
        require_same_stage(state, stage, run_dir)
        if is_finished(state, stage):
            return run_dir

    # Devices, modules, data, and where an earlier training stopped
    fabric = make_fabric(device, config.precision)
    if not resume and fabric.global_rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    seed_everything(config.seed)
    task = task or stage.task.build()
    run = FabricRun(fabric, task, seed=config.seed, accumulate=config.accumulate)
    valid = valid if valid is not None and len(valid) else None
    trainee = Trainee(task, run, config, train, valid)
    snapshot = load_newest(folder / "checkpoints")
    if snapshot is not None:
        trainee.restore(snapshot)
    if state is not None:
        run.total_steps = saved_total(state, stage)
    elif snapshot is not None:
        run.total_steps = config.steps or snapshot.total_steps
    else:
        run.total_steps = config.steps or rehearse(trainee, folder)

    # The loop
    with (
        Ledger(stage, run_dir, trainee, snapshot) as ledger,
        TrainingProgress(
            run_dir.name, run.total_steps, run.step, shown=progress and run.rank == 0
        ) as shown,
        StopRequest() as stop,
    ):
        shown.say(_opening(run, resumed=snapshot is not None))
        batches, stopping = trainee.batches(run.step), False
        while run.step < run.total_steps:
            trainee.step(batches)
            last = run.step == run.total_steps
            if run.step % config.log_every == 0 or last:
                shown.show(ledger.losses())
            shown.advance(run.step)
            if run.step % config.validate_every == 0 or last:
                shown.say(ledger.validation(trainee.validate(), last=last))
            stopping = stop.on_any_rank(fabric)
            if run.step % config.checkpoint_every == 0 or last or stopping:
                ledger.checkpoint()
            if stopping:
                break
        shown.say(ledger.close("finished" if run.step == run.total_steps else "interrupted"))
        if stopping:
            raise Interrupted(
                f"stopped by {stop.name or 'another process'} at step {run.step} of "
                f"{run.total_steps}; the same command goes on from there"
            )
    return run_dir


def _opening(run: FabricRun, *, resumed: bool) -> str:
    where = f"{run.device}" + (f" x {run.world}" if run.world > 1 else "")
    start = f"going on at step {run.step} of" if resumed else "training for"
    return f"{start} {run.total_steps} steps on {where}"
