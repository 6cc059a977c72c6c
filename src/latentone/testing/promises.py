"""A broken promise is an `AssertionError` that names it."""

from __future__ import annotations

from torch import Tensor

__all__ = ["require", "require_close"]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def require_close(got: Tensor, expected: Tensor, tolerance: float, message: str) -> None:
    require(
        got.shape == expected.shape, f"{message}: {tuple(got.shape)}, not {tuple(expected.shape)}"
    )
    worst = (got - expected).abs().max().item() / max(expected.abs().max().item(), 1e-12)
    require(worst <= tolerance, f"{message} by {worst:.1e} of the largest value")
