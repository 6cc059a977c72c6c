"""Kernel distance of two sets of features: unbiased, and of no assumed shape.

Chung et al. 2025 (KAD): the squared maximum mean discrepancy of Gretton et al. 2012 with

    k(x, y) = exp(-|x - y|^2 / (2 s^2)),    s the median distance within the reference

Its bandwidth comes from the reference alone, so that generators measured against one reference are
measured by one ruler.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .distances import BLOCK, distance_blocks, pair_blocks, sum_dtype
from .features import Pair, check_pair
from .median import median_distance
from .score import Score

__all__ = ["check_bandwidth", "kernel_distance", "kernel_score", "sum_kernel"]


def kernel_distance(
    reference: Tensor,
    generated: Tensor,
    *,
    bandwidth: float | None = None,
    scale: float = 100.0,
    dtype: torch.dtype | None = None,
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
        dtype: of the distances, sums are fp64. None takes fp64 for fewer than 1,024 items in a set
            or features far wider than s, and fp32 else: a pair is off by about 1e-7 then, to either
            side, and the mean of a million by less than 1e-8 (before `scale`).
        block: distances held at once.

    Raises:
        ValueError: see `check_pair`; also a bandwidth that is not above 0.
    """
    pair = check_pair(reference, generated)
    bandwidth = check_bandwidth(bandwidth, reference, block)
    x, y = (z / (2**0.5 * bandwidth) for z in (pair.reference, pair.generated))
    if dtype is None:
        dtype = sum_dtype(min(pair.items), max(float(z.square().sum(1).mean()) for z in (x, y)))
    x, y = x.to(dtype), y.to(dtype)
    within = _pair_sum(x, block), _pair_sum(y, block)
    return kernel_score(pair, (*within, _cross_sum(x, y, block)), bandwidth, scale)


def check_bandwidth(bandwidth: float | None, reference: Tensor, block: int = BLOCK) -> float:
    """What was given, or the median distance within the reference.

    Args:
        bandwidth: s, or None.
        reference: `(N, D)`.
        block: distances held at once.

    Raises:
        ValueError: a bandwidth that is not above 0.
    """
    if bandwidth is None:
        bandwidth = median_distance(reference, block=block)
        if not bandwidth:
            raise ValueError(
                "half of the reference's items are equal, which leaves no median distance: give a "
                "`bandwidth`, or leave the copies out"
            )
    if not 0 < bandwidth < float("inf"):
        raise ValueError(f"expected a bandwidth above 0, got {bandwidth}")
    return bandwidth


def kernel_score(
    pair: Pair, sums: tuple[float, float, float], bandwidth: float, scale: float
) -> Score:
    """The distance, from sums of the kernel over the pairs in each set and across both.

    An item's kernel with itself is 1 and does not belong into an unbiased mean.
    """
    n, m = pair.items
    within = sums[0] / n / (n - 1), sums[1] / m / (m - 1)
    across = sums[2] / n / m
    return Score(
        value=scale * (within[0] + within[1] - 2 * across),
        items=pair.items,
        settings={
            "bandwidth": bandwidth,
            "scale": scale,
            "dimensions": pair.reference.shape[1],
        },
        details={"within_reference": within[0], "within_generated": within[1], "across": across},
        warnings=pair.warnings,
    )


def _pair_sum(x: Tensor, block: int) -> float:
    """Sum of the kernel over all pairs of different items, both ways."""
    return 2 * sum(sum_kernel(squares) for squares in pair_blocks(x, block))


def _cross_sum(x: Tensor, y: Tensor, block: int) -> float:
    return sum(sum_kernel(squares) for _, squares in distance_blocks(x, y, block, shrink=False))


def sum_kernel(squares: Tensor, factor: float = -1.0) -> float:
    """Sum of `exp(factor * squares)`, which overwrites them; rows are added up in their dtype."""
    return float(squares.mul_(factor).exp_().sum(1).sum(dtype=torch.float64))
