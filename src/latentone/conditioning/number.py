"""A number on a known range: tempo, loudness, brightness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .base import Condition, Conditioner, ConditionerConfig

__all__ = ["NumberConditioner", "NumberConfig"]


@dataclass(frozen=True, kw_only=True)
class NumberConfig(ConditionerConfig):
    """The range and how it is measured out."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    scale: Literal["linear", "log"] = "linear"
    """Log where ratios count, as for tempo and frequency."""
    waves: int = 8
    """Octaves of sines and cosines that describe a value; more resolve finer steps."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low} and {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a log scale needs low > 0, got {self.low}")

    def build(self, dim: int) -> NumberConditioner:
        return NumberConditioner(self, dim)


class NumberConditioner(Conditioner):
    """One vector: sines and cosines of the value's place in its range, and a linear map.

    The slowest wave takes the whole range for half a turn, so that no two values look alike.
    """

    kind = "vector"
    turns: Tensor

    def __init__(self, config: NumberConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        turns = math.pi * 2.0 ** torch.arange(config.waves)
        self.register_buffer("turns", turns, persistent=False)
        self.project = nn.Linear(2 * config.waves, dim)
        self.null = nn.Parameter(torch.zeros(dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        values = [0.0 if value is None else self._place(value) for value in raw]
        present = torch.tensor([value is not None for value in raw], dtype=torch.bool)
        return {"place": torch.tensor(values, dtype=torch.float32), "present": present}

    def _place(self, value: Any) -> float:
        low, high = self.config.low, self.config.high
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"expected a number from {low:g} to {high:g}, got {value!r}") from None
        if not low <= number <= high:
            raise ValueError(f"{number:g} is outside of {low:g} to {high:g}")
        if self.config.scale == "log":
            return math.log(number / low) / math.log(high / low)
        return (number - low) / (high - low)

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        angle = prepared["place"][:, None] * self.turns
        waves = torch.cat([angle.cos(), angle.sin()], dim=1).to(self.null.dtype)
        present = prepared["present"]
        value = torch.where(present[:, None], self.project(waves), self.null)
        return Condition(value, present)
