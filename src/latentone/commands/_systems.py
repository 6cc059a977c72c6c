"""Named systems, found by the names of their files."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..systems.card import SystemCard
    from ..training.recipe import Recipe

__all__ = ["codec_parameters", "load_card", "load_recipe", "system_names", "trained_stages"]

STAGES = {"codec": "codec (step 1)", "generator": "generator (step 3)", "embedding": "embedding"}


def system_names() -> list[str]:
    """Names of all systems, without importing any."""
    from .. import systems

    found = (module.name for module in pkgutil.iter_modules(systems.__path__))
    return sorted(name for name in found if name != "card" and not name.startswith("_"))


def _load(name: str) -> ModuleType:
    known = system_names()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise ValueError(f"unknown system {name!r}; {hint} (`latentone systems` lists them)")
    return importlib.import_module(f"latentone.systems.{name}")


def load_card(name: str) -> SystemCard:
    """What is to be said of a system.

    Raises:
        ValueError: no system of this name; near names are suggested.
    """
    return _load(name).CARD


def load_recipe(name: str, size: str) -> Recipe:
    """The recipe of a system in a size.

    Raises:
        ValueError: no such system or size.
    """
    recipes = _load(name).RECIPES
    if size not in recipes:
        raise ValueError(f"{name} has no size {size!r}; it has {', '.join(recipes)}")
    return recipes[size]()


def trained_stages(name: str) -> tuple[str, ...]:
    """What the recipes of a system train, with its step, in the order of the steps.

    Raises:
        ValueError: no such system.
    """
    recipes = [make() for make in _load(name).RECIPES.values()]
    found = {stage for recipe in recipes for stage in STAGES if getattr(recipe, stage) is not None}
    return tuple(text for stage, text in STAGES.items() if stage in found)


def codec_parameters(recipe: Recipe) -> int | None:
    """Parameters of the codec that a recipe trains, 0 where it has none; None without a codec.

    It is built without memory for its weights.
    """
    if recipe.codec is None:
        return None
    import torch

    with torch.device("meta"):
        codec = recipe.codec.task.build().model
    return sum(p.numel() for p in codec.parameters())
