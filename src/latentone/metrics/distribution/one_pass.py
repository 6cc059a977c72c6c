"""Kernel distance and manifolds from one pass over all distances, which both are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from .distances import BLOCK, sum_dtype
from .features import check_pair
from .kernel import check_bandwidth, kernel_distance, kernel_score, sum_kernel
from .manifold import manifold_scores, measure_manifold
from .score import Score

__all__ = ["neighbour_scores"]


def neighbour_scores(
    reference: Tensor,
    generated: Tensor,
    *,
    k: int = 5,
    closed: bool = False,
    bandwidth: float | None = None,
    scale: float = 100.0,
    block: int = BLOCK,
) -> dict[str, Score]:
    """`kernel_distance` as `kernel`, and `manifold_scores`, in two thirds of the time of both.

    Takes one pass where both would search in fp32, and asks both one by one elsewhere.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        k: see `manifold_scores`.
        closed: likewise.
        bandwidth: see `kernel_distance`.
        scale: likewise.
        block: distances held at once.

    Raises:
        ValueError: see `kernel_distance` and `manifold_scores`.
    """
    pair = check_pair(reference, generated)
    bandwidth = check_bandwidth(bandwidth, reference, block)
    sizes = [float(z.square().sum(1).mean()) / (2 * bandwidth**2) for z in pair[:2]]
    if sum_dtype(min(pair.items), max(sizes)) == torch.float64:
        kernel = kernel_distance(
            reference, generated, bandwidth=bandwidth, scale=scale, block=block
        )
        return {
            "kernel": kernel,
            **manifold_scores(reference, generated, k=k, closed=closed, block=block),
        }
    sums = dict.fromkeys(("reference", "generated", "across"), 0.0)

    def add(name: str, unit: float, squares: Tensor) -> None:
        sums[name] += sum_kernel(squares, -0.5 * (unit / bandwidth) ** 2)

    manifold = measure_manifold(reference, generated, k=k, closed=closed, block=block, visit=add)
    within = sums["reference"], sums["generated"]
    kernel = kernel_score(pair, (*within, sums["across"]), bandwidth, scale)
    return {"kernel": kernel, **manifold}
