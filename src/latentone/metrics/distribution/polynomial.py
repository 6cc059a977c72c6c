"""Kernel inception distance: a maximum mean discrepancy that sees the first moments of features.

Binkowski et al. 2018 (KID): the unbiased squared discrepancy of Gretton et al. 2012 with

    k(x, y) = (x.y / D + 1)^3

Differs: over all pairs instead of a mean over random subsets, which has the same expectation and
varies more. Unlike the Gaussian kernel it has no bandwidth, and depends on the origin and the scale
of the features: it compares for one embedding only, as it comes.
"""

from __future__ import annotations

from torch import Tensor

from .distances import BLOCK
from .features import check_pair
from .score import Score

__all__ = ["kernel_inception_distance"]


def kernel_inception_distance(
    reference: Tensor, generated: Tensor, *, degree: int = 3, block: int = BLOCK
) -> Score:
    """Unbiased squared MMD with a polynomial kernel, lower is closer.

    Its mean over samples is 0 for two sets of one distribution, so a value may be below 0. A degree
    d sees the moments up to the d-th and no others.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        degree: of the polynomial.
        block: products held at once.

    Raises:
        ValueError: see `check_pair`; also a degree below 1.
    """
    if degree < 1:
        raise ValueError(f"expected a polynomial of degree 1 or more, got {degree}")
    pair = check_pair(reference, generated, centre=False)
    n, m = pair.items
    x, y = (z / z.shape[1] ** 0.5 for z in (pair.reference, pair.generated))
    within = [
        (_sum(z, z, degree, block) - float((z.square().sum(1) + 1).pow(degree).sum()))
        / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    across = _sum(x, y, degree, block) / (n * m)
    return Score(
        value=within[0] + within[1] - 2 * across,
        items=pair.items,
        settings={"degree": degree, "dimensions": x.shape[1]},
        details={"within_reference": within[0], "within_generated": within[1], "across": across},
        warnings=pair.warnings,
    )


def _sum(x: Tensor, y: Tensor, degree: int, block: int) -> float:
    """Sum of the kernel over all pairs."""
    parts = x.split(max(1, block // len(y)))
    return sum(float((part @ y.T).add_(1).pow_(degree).sum()) for part in parts)
