"""Products of a large weight with very few rows: what a language model does at every step.

They are bound by how fast the weight streams from memory, and which call of the BLAS streams it
best depends on the processor: for two rows, `F.linear` ran at a third of the bandwidth of
`weight @ columns` on one, and at 1.6 times of it on another. So each process measures once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pack", "skinny_linear"]

Way = Literal["linear", "columns", "vector"]

ROWS = 4
"""Above so many rows `F.linear` is best everywhere."""
SMALL = 2**18
"""Weights of fewer elements stay in a cache: `F.linear` will do."""
WIDE = 1536
"""Widest input that the BLAS multiplies with columns by its fast kernel."""
BLOCK = 512
MARGIN = 1.15
"""So much faster must another way be: near ties stay with `F.linear`, so that two processes on one
machine round alike."""


def skinny_linear(x: Tensor, weight: Tensor) -> Tensor:
    """`x @ weight.T` for a handful of rows, the fastest way on this machine.

    Args:
        x: `(B, in)`.
        weight: `(out, in)`, or what `pack` made of it.

    Returns:
        `(B, out)`, contiguous.
    """
    if weight.dim() == 3:
        parts = x.view(x.shape[0], weight.shape[0], -1).permute(1, 0, 2).contiguous()
        return torch.bmm(weight, parts.transpose(1, 2)).sum(0).t().contiguous()
    return WAYS[_way(x.shape[0], weight)](x, weight)


def pack(weight: Tensor, rows: int) -> Tensor:
    """Prepare a weight for many calls of `skinny_linear` with `rows` rows.

    A weight `(out, in)` with a wide input misses the fast kernel for columns; cut into blocks of
    its input and stacked as `(blocks, out, in / blocks)` it does not. Others are returned as they
    are.
    """
    out, width = weight.shape
    if width <= WIDE or width % BLOCK or _way(rows, weight) != "columns":
        return weight
    return weight.detach().view(out, -1, BLOCK).transpose(0, 1).contiguous()


def _columns(x: Tensor, weight: Tensor) -> Tensor:
    """A matrix times two or more columns, which must lie one after the other in memory."""
    rows = x.shape[0]
    columns = x.expand(2, -1) if rows == 1 else x
    return (weight @ columns.contiguous().t())[:, :rows].t().contiguous()


def _vector(x: Tensor, weight: Tensor) -> Tensor:
    return torch.mv(weight, x[0])[None]


WAYS: dict[Way, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": F.linear,
    "columns": _columns,
    "vector": _vector,
}


def _way(rows: int, weight: Tensor) -> Way:
    skinny = rows <= ROWS and weight.numel() >= SMALL
    if not skinny or weight.device.type != "cpu" or weight.dtype != torch.float32:
        return "linear"
    return fastest(rows, torch.get_num_threads())


@lru_cache
def fastest(rows: int, threads: int) -> Way:
    """The fastest way for so many rows, measured in some 100 ms on weights beyond the caches."""
    weights = [torch.full((4096, 1024), 0.01) for _ in range(4)]
    x = torch.ones(rows, 1024)
    ways: tuple[Way, ...] = ("linear", "columns", "vector") if rows == 1 else ("linear", "columns")
    seconds = dict.fromkeys(ways, float("inf"))
    with torch.inference_mode():
        for _ in range(4):
            for way in ways:
                start = time.perf_counter()
                for weight in weights:
                    WAYS[way](x, weight)
                seconds[way] = min(seconds[way], time.perf_counter() - start)
    best = min(ways, key=seconds.__getitem__)
    return best if seconds["linear"] > MARGIN * seconds[best] else "linear"
