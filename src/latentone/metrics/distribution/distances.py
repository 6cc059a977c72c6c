"""Squared Euclidean distances of every item to every other, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = [
    "BLOCK",
    "distance_blocks",
    "distances_of",
    "pair_blocks",
    "search_dtype",
    "sum_dtype",
]

BLOCK = 1 << 20
"""Distances held at once: 8 MiB in fp64, which a processor's cache still serves."""
MOST_ROWS = 256
"""Rows of a block of pairs: half of the square where it meets itself is wasted."""

MANY, WIDEST = 1 << 10, 10.0
"""Items from which on, and mean square of features, in squares of the distance that matters, up to
which fp32 serves sums over all pairs."""


def distance_blocks(
    x: Tensor, y: Tensor, block: int = BLOCK, *, shrink: bool = True
) -> Iterator[tuple[int, Tensor]]:
    """Squared distances of `x` to `y`, by blocks of rows of `x`.

        |x - y|^2 = |x|^2 + |y|^2 - 2 x.y

    The norms may be shrunk by the rounding error of the product, so that items which are equal come
    out at exactly 0 and not at noise of either sign; other distances change by no more than they
    are known. Features should lie around the origin (`check_pair` sees to that).

    Args:
        x: `(N, D)`.
        y: `(M, D)`.
        block: distances held at once; a row is the least.
        shrink: see above; what adds up many distances is better off without.

    Yields:
        Index of the first row, and `(rows, M)` in one buffer that the next block overwrites:
        write to it freely, keep nothing of it.
    """
    x_squares, y_squares = (z.square().sum(1, dtype=torch.float64) for z in (x, y))
    if shrink:
        factor = 1 - (4 + x.shape[1] ** 0.5) * torch.finfo(x.dtype).eps
        x_squares, y_squares = x_squares * factor, y_squares * factor
    x_squares, y_squares = x_squares.to(x.dtype), y_squares.to(x.dtype)
    doubled = y.T * -2
    rows = max(1, min(len(x), block // len(y)))
    buffer = x.new_empty(rows, len(y))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        out = torch.mm(part, doubled, out=buffer[: len(part)])
        out.add_(y_squares).add_(x_squares[start : start + rows, None]).clamp_min_(0)
        yield start, out


def pair_blocks(x: Tensor, block: int = BLOCK) -> Iterator[Tensor]:
    """Squared distances within `x`, every pair once: half of the work of `distance_blocks`.

    Args:
        x: `(N, D)`.
        block: distances held at once; a row is the least.

    Yields:
        `(rows, N - start)` in one buffer, as above: items from `start` on against all that follow.
        Where an item meets itself, or a pair comes again, there is infinity.
    """
    squares, doubled = x.square().sum(1, dtype=torch.float64).to(x.dtype), x.T * -2
    buffer = x.new_empty(max(block, len(x)))
    again = torch.ones(MOST_ROWS, MOST_ROWS, dtype=torch.bool, device=x.device).tril()
    start = 0
    while start < len(x) - 1:
        width = len(x) - start
        rows = max(1, min(MOST_ROWS, block // width, width))
        out = buffer[: rows * width].view(rows, width)
        torch.mm(x[start : start + rows], doubled[:, start:], out=out)
        out.add_(squares[start:]).add_(squares[start : start + rows, None]).clamp_min_(0)
        out[:, :rows].masked_fill_(again[:rows, :rows], float("inf"))
        yield out
        start += rows


def distances_of(x: Tensor, y: Tensor, i: Tensor, j: Tensor, block: int = BLOCK) -> Tensor:
    """Squared distances of the pairs `x[i], y[j]`, `(P,)`, from their differences.

    Nothing cancels, and a pair gets the same bits whatever it is asked for with: ties are ties.
    """
    step = max(1, block // x.shape[1])
    parts = zip(i.split(step), j.split(step), strict=True)
    return torch.cat([(x[a] - y[b]).square_().sum(1) for a, b in parts])


def search_dtype() -> torch.dtype:
    """fp32, unless its products were allowed to be of less than fp32."""
    full = torch.get_float32_matmul_precision() == "highest"
    return torch.float32 if full else torch.float64


def sum_dtype(items: int, size: float) -> torch.dtype:
    """In what to work out distances of which all pairs are added up or ranked.

    A squared distance in fp32 is off by about 1e-7 of `|x|^2 + |y|^2`, to either side. Over a
    million pairs that is averaged away, unless the features are far larger than what is measured.

    Args:
        items: in the smaller set.
        size: mean square of an item, in squares of the distance that matters.
    """
    return search_dtype() if items >= MANY and size <= WIDEST else torch.float64
