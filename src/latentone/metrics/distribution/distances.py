"""Squared Euclidean distances of every item to every other, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["BLOCK", "distance_blocks"]

BLOCK = 1 << 20
"""Distances held at once: 8 MiB in fp64, which a processor's cache still serves."""


def distance_blocks(x: Tensor, y: Tensor, block: int = BLOCK) -> Iterator[tuple[int, Tensor]]:
    """Squared distances of `x` to `y`, by blocks of rows of `x`.

        |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

    The norms are shrunk by the rounding error of the product, so that items which are equal come
    out at exactly 0 and not at noise of either sign; other distances change by no more than they
    are known. Features should lie around the origin (`check_pair` sees to that).

    Args:
        x: `(N, D)`.
        y: `(M, D)`.
        block: distances held at once; a row is the least.

    Yields:
        Index of the first row, and `(rows, M)` in one buffer that the next block overwrites:
        write to it freely, keep nothing of it.
    """
    shrink = 1 - (4 + x.shape[1] ** 0.5) * torch.finfo(x.dtype).eps
    x_squares, y_squares = (z.square().sum(1).mul_(shrink) for z in (x, y))
    doubled = y.T * -2
    rows = max(1, min(len(x), block // len(y)))
    buffer = x.new_empty(rows, len(y))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        out = torch.mm(part, doubled, out=buffer[: len(part)])
        out.add_(y_squares).add_(x_squares[start : start + rows, None]).clamp_min_(0)
        yield start, out
