"""The interval of a share that has a width at 0 and 1, too (Wilson 1927)."""

from __future__ import annotations

import math

from scipy.special import ndtri

__all__ = ["wilson"]


def wilson(share: float, count: float, level: float) -> tuple[float, float]:
    """Ends of the interval of a share of `count` independent draws.

    Solves |p - share| = z sqrt(p (1 - p) / n) for p, so that it stays within [0, 1].

    Args:
        share: what was found, in [0, 1].
        count: draws n, above 0.
        level: how often such intervals hold the truth: 0.95.
    """
    z2 = float(ndtri((1 + level) / 2)) ** 2
    middle = share + z2 / (2 * count)
    reach = math.sqrt(z2 * share * (1 - share) / count + (z2 / (2 * count)) ** 2)
    scale = 1 + z2 / count
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
