"""What a number about control, structure, a loop or a note means."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["ControlMetric"]


class ControlMetric(NamedTuple):
    """What a number means, and what limits it."""

    unit: str
    range: str
    better: Literal["higher", "lower", "zero", "reference"]
    """`reference`: neither more nor less is better, only what real music has."""
    about: str
    estimator: str | None = None
    """A key of `latentone.analysis.ESTIMATORS`, whose error bounds the certainty of the number;
    None where nothing is estimated, or where no such error is known."""
