"""Recipes: everything a training needs to know, typed, printable, saved before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from ..data import AugmentConfig, DrawBy
from .task import TaskConfig

__all__ = ["DataConfig", "Recipe", "Stage", "TrainConfig"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How a folder of audio becomes training data."""

    group_by: Literal["auto", "file", "folder"] = "auto"
    """What must not straddle the split; auto reads groups from sidecars, else from names."""
    valid_fraction: float = 0.1
    """Share of the groups held out for validation."""
    test_fraction: float = 0.1
    """Share of the groups held out for the end."""
    seed: int = 0
    """Seed of the split."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and how a task is trained."""

    steps: int | None = None
    """Optimiser steps; or give `minutes`."""
    minutes: float | None = None
    """A time budget, turned into steps once (the first 20 are timed, the total is kept)."""
    batch_size: int = 8
    """Items of one micro-batch on each rank."""
    accumulate: int = 1
    """Micro-batches of one optimiser step."""
    crop_seconds: float = 1.0
    """Length of a training excerpt."""
    draw_by: DrawBy = "moment"
    """What is equally likely to be drawn: a moment of sound; a file, however short it is; or, of
    audio, a folder directly below the data's, and every moment in it."""
    augment: AugmentConfig | None = None
    """How a codec's training excerpts are changed by chance; None leaves them as they are."""
    salient_db: float | None = None
    """Loudness in LUFS below which a codec's training excerpt is drawn again; None takes all."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Arithmetic; spectral losses stay in fp32."""
    ema_decay: float | None = None
    """Average the weights with this decay; None keeps the last ones."""
    ema_power: float | None = None
    """Let the average's decay grow as 1 - (1 + n)^-power up to `ema_decay`; None as (1 + n) /
    (10 + n)."""
    seed: int = 0
    """Decides initial weights, crops and all chance in training."""
    log_every: int = 10
    """Steps between two points of the training curve."""
    validate_every: int = 500
    """Steps between two validations; one more ends the training."""
    validate_items: int = 64
    """Held-out items that are validated, the same excerpts every time; at most all of them."""
    preview_every: int = 4
    """Validations between two previews (sounds and pictures); one more ends the training."""
    checkpoint_every: int = 500
    """Steps between two checkpoints."""
    keep_checkpoints: int = 2
    """Newest checkpoints that stay."""
    workers: int = 0
    """Data loading processes; 0 loads in the training process."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError(f"give steps or minutes, not both: {self.steps=}, {self.minutes=}")
        free = ("draw_by", "precision", "ema_decay", "seed", "workers", "augment", "salient_db")
        for name, value in vars(self).items():
            if name not in free and value is not None:
                if value <= 0:
                    raise ValueError(f"{name} must be positive, got {value}")
        if self.workers < 0:
            raise ValueError(f"workers must be 0 or more, got {self.workers}")
        if self.ema_decay is not None and not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {self.ema_decay}")

    @property
    def of_sound(self) -> list[str]:
        """The settings given that change a codec's excerpts, and that no other stage reads."""
        return [name for name in ("augment", "salient_db") if getattr(self, name) is not None]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training: a task and its budget."""

    task: TaskConfig
    """What is trained."""
    train: TrainConfig
    """How long and how."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole system: codec, generator, data; or an embedding that judges them."""

    system: str
    """Name of its file in `systems/`."""
    size: str
    """debug, small, paper, or a published size."""
    codec: Stage | None = None
    """Step 1; None when the codec is given ready-made."""
    generator: Stage | None = None
    """Step 3; None for a codec alone."""
    embedding: Stage | None = None
    """What is trained where nothing is generated: a classifier, a joint embedding."""
    data: DataConfig = field(default_factory=DataConfig)
    """The split."""

    def __post_init__(self) -> None:
        for name in ("generator", "embedding"):
            stage: Stage | None = getattr(self, name)
            given = [] if stage is None else stage.train.of_sound
            if given:
                raise ValueError(
                    f"{' and '.join(given)} change the excerpts of a codec's training, and the "
                    f"{name} would not hear of it: leave out {name}.train.{given[0]}"
                )

    def within(self, name: str, minutes: float) -> Self:
        """This recipe with a budget of minutes for the stage `name`."""
        stage: Stage = getattr(self, name)
        train = replace(stage.train, steps=None, minutes=minutes)
        changed: dict[str, Any] = {name: replace(stage, train=train)}
        return replace(self, **changed)
