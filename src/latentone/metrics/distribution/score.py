"""One number about two sets, with everything needed to know what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Interval", "Score"]


class Interval(NamedTuple):
    """Where a value would fall if other tracks had been drawn."""

    low: float
    high: float
    level: float
    """Share of such intervals that hold the value, nominally: 0.95."""
    resamples: int
    groups: tuple[int, int]
    """Tracks of the reference and of the generated set that were resampled; 0 = held fixed."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A metric's value and how it came about."""

    value: float
    items: tuple[int, int]
    """Items of the reference (0 where there is none) and of the generated set."""
    settings: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    """What has to be equal for two values to be comparable, apart from the embedding."""
    details: Mapping[str, float] = field(default_factory=dict)
    """Other numbers that fell out on the way."""
    warnings: tuple[str, ...] = ()
    """What weakens the value, and what to do about it; empty when all is well."""
    bounds: tuple[float | None, float | None] = (None, None)
    """Least and greatest value that there can be; None where there is no end."""
    share_of: int | None = None
    """Of how many items or bins the value is a share; None for what is no share."""
    interval: Interval | None = None

    def cut(self, low: float, high: float) -> tuple[float, float]:
        """Ends of an interval, cut where values end, but never off the value itself, which rounding
        may put beyond."""
        least, most = self.bounds
        low = low if least is None else max(low, least)
        high = high if most is None else min(high, most)
        return min(low, self.value), max(high, self.value)
