"""What is being trained: a task, its run, its average, its data; and the verbs of one moment."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import atomic_file
from ..data import AudioCrops
from ..hub import CONFIG, WEIGHTS
from .checkpoint import Snapshot, save_tensors
from .ema import WeightAverage
from .loader import TrainingData, preview_batch, training_batches, validation_batches
from .recipe import TrainConfig
from .run import FabricRun
from .task import Batch, Portrait, Preview, Task

__all__ = ["Trainee"]

PREVIEW_ITEMS = 3
PORTRAIT_SECONDS = 3.0
"""Of sound that people listen to; training excerpts are often too short to tell."""


class Trainee:
    """Steps, validates, previews, saves and restores; `fit` decides when.

    Args:
        task: what is trained.
        run: made from the same task.
        config: budget, batch and seeds.
        train: training items.
        valid: held-out items, or None.
    """

    def __init__(
        self,
        task: Task,
        run: FabricRun,
        config: TrainConfig,
        train: TrainingData,
        valid: TrainingData | None,
    ) -> None:
        self.task, self.run, self.config = task, run, config
        self.train, self.valid = train, valid
        self.model_name = next((n for n, m in task.modules.items() if m is task.model), None)
        if self.model_name is None:
            raise ValueError(f"task.model must be one of task.modules ({sorted(task.modules)})")
        averaged = config.ema_decay is not None and task.ema
        decay, power = config.ema_decay or 0.0, config.ema_power
        self.average = WeightAverage(task.model, decay, power) if averaged else None
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)

    def batches(self, first_step: int) -> Iterator[Batch]:
        """The micro-batches from optimiser step `first_step` on, without an end."""
        return training_batches(
            self.train,
            seed=self.config.seed,
            batch_size=self.config.batch_size,
            accumulate=self.config.accumulate,
            first_step=first_step,
            rank=self.run.rank,
            world=self.run.world,
            workers=self.config.workers,
            pin_memory=self.run.device.type == "cuda",
        )

    def step(self, batches: Iterator[Batch]) -> None:
        """Make one optimiser step: all its micro-batches, then the average.

        Raises:
            TrainingDiverged: a loss or gradient is no finite number.
        """
        for micro in range(self.config.accumulate):
            batch = self.run.fabric.to_device(next(batches))
            with self.run.micro_step(micro, batch):
                losses = self.task.step(batch, self.run)
            for name, value in losses.items():
                value = value.detach().float()
                self._sums[name] = self._sums[name] + value if name in self._sums else value
                self._counts[name] += 1
        if self.average is not None:
            self.average.update(self.run.step)
        self.run.step += 1

    def losses(self) -> dict[str, float]:
        """The means of what `task.step` returned since the last call (this rank's part)."""
        means = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        self._sums.clear()
        self._counts.clear()
        return means

    def validate(self) -> dict[str, float]:
        """The means over the fixed validation items, of all ranks; empty without such items.

        Raises:
            ValueError: the task gives no `loss`.
        """
        if self.valid is None:
            return {}
        sums: dict[str, float] = defaultdict(float)
        counts: dict[str, int] = defaultdict(int)
        with self._averaged(), self.run.evaluating():
            parts = validation_batches(
                self.valid,
                items=self.config.validate_items,
                batch_size=self.config.batch_size,
                seed=self.config.seed,
                rank=self.run.rank,
                world=self.run.world,
            )
            for number, (batch, items) in enumerate(parts):
                self.run.seed_validation(number)
                values = self.task.validate(self.run.fabric.to_device(batch), self.run)
                for name, value in values.items():
                    sums[name] += float(value) * items
                    counts[name] += items
        if self.run.world > 1:
            everyone: list[Any] = [None] * self.run.world
            torch.distributed.all_gather_object(everyone, (dict(sums), dict(counts)))
            sums, counts = defaultdict(float), defaultdict(int)
            for other_sums, other_counts in everyone:
                for name, value in other_sums.items():
                    sums[name] += value
                    counts[name] += other_counts[name]
        if "loss" not in sums:
            raise ValueError(f"{type(self.task).__name__}.validate gives no `loss`: {sorted(sums)}")
        return {name: total / counts[name] for name, total in sums.items()}

    def preview(self) -> Preview:
        """What the task shows of the first validation items."""
        if self.valid is None:
            return Preview({}, {})
        with self._averaged(), self.run.evaluating():
            return self.task.preview(self._fixed_batch(self.valid), self.run)

    def portrait(self) -> Portrait:
        """The first validation items, long enough to listen to, as the model has them now."""
        if self.valid is None:
            return Portrait({}, {}, {})
        data = self.valid
        if isinstance(data, AudioCrops):
            data = data.lasting(max(PORTRAIT_SECONDS, data.crop_seconds))
        with self._averaged(), self.run.evaluating():
            return self.task.portrait(self._fixed_batch(data), self.run)

    def _fixed_batch(self, data: TrainingData) -> Batch:
        """The first few validation items, and the chance that goes with them."""
        items, seed = self.config.validate_items, self.config.seed
        batch = preview_batch(data, items=PREVIEW_ITEMS, validated=items, seed=seed)
        self.run.seed_validation(0)
        moved: Batch = self.run.fabric.to_device(batch)
        return moved

    def snapshot(self, **progress: Any) -> Snapshot:
        """All that the training is; the tensors are those in use, not copies."""
        return Snapshot(
            step=self.run.step,
            total_steps=self.run.total_steps,
            modules={name: module.state_dict() for name, module in self.task.modules.items()},
            optimizers={
                name: o.optimizer.state_dict() for name, o in self.run.optimizations.items()
            },
            average=None if self.average is None else self.average.state_dict(),
            progress=progress,
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Be what a snapshot of the same stage was.

        Raises:
            ValueError: it does not fit the task.
        """
        try:
            for name, module in self.task.modules.items():
                module.load_state_dict(snapshot.modules[name], strict=True)
            for name, optimization in self.run.optimizations.items():
                optimization.optimizer.load_state_dict(snapshot.optimizers[name])
        except (KeyError, RuntimeError) as error:
            raise ValueError(
                f"the checkpoint of step {snapshot.step} does not fit this task: {error}"
            ) from error
        if self.average is not None and snapshot.average is not None:
            self.average.load_state_dict(snapshot.average)
        self.run.step = snapshot.step
        self.losses()

    def save_model(self, folder: Path) -> None:
        """Write the model, averaged, as a folder of its own."""
        with self._averaged():
            self.task.model.save_pretrained(folder)

    def publish(self, run_dir: Path, best: Path | None) -> None:
        """Make `run_dir` a model folder; its other contents stay.

        Args:
            run_dir: where `config.json`, `model.safetensors` and `training/NAME.safetensors` go.
            best: the model folder to take instead of the weights at hand.
        """
        # The folder as a whole cannot be swapped, `training/` lives in it: each file is.
        source = best or run_dir / "training" / ".model"
        if best is None:
            self.save_model(source)
        for name in (CONFIG, WEIGHTS):
            with atomic_file(run_dir / name) as partial:
                shutil.copyfile(source / name, partial)
        shutil.rmtree(run_dir / "training" / ".model", ignore_errors=True)
        for name, module in self.task.modules.items():
            if name != self.model_name and (tensors := module.state_dict()):
                with atomic_file(run_dir / "training" / f"{name}.safetensors") as partial:
                    save_tensors(tensors, partial)

    def _averaged(self) -> AbstractContextManager[None]:
        return nullcontext() if self.average is None else self.average.applied()
