"""Training: tasks, recipes and the one loop, `fit`."""

from __future__ import annotations

from .checkpoint import CheckpointError
from .fit import fit
from .recipe import DataConfig, Recipe, Stage, TrainConfig
from .resume import ResumeError
from .run import TrainingDiverged
from .signals import Interrupted
from .task import Batch, Optimization, Portrait, Preview, Run, Task, TaskConfig

__all__ = [
    "Batch",
    "CheckpointError",
    "DataConfig",
    "Interrupted",
    "Optimization",
    "Portrait",
    "Preview",
    "Recipe",
    "ResumeError",
    "Run",
    "Stage",
    "Task",
    "TaskConfig",
    "TrainConfig",
    "TrainingDiverged",
    "fit",
]
