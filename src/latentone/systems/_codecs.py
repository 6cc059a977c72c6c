"""What the codec systems share: budgets of the two sizes that are ours, and recipes by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ..training.recipe import Recipe, Stage, TrainConfig

__all__ = ["codec_recipes", "debug_train", "small_train"]


def debug_train(steps: int, crop_seconds: float = 0.5) -> TrainConfig:
    """Seconds on two CPU cores, with two validations and two checkpoints: for tests."""
    return TrainConfig(
        steps=steps,
        batch_size=4,
        crop_seconds=crop_seconds,
        log_every=2,
        validate_every=6,
        validate_items=8,
        checkpoint_every=6,
    )


def small_train(minutes: float, crop_seconds: float = 0.25) -> TrainConfig:
    """A laptop's budget: short crops buy more steps (docs/systems/encodec.md)."""
    return TrainConfig(
        minutes=minutes,
        batch_size=4,
        crop_seconds=crop_seconds,
        validate_every=250,
        checkpoint_every=250,
    )


def codec_recipes(
    system: str, stages: Mapping[str, Callable[[], Stage]]
) -> dict[str, Callable[[], Recipe]]:
    """Recipes of a system that is a codec alone, from its stage in each size."""

    def recipe(size: str) -> Recipe:
        return Recipe(system=system, size=size, codec=stages[size]())

    return {size: partial(recipe, size) for size in stages}
