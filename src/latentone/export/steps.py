"""Streams whose state is one tensor: what a host that knows no lists can keep between blocks."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from ..nn.streaming import Streamable

__all__ = ["FlatStream"]


class FlatStream:
    """A stream whose state is a tensor `(B, N)`, one row for each row of the batch.

    Args:
        stream: what computes.
    """

    def __init__(self, stream: Streamable) -> None:
        self.stream, self.chunk = stream, stream.chunk
        one, two = (stream.initial_state(batch) for batch in (1, 2))
        # Where a state keeps its batch: the only axis that is longer for a larger batch.
        self.axes = [
            next(i for i, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if m != n)
            for a, b in zip(one, two, strict=True)
        ]
        self.shapes = [
            tuple(tensor.movedim(axis, 0).shape[1:])
            for tensor, axis in zip(one, self.axes, strict=True)
        ]

    def initial_state(self, batch: int) -> Tensor:
        """State before the first step `(B, N)`."""
        return self._flatten(self.stream.initial_state(batch), torch.zeros(batch, 0))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run a step from a state to the next."""
        parts, start = [], 0
        for shape, axis in zip(self.shapes, self.axes, strict=True):
            part = state[:, start : start + prod(shape)]
            parts.append(part.reshape(state.shape[0], *shape).movedim(0, axis))
            start += prod(shape)
        y, parts = self.stream.step(x, parts)
        return y, self._flatten(parts, state)

    def _flatten(self, parts: list[Tensor], empty: Tensor) -> Tensor:
        rows = [
            part.movedim(axis, 0).flatten(1) for part, axis in zip(parts, self.axes, strict=True)
        ]
        return torch.cat(rows, dim=1) if rows else empty
