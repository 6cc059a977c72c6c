"""Intervals and tests for small numbers of listeners.

Listeners are what is drawn from a population, so they are what is resampled: answers of one
listener resemble each other, and counting each as if it came from another person makes intervals
too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import stats

from ..metrics.distribution.wilson import wilson as share_interval

__all__ = ["bootstrap", "d_prime", "holm", "resample", "signed_rank", "t_interval", "wilson"]

RESAMPLES = 2000
LEVEL = 0.95

Pair = tuple[float, float]


def t_interval(x: np.ndarray, level: float = LEVEL) -> Pair | None:
    """The interval of a mean by Student's t.

    Args:
        x: a value of each listener, `(L,)`.
        level: share of such intervals that hold the mean.

    Returns:
        Its ends, or None for fewer than two listeners.
    """
    if len(x) < 2:
        return None
    half = stats.t.ppf((1 + level) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return float(x.mean() - half), float(x.mean() + half)


def resample(count: int, rng: torch.Generator | None, resamples: int = RESAMPLES) -> np.ndarray:
    """Indices `(resamples, count)` of listeners, drawn with repetition; seed 0 without `rng`."""
    rng = rng or torch.Generator().manual_seed(0)
    return torch.randint(count, (resamples, count), generator=rng).numpy()


def bootstrap(
    x: np.ndarray,
    rng: torch.Generator | None = None,
    *,
    median: bool = False,
    level: float = LEVEL,
) -> Pair | None:
    """The interval of a mean, or median, by percentiles over resampled listeners (Efron 1979).

    Too narrow for fewer than about ten: a resampled mean has (n - 1) / n of the variance that it
    should have, and tails that know of no value beyond those that came.

    Args:
        x: a value of each listener, `(L,)`.
        rng: decides the draws.
        median: instead of the mean.
        level: as in `t_interval`.

    Returns:
        Its ends, or None for fewer than two listeners.
    """
    if len(x) < 2:
        return None
    drawn = x[resample(len(x), rng)]
    values = np.median(drawn, axis=1) if median else drawn.mean(axis=1)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def wilson(hits: float, count: float, level: float = LEVEL) -> Pair | None:
    """The interval of a share `hits / count` (Wilson 1927); None of nothing."""
    return share_interval(hits / count, count, level) if count > 0 else None


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed ranks, exact also with ties.

    Under the null each difference's sign is a toss of a coin, whatever its rank, so the
    distribution of the positive rank sum is the convolution of {0, r} over all ranks r. Ranks of
    tied differences are means, halves at worst: twice them are whole. Differences of zero are
    dropped. With n listeners p is never below 2^(1 - n).

    Args:
        differences: one for each listener, `(L,)`.
    """
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return 1.0
    ranks = np.rint(2 * stats.rankdata(np.abs(nonzero))).astype(int)
    total = int(ranks.sum())
    chance = np.zeros(total + 1)
    chance[0] = 1.0
    for rank in ranks:
        shifted = np.zeros_like(chance)
        shifted[rank:] = chance[: len(chance) - rank]
        chance = (chance + shifted) / 2
    # Symmetric about total / 2: compare doubled distances, which are whole.
    far = np.abs(2 * np.arange(total + 1) - total)
    return float(min(1.0, chance[far >= abs(2 * int(ranks[nonzero > 0].sum()) - total)].sum()))


def holm(p: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests (Holm 1979): the smallest by their number, and so on.

    Whoever calls an adjusted p below 0.05 a finding errs in any of them with 5 % at most.
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, highest = [0.0] * len(p), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = highest
    return adjusted


def d_prime(share: float) -> float:
    """The distance of two sounds in standard deviations of what is heard, from a share in ABX.

    The differencing model (Macmillan and Creelman, *Detection Theory*, 2005): A, B and X are heard
    at normal places around 0, d and one of them, and X is called after the nearer one. X is called
    B when (B - A) (X - (A + B) / 2) > 0. Both factors are normal and independent, of variance 2 and
    3/2, and with X at B they have means d and d / 2, so the answer is right when both are positive
    or both negative:

        share = F(d / sqrt 2) F(d / sqrt 6) + F(-d / sqrt 2) F(-d / sqrt 6)

    with F the normal distribution. 0 for a share of one half or less, infinite for 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0 to 1, got {share:g}")
    if share <= 0.5:
        return 0.0
    if share == 1:
        return float("inf")
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        a, b = middle / np.sqrt(2), middle / np.sqrt(6)
        right = stats.norm.cdf(a) * stats.norm.cdf(b) + stats.norm.cdf(-a) * stats.norm.cdf(-b)
        low, high = (middle, high) if right < share else (low, middle)
    return low
