"""Statistics of latents, gathered in one pass and merged exactly across shards.

Continuous streams: mean and sum of squared deviations per dimension, merged pairwise (Chan, Golub
and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979),
which stays accurate where the sum of squares would cancel. Codes: how often each entry occurs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..spec import LatentSpec

__all__ = ["ContinuousStatistics", "DiscreteStatistics", "Gatherer", "Statistics"]


@dataclass(frozen=True, kw_only=True)
class ContinuousStatistics:
    """Moments of every dimension of a continuous stream."""

    count: int
    """Frames."""
    mean: tuple[float, ...]
    """Mean per dimension."""
    squares: tuple[float, ...]
    """Sum of squared deviations from the mean, per dimension."""

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation per dimension (of the population: divided by the count)."""
        return tuple((s / max(self.count, 1)) ** 0.5 for s in self.squares)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation `(D,)`, as `LatentTransform.from_statistics` takes."""
        return torch.tensor(self.mean), torch.tensor(self.std)


@dataclass(frozen=True, kw_only=True)
class DiscreteStatistics:
    """How the entries of every code row are used."""

    usage: tuple[tuple[int, ...], ...]
    """Occurrences of each entry, by row."""

    @property
    def count(self) -> int:
        """Frames."""
        return sum(self.usage[0])

    @property
    def used(self) -> tuple[float, ...]:
        """Share of the entries that occur at all, by row."""
        return tuple(sum(n > 0 for n in row) / len(row) for row in self.usage)

    @property
    def perplexity(self) -> tuple[float, ...]:
        """Exponential of the entropy by row: the number of entries used as if equally often."""
        values = []
        for row in self.usage:
            counts = np.array(row, dtype=np.float64)
            p = counts[counts > 0] / max(counts.sum(), 1)
            values.append(exp(float(-(p * np.log(p)).sum())))
        return tuple(values)


Statistics = ContinuousStatistics | DiscreteStatistics


class Gatherer:
    """Takes in the frames of one stream, block by block, and merges what others gathered."""

    def __init__(self, spec: LatentSpec) -> None:
        self.vocab = spec.vocab
        self.count = 0
        self.mean = np.zeros(spec.dim)
        self.squares = np.zeros(spec.dim)
        self.usage = [np.zeros(size, dtype=np.int64) for size in spec.vocab]

    def add(self, frames: NDArray[Any]) -> None:
        """Take in frames `(F, rows)`."""
        if len(frames) == 0:
            return
        if self.vocab:
            for row, counts in zip(frames.T, self.usage, strict=True):
                counts += np.bincount(row, minlength=len(counts))
            return
        wide = frames.astype(np.float64)
        mean = wide.mean(axis=0)
        self._merge(len(frames), mean, ((wide - mean) ** 2).sum(axis=0))

    def merge(self, other: Gatherer | Statistics) -> None:
        """Take in what was gathered from other frames of the same stream."""
        if isinstance(other, DiscreteStatistics):
            for counts, row in zip(self.usage, other.usage, strict=True):
                counts += np.array(row, dtype=np.int64)
        elif isinstance(other, ContinuousStatistics) or not self.vocab:
            self._merge(other.count, np.array(other.mean), np.array(other.squares))
        else:
            for counts, more in zip(self.usage, other.usage, strict=True):
                counts += more

    def _merge(self, count: int, mean: NDArray[Any], squares: NDArray[Any]) -> None:
        # With d = mean_b - mean_a and n = n_a + n_b: mean = mean_a + d n_b / n, and
        # squares = squares_a + squares_b + d^2 n_a n_b / n.
        if count == 0:
            return
        total, gap = self.count + count, mean - self.mean
        self.mean = self.mean + gap * (count / total)
        self.squares = self.squares + squares + gap**2 * (self.count * count / total)
        self.count = total

    def result(self) -> Statistics:
        """Return what was gathered so far."""
        if self.vocab:
            return DiscreteStatistics(usage=tuple(tuple(row.tolist()) for row in self.usage))
        return ContinuousStatistics(
            count=self.count, mean=tuple(self.mean.tolist()), squares=tuple(self.squares.tolist())
        )
