"""Products of a large weight with very few rows: what a language model does at every step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["pack", "skinny_linear"]

ROWS = 4
"""Above so many rows `F.linear` catches up."""
WIDE = 1536
"""Widest input that the BLAS takes by its fast kernel; measured, like all here."""
BLOCK = 512


def skinny_linear(x: Tensor, weight: Tensor) -> Tensor:
    """`x @ weight.T` for a handful of rows, bound by how fast the weight streams from memory.

    The BLAS behind torch on CPU has a fast kernel for a matrix times two columns, which
    `F.linear` never reaches: it asks for two rows times a matrix, at a third of the bandwidth.
    The two columns must lie one after the other in memory, as the rows of a contiguous `x` do.
    One row is doubled, since the matrix-vector kernel is slower too.

    Args:
        x: `(B, in)`.
        weight: `(out, in)`, or what `pack` made of it.

    Returns:
        `(B, out)`, contiguous.
    """
    rows = x.shape[0]
    if weight.dim() == 3:
        parts = x.view(rows, weight.shape[0], -1).permute(1, 0, 2).contiguous()
        return torch.bmm(weight, parts.transpose(1, 2)).sum(0).t().contiguous()
    if not _is_skinny(rows, weight):
        return F.linear(x, weight)
    columns = x.expand(2, -1) if rows == 1 else x
    return (weight @ columns.contiguous().t())[:, :rows].t().contiguous()


def pack(weight: Tensor, rows: int) -> Tensor:
    """Prepare a weight for many calls of `skinny_linear` with `rows` rows.

    A weight `(out, in)` with a wide input misses the fast kernel; cut into blocks of its input
    and stacked as `(blocks, out, in / blocks)` it does not. Others are returned as they are.
    """
    out, width = weight.shape
    if not _is_skinny(rows, weight) or width <= WIDE or width % BLOCK:
        return weight
    return weight.detach().view(out, -1, BLOCK).transpose(0, 1).contiguous()


def _is_skinny(rows: int, weight: Tensor) -> bool:
    return rows <= ROWS and weight.device.type == "cpu" and weight.dtype == torch.float32
