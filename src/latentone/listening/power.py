"""How many listeners a finding needs."""

from __future__ import annotations

import numpy as np
from scipy import stats

__all__ = [
    "answers_for_preference",
    "listeners_for_difference",
    "power_tables",
    "preference_power",
]

ALPHA = 0.05
POWER = 0.8
MOST = 10_000


def preference_power(share: float, count: int, *, one_sided: bool = False) -> float:
    """The chance that a binomial test at 5 % finds a preference.

    Args:
        share: of answers that go to one side, in truth.
        count: independent answers without a tie.
        one_sided: as for ABX, where fewer right answers than by guessing are no finding.
    """
    hits = np.arange(count + 1)
    # A fair coin is symmetric: two-sided, the tail beyond what came counts twice.
    tail = hits if one_sided else np.maximum(hits, count - hits)
    p = stats.binom.sf(tail - 1, count, 0.5) * (1 if one_sided else 2)
    return float(stats.binom.pmf(hits, count, share)[p <= ALPHA].sum())


def answers_for_preference(share: float, *, power: float = POWER, one_sided: bool = False) -> int:
    """The number of answers from which on power never falls below what is wanted.

    Power of an exact test is a saw: an answer more may lower it. The last tooth below counts.

    Raises:
        ValueError: no preference, or one so small that ten thousand answers would not do.
    """
    if not 0.5 < share < 1:
        raise ValueError(f"expected a share above one half and below 1, got {share:g}")
    # Twice the normal approximation is beyond the last tooth.
    z = stats.norm.ppf(1 - ALPHA / (1 if one_sided else 2)) + stats.norm.ppf(power)
    most = int(2 * (z / (2 * share - 1)) ** 2) + 30
    if most > MOST:
        raise ValueError(f"a share of {share:g} is too near to one half for a listening test")
    count = most
    while preference_power(share, count - 1, one_sided=one_sided) >= power:
        count -= 1
    return count


def listeners_for_difference(
    points: float, spread: float, *, power: float = POWER, comparisons: int = 1
) -> int:
    """Listeners of whom a paired t-test finds a difference of mean ratings.

    The statistic has a noncentral t distribution, of n - 1 degrees of freedom and centre
    points / spread * sqrt n. Signed ranks need 5 % more (their efficiency is 3 / pi for normal
    differences), and 6 listeners at the least.

    Args:
        points: the difference in truth, on the scale from 0 to 100.
        spread: standard deviation, over listeners, of that difference.
        power: the chance to find it.
        comparisons: tests that share the 5 % (Bonferroni, the first step of Holm).

    Raises:
        ValueError: no difference, no spread, or too small a difference for ten thousand.
    """
    if not points > 0 or not spread > 0:
        raise ValueError(f"expected points and spread above 0, got {points:g} and {spread:g}")

    def finds(count: int) -> bool:
        bound = stats.t.ppf(1 - ALPHA / comparisons / 2, count - 1)
        centre = points / spread * np.sqrt(count)
        tails = stats.nct.sf(bound, count - 1, centre) + stats.nct.cdf(-bound, count - 1, centre)
        return bool(tails >= power)

    # Power rises with listeners, so the first number that finds it lies between two that differ.
    low, high = 1, 2
    while not finds(high):
        low, high = high, 2 * high
        if high > MOST:
            raise ValueError(
                f"a difference of {points:g} in a spread of {spread:g} needs more than {low} "
                "listeners"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high


def power_tables() -> str:
    """Both tables in Markdown."""
    lines = [
        "Independent answers for a power of 80 % at the level 5 %, ties not counted",
        "",
        "| share in truth | AB, two-sided | ABX, one-sided |",
        "| --- | --- | --- |",
    ]
    for share in (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9):
        counts = [answers_for_preference(share, one_sided=one) for one in (False, True)]
        lines.append(f"| {share:.0%} | {counts[0]} | {counts[1]} |")
    spreads = (5.0, 10.0, 15.0, 20.0)
    lines += [
        "",
        "Listeners for a MUSHRA difference, by the spread of that difference over listeners",
        "",
        "| points | " + " | ".join(f"spread {spread:g}" for spread in spreads) + " |",
        "| --- " * (len(spreads) + 1) + "|",
    ]
    for points in (2.5, 5.0, 10.0, 20.0):
        cells = [str(listeners_for_difference(points, spread)) for spread in spreads]
        lines.append(f"| {points:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
