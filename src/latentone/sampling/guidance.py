"""Classifier-free guidance (Ho and Salimans, 2022)."""

from __future__ import annotations

from torch import Tensor

__all__ = ["guide", "guide_pair"]


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Move from the unconditional prediction through the conditional one: `u + scale (c - u)`.

    Scale 0 ignores the condition, 1 is no guidance, more exaggerates it.
    """
    return unconditional + scale * (conditional - unconditional)


def guide_pair(both: Tensor, scale: float) -> Tensor:
    """Guide a batch `(2 B, ...)` computed in one pass: B conditional rows, then B others."""
    conditional, unconditional = both.chunk(2)
    return guide(conditional, unconditional, scale)
