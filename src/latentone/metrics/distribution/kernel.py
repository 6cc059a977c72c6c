"""Kernel distance of two sets of features: unbiased, and of no assumed shape.

Chung et al. 2025 (KAD): the squared maximum mean discrepancy of Gretton et al. 2012 with

    k(x, y) = exp(-|x - y|^2 / (2 s^2)),    s the median distance within the reference

Its bandwidth comes from the reference alone, so that generators measured against one reference are
measured by one ruler.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import torch
from torch import Tensor

from .distances import BLOCK, distance_blocks
from .features import check_pair, check_set
from .score import Score

__all__ = ["kernel_distance", "median_distance"]


def kernel_distance(
    reference: Tensor,
    generated: Tensor,
    *,
    bandwidth: float | None = None,
    scale: float = 100.0,
    dtype: torch.dtype = torch.float64,
    block: int = BLOCK,
) -> Score:
    """Unbiased squared MMD with a Gaussian kernel, lower is closer.

    Its mean over samples is 0 for two sets of one distribution, so a value may be below 0; the sets
    need not have more items than dimensions.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        bandwidth: s; `median_distance(reference)` when None.
        scale: of the result; 100 as in KAD.
        dtype: of the distances; fp32 halves the time and costs digits.
        block: distances held at once.

    Raises:
        ValueError: see `check_pair`; also a bandwidth that is not above 0.
    """
    pair = check_pair(reference, generated, dtype=dtype)
    if bandwidth is None:
        bandwidth = median_distance(reference, block=block)
        if not bandwidth:
            raise ValueError(
                "half of the reference's items are equal, which leaves no median distance: give a "
                "`bandwidth`, or leave the copies out"
            )
    if not 0 < bandwidth < float("inf"):
        raise ValueError(f"expected a bandwidth above 0, got {bandwidth}")
    x, y, n, m = pair.reference, pair.generated, *pair.items
    # An item's kernel with itself is 1 and does not belong into an unbiased mean.
    within = [
        (_kernel_sum(z, z, bandwidth, block) - len(z)) / len(z) / (len(z) - 1) for z in (x, y)
    ]
    across = _kernel_sum(x, y, bandwidth, block) / n / m
    return Score(
        value=scale * (within[0] + within[1] - 2 * across),
        items=pair.items,
        settings={"bandwidth": bandwidth, "scale": scale, "dimensions": x.shape[1]},
        details={"within_reference": within[0], "within_generated": within[1], "across": across},
        warnings=pair.warnings,
    )


def median_distance(x: Tensor, *, block: int = BLOCK) -> float:
    """Median Euclidean distance of all pairs in `(N, D)`, the lower one of two; 7 digits.

    Numbers from 0 up sort as their bits do: a first pass counts the upper half of the bits of each
    fp32 distance, a second one the lower half of those that share the median's upper half. So it
    takes two histograms of 65,536 bins, however many pairs there are.

    Raises:
        ValueError: see `check_set`.
    """
    x = check_set(x, "reference")
    x = x - x.mean(0)
    # Every pair appears twice, and every item once with itself, at distance 0.
    rank = len(x) + 2 * ((len(x) * (len(x) - 1) // 2 - 1) // 2)
    upper, rank = _bin_of(rank, (bits >> 16 for bits in _bits(x, block)))
    lower, _ = _bin_of(rank, (b[b >> 16 == upper] & 0xFFFF for b in _bits(x, block)))
    return float(torch.tensor(upper << 16 | lower, dtype=torch.int32).view(torch.float32))


def _bits(x: Tensor, block: int) -> Iterator[Tensor]:
    for _, squares in distance_blocks(x, x, block):
        yield squares.sqrt_().to(torch.float32).view(torch.int32)


def _bin_of(rank: int, values: Iterator[Tensor]) -> tuple[int, int]:
    """Which of 65,536 bins holds the value of this rank, and its rank in there."""
    histograms = (torch.bincount(v.flatten(), minlength=1 << 16) for v in values)
    counts = reduce(torch.add, histograms)
    ends = counts.cumsum(0)
    found = int(torch.searchsorted(ends, rank, right=True))
    return found, rank - int(ends[found] - counts[found])


def _kernel_sum(x: Tensor, y: Tensor, bandwidth: float, block: int) -> float:
    total = 0.0
    for _, squares in distance_blocks(x, y, block):
        total += float(squares.mul_(-0.5 / bandwidth**2).exp_().sum(dtype=torch.float64))
    return total
