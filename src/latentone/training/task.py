"""What is trained, and how one step goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from ..audio import Audio
from ..conditioning import FramesConfig
from ..hub import PretrainedModel
from ..spec import LatentSpec

__all__ = ["Batch", "Optimization", "Portrait", "Preview", "Run", "Task", "TaskConfig"]

Batch = dict[str, Any]
"""`{"latents" | "codes" | "x", "lengths", "conditions": {name: prepared}, "ids"}`."""


class Run(Protocol):
    """The trainer as a task sees it."""

    step: int
    """Optimiser steps done, from 0."""
    total_steps: int
    rank: int
    world: int
    rng: torch.Generator
    """Chance inside a step: seeded anew from (seed, step, micro-batch, rank) before each call."""
    device: torch.device

    def module(self, name: str) -> nn.Module:
        """The module `name` of the task, wrapped for devices and DDP: call it, not the bare one.

        During validation and preview it is the bare module, in eval mode, average applied.
        """
        ...

    def frozen(self, name: str) -> Callable[..., Any]:
        """The module `name` as a fixed function: gradients reach its input, never its weights.

        For the generator's half of a GAN step, and for whatever is differentiated with
        `torch.autograd.grad` alone: DDP must see one backward for each forward of `module(name)`.
        """
        ...

    def backward(self, loss: Tensor) -> None:
        """Back-propagate a scalar, scaled for accumulation."""
        ...

    def optimize(self, name: str) -> None:
        """Clip and step optimiser `name` and its schedule, then zero its gradients.

        On all but the last micro-batch of an accumulated step it does nothing.
        """
        ...


class Optimization(NamedTuple):
    """One optimiser of a task."""

    optimizer: torch.optim.Optimizer
    module: str
    """Name of the module in `Task.modules` whose parameters it owns."""
    clip: float | None = None
    """Largest gradient norm."""
    schedule: Any = None
    """`(step, total_steps) -> factor` on the learning rate, or None."""


class Preview(NamedTuple):
    """What the tracker shows of the fixed validation batch."""

    audio: dict[str, Audio]
    """Players by name; each also gets a spectrogram."""
    images: dict[str, Tensor]
    """`(H, W)` or `(3, H, W)` in [0, 1]."""


class Portrait(NamedTuple):
    """What the report shows of one moment of a training: sounds to compare, numbers inside."""

    originals: dict[str, Audio]
    """Held-out sounds by name, the same at every moment."""
    sounds: dict[str, Audio]
    """What the model makes of them now, by the same names."""
    health: dict[str, Any]
    """JSON values that are more than scalars, see `codec_insides`."""


class Task(ABC):
    """Owns the modules of one training and one visible step. All state lives in `modules`."""

    modules: dict[str, nn.Module]
    """By name; buffers of these (balancer averages, codebooks) are what a checkpoint keeps."""
    model: PretrainedModel
    """The module that is kept in the end; also one of `modules`."""
    ema: bool = True
    """Whether an average of `model` may stand in for it."""
    keep_best: bool = False
    """Whether the weights of the best validation, not the last ones, become the model."""

    @abstractmethod
    def optimizers(self) -> dict[str, Optimization]:
        """The optimisers by name, made afresh."""

    @abstractmethod
    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        """One (micro-)step: forward, `run.backward`, `run.optimize`; returns scalars to log."""

    @abstractmethod
    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        """Means over one validation batch, without gradients; `loss` decides what is best.

        Ranks validate different numbers of batches: no collectives here.
        """

    def preview(self, batch: Batch, run: Run) -> Preview:
        """Sounds and pictures of the fixed validation batch."""
        return Preview({}, {})

    def portrait(self, batch: Batch, run: Run) -> Portrait:
        """The same held-out sounds as the model has them now, and what cannot be a curve."""
        return Portrait({}, {}, {})


@dataclass(frozen=True, kw_only=True)
class TaskConfig(ABC):
    """The settings of a task: its model's config, losses, optimisers."""

    @abstractmethod
    def build(self, pretrained: Path | None = None) -> Task:
        """Make the task with fresh weights, or from a model folder to fine-tune.

        A folder `training/` inside it gives the discriminator and other training modules.
        """

    def conditions(self) -> Mapping[str, str]:
        """Condition name -> metadata field that the data pipeline shall prepare."""
        return {}

    def maps(self) -> Mapping[str, FramesConfig]:
        """Stream name -> what step 2 shall measure beside the latents for this task."""
        return {}

    def open_conditions(self) -> Mapping[str, str]:
        """Condition name -> field of the items that its settings depend on."""
        return {}

    def learned(self, raw: Mapping[str, Sequence[Any]]) -> Self:
        """These settings for the raw values of the open conditions, one for each item."""
        return self

    def fitted(self, latent: LatentSpec, crop_frames: int) -> Self:
        """These settings for the latents of a store, in training excerpts of `crop_frames`."""
        return self
