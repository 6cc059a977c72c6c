"""How to draw from a model: plain functions over logits, predictions and layouts."""

from .guidance import guide, guide_pair
from .layouts import (
    MISSING,
    OUTSIDE,
    CoarseFirst,
    Delay,
    Flattened,
    Grouped,
    Layout,
    Parallel,
    Reverted,
    batch_steps,
    build,
    first_step,
    num_steps,
    revert,
    revert_logits,
)
from .logits import draw, top_k, top_p

__all__ = [
    "MISSING",
    "OUTSIDE",
    "CoarseFirst",
    "Delay",
    "Flattened",
    "Grouped",
    "Layout",
    "Parallel",
    "Reverted",
    "batch_steps",
    "build",
    "draw",
    "first_step",
    "guide",
    "guide_pair",
    "num_steps",
    "revert",
    "revert_logits",
    "top_k",
    "top_p",
]
