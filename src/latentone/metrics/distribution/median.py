"""Median distance of all pairs: the ruler of the kernel distance."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .distances import BLOCK, distances_of, pair_blocks, sum_dtype
from .features import check_set

__all__ = ["median_distance"]

SAMPLE = 1 << 14
BINS = 1 << 20
LARGEST = 0x7F7FFFFF
"""Bits of the largest fp32 number; those of infinity follow."""


def median_distance(x: Tensor, *, block: int = BLOCK) -> float:
    """Median Euclidean distance of all pairs in `(N, D)`, the lower one of two.

    To 6 digits, unless it is below a ten-thousandth of how far items lie from their mean.

    Numbers from 0 up sort as their bits do, so a square in fp32 is an integer whose place among all
    is counted. A sample of pairs says between which two integers the median almost surely lies: one
    pass counts those below and has a bin for each between. When the median lies elsewhere, or the
    bins had to be wide, another pass looks there. So memory does not grow with the pairs.

    Raises:
        ValueError: see `check_set`.
    """
    x = check_set(x, "reference")
    x = x - x.mean(0)
    # A power of two takes no digits, and keeps squares within the range of fp32.
    scale = 2.0 ** max(math.frexp(float(x.abs().max()))[1], -1000)
    x = x / scale
    size = float(x.square().sum(1).mean())
    dtype = sum_dtype(len(x), size)
    median = _median_square(x.to(dtype), block)
    # Far less than the features' size, and what the product rounds away would matter.
    if dtype != torch.float64 and sum_dtype(len(x), size / max(median, 1e-30)) == torch.float64:
        median = _median_square(x, block)
    return scale * median**0.5


def _median_square(x: Tensor, block: int) -> float:
    rank = (len(x) * (len(x) - 1) // 2 - 1) // 2
    low, high = _bracket(x, block)
    while True:
        width = max(0, (high - low).bit_length() - BINS.bit_length() + 1)
        below, counts = _count(x, low, high, width, block)
        ends = counts.cumsum(0)
        if not 0 <= rank - below < int(ends[-1]):
            low, high = 0, LARGEST
            continue
        low += int(torch.searchsorted(ends, rank - below, right=True)) << width
        if not width:
            return float(torch.tensor(low, dtype=torch.int32).view(torch.float32))
        high = low + (1 << width) - 1


def _bracket(x: Tensor, block: int) -> tuple[int, int]:
    """Between which bits the median of all squares lies, but for one set in a million."""
    rng = torch.Generator().manual_seed(0)
    first = torch.randint(len(x), (SAMPLE,), generator=rng)
    second = (first + torch.randint(1, len(x), (SAMPLE,), generator=rng)) % len(x)
    first, second = first.to(x.device), second.to(x.device)
    squares = distances_of(x, x, first, second, block).to(torch.float32).sort().values
    # The place of the median in a sample of S has a standard deviation of sqrt(S) / 2.
    reach = int(2.5 * SAMPLE**0.5)
    ends = squares[[SAMPLE // 2 - reach, SAMPLE // 2 + reach]].view(torch.int32).tolist()
    return ends[0], ends[1]


def _count(x: Tensor, low: int, high: int, width: int, block: int) -> tuple[int, Tensor]:
    """How many squares have bits below `low`, and those up to `high` in bins of `2^width`."""
    below = 0
    counts = torch.zeros(((high - low) >> width) + 1, dtype=torch.int64, device=x.device)
    for squares in pair_blocks(x, block):
        offsets = squares.to(torch.float32).view(torch.int32).flatten() - low
        below += int((offsets < 0).sum())
        found = offsets[(offsets >= 0) & (offsets <= high - low)] >> width
        counts += torch.bincount(found, minlength=len(counts))
    return below, counts
