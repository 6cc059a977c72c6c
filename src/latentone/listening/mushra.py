"""Ratings from 0 to 100: who is heard, what each system got, which differ (ITU-R BS.1534-3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch

from .statistics import bootstrap, holm, signed_rank, t_interval

__all__ = ["LIMIT", "SHARE", "compare", "screen", "summarize"]

LIMIT = 90.0
"""A listener who rates the hidden reference lower has missed it; likewise an anchor higher."""

SHARE = 0.15
"""More misses than this share of the items, and the listener is left out."""


def screen(reference: np.ndarray, mid_anchor: np.ndarray | None = None) -> list[tuple[str, ...]]:
    """Why each listener is left out; empty for those who stay.

    BS.1534-3: who rates the hidden reference below 90 for more than 15 % of the items, or
    the mid anchor above 90 for more than 15 %. An item whose mid anchor more than a quarter of all
    listeners rate above 90 is hardly harmed by it, and does not count for the second rule.

    Args:
        reference: ratings of the hidden reference, `(L, I)` for listeners and items.
        mid_anchor: ratings of the 7 kHz anchor, `(L, I)`.

    Raises:
        ValueError: no items, or unequal shapes.
    """
    if reference.ndim != 2 or not reference.size:
        raise ValueError(f"expected ratings (listeners, items), got {reference.shape}")
    reasons: list[list[str]] = [[] for _ in reference]
    missed = (reference < LIMIT).mean(axis=1)
    for own, share in zip(reasons, missed, strict=True):
        if share > SHARE:
            own.append(f"rated the hidden reference below {LIMIT:g} in {100 * share:.0f} %")
    if mid_anchor is not None:
        if mid_anchor.shape != reference.shape:
            raise ValueError(f"expected {reference.shape} anchor ratings, got {mid_anchor.shape}")
        high = mid_anchor > LIMIT
        counted = high.mean(axis=0) <= 0.25
        shares = high[:, counted].mean(axis=1) if counted.any() else np.zeros(len(high))
        for own, share in zip(reasons, shares, strict=True):
            if share > SHARE:
                own.append(f"rated the mid anchor above {LIMIT:g} in {100 * share:.0f} %")
    return [tuple(own) for own in reasons]


def summarize(scores: np.ndarray, rng: torch.Generator | None = None) -> dict[str, Any]:
    """Mean and median of a condition with intervals over listeners.

    Args:
        scores: `(L, I)`; each listener's items are averaged first.
        rng: of the bootstrap.
    """
    each = scores.mean(axis=1)
    return {
        "mean": float(each.mean()),
        "t_interval": t_interval(each),
        "bootstrap_interval": bootstrap(each, rng),
        "median": float(np.median(each)),
        "median_interval": bootstrap(each, rng, median=True),
        "ratings": int(scores.size),
    }


def compare(scores: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """Differences between all pairs of conditions, listener by listener.

    Args:
        scores: `(L, I, C)`.
        names: of the C conditions.

    Returns:
        For each pair the mean difference first - second, its t-interval, the p of Wilcoxon's
        signed ranks over listeners, and that p after Holm's correction for all pairs.
    """
    each = scores.mean(axis=1)
    found: list[dict[str, Any]] = []
    for i, j in combinations(range(len(names)), 2):
        # Rounded, so that equal means of ratings are equal in spite of how floats add.
        gap = np.round(each[:, i] - each[:, j], 9)
        found.append(
            {
                "first": names[i],
                "second": names[j],
                "difference": float(gap.mean()),
                "t_interval": t_interval(gap),
                "p": signed_rank(gap),
            }
        )
    for entry, p in zip(found, holm([entry["p"] for entry in found]), strict=True):
        entry["p_holm"] = p
    return found
