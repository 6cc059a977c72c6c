"""Choices between two sounds: preferences, strengths of systems, and what can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from scipy import stats

from .statistics import LEVEL, bootstrap, d_prime, holm, resample, signed_rank, wilson

__all__ = ["abx", "bradley_terry", "decided", "preferences", "strengths"]

PRIOR = 0.1
"""Wins added to both sides of each pair, so that a system that never lost stays finite."""


def preferences(
    wins: np.ndarray, names: Sequence[str], rng: torch.Generator | None = None
) -> list[dict[str, Any]]:
    """What listeners preferred, for each pair of systems.

    Args:
        wins: `(L, S, S)`: how often listener l preferred row i to column j; a tie is half a win
            of each, so `wins` holds halves.
        names: of the S systems.
        rng: of the bootstrap.

    Returns:
        For each pair: `share` of the first, ties half, with its interval over listeners. Of those
        who decided: `decided_share` with Wilson's interval, and `p` of a fair coin, which takes
        each answer for an independent one. `p_listeners` counts each listener once, by signed
        ranks, and is the one to trust where listeners answer often; `p_holm` corrects it for the
        number of pairs.

    Raises:
        ValueError: shapes that do not fit.
    """
    if wins.ndim != 3 or wins.shape[1:] != (len(names), len(names)):
        raise ValueError(f"expected wins (listeners, {len(names)}, {len(names)}), got {wins.shape}")
    found: list[dict[str, Any]] = []
    for i, j in combinations(range(len(names)), 2):
        first, second = wins[:, i, j], wins[:, j, i]
        asked = first + second
        each = (first / asked)[asked > 0]
        found.append(
            {
                "first": names[i],
                "second": names[j],
                "share": float(each.mean()) if len(each) else None,
                "share_interval": bootstrap(each, rng),
                "p_listeners": signed_rank(first - second),
            }
        )
    for entry, p in zip(found, holm([entry["p_listeners"] for entry in found]), strict=True):
        entry["p_holm"] = p
    return found


def decided(first: int, second: int, ties: int) -> dict[str, Any]:
    """Counts of answers about one pair, taken as independent.

    `p` is exact and two-sided: a fair coin among those who decided.
    """
    count = first + second
    return {
        "first_wins": first,
        "second_wins": second,
        "ties": ties,
        "decided_share": first / count if count else None,
        "decided_interval": wilson(first, count),
        "p": float(stats.binomtest(first, count).pvalue) if count else 1.0,
    }


def bradley_terry(wins: np.ndarray, *, prior: float = 0.0) -> np.ndarray:
    """Strengths of systems from who won against whom (Bradley and Terry 1952).

    P(i beats j) = 1 / (1 + exp(t_j - t_i)), t by maximum likelihood. With n = w + w' the gradient
    is sum_j (w_ij - n_ij P_ij), the negative Hessian the Laplacian of a graph with weights
    n_ij P_ij P_ji. The likelihood knows differences only, so a constant added to the Laplacian
    fixes the sum at 0. It is concave: Newton's steps, no longer than 1, arrive.

    Args:
        wins: `(..., S, S)`, row over column; halves for ties.
        prior: wins added to both sides of each pair that was ever compared.

    Returns:
        `(..., S)`, natural logarithms of strength, of sum 0.

    Raises:
        ValueError: without a prior, a group of systems that never lost to the rest (or was never
            compared with it), whose strength would be infinite.
    """
    count = wins.shape[-1]
    if wins.ndim < 2 or wins.shape[-2] != count or count < 2:
        raise ValueError(f"expected wins (..., S, S) of 2 or more systems, got {wins.shape}")
    off = ~np.eye(count, dtype=bool)
    total = wins + np.swapaxes(wins, -1, -2)
    won = np.where(off & (total > 0), wins + prior, 0.0)
    _refuse_unbeaten(won)
    games = won + np.swapaxes(won, -1, -2)
    theta = np.zeros(wins.shape[:-1])
    for _ in range(200):
        chance = 1 / (1 + np.exp(theta[..., None, :] - theta[..., :, None]))
        slope = (won - games * chance).sum(-1)
        weight = games * chance * (1 - chance)
        laplacian = np.eye(count) * weight.sum(-1)[..., None] - weight + 1 / count
        step = np.linalg.solve(laplacian, slope[..., None])[..., 0]
        step /= np.maximum(1.0, np.abs(step).max(-1, keepdims=True))
        theta = theta + step
        if np.abs(step).max() < 1e-10:
            break
    return theta - theta.mean(-1, keepdims=True)


def _refuse_unbeaten(won: np.ndarray) -> None:
    """Finite strengths need a chain of wins from every system to every other (Ford 1957)."""
    reach = (won > 0) | np.eye(won.shape[-1], dtype=bool)
    for _ in range(won.shape[-1]):
        reach = reach | (reach.astype(int) @ reach.astype(int) > 0)
    if not reach.all():
        raise ValueError(
            "some systems never lost to the others, or were never compared with them: strengths "
            "are infinite; give a prior, 0.1 for instance"
        )


def strengths(
    wins: np.ndarray, names: Sequence[str], rng: torch.Generator | None = None
) -> dict[str, dict[str, Any]]:
    """Bradley-Terry strength and share preferred of each system, with intervals over listeners.

    A tenth of a win is added to both sides of each pair, in resamples too.

    Args:
        wins: `(L, S, S)`, as in `preferences`.
        names: of the S systems.
        rng: of the bootstrap.
    """
    theta = bradley_terry(wins.sum(0), prior=PRIOR)
    intervals: list[tuple[float, float] | None] = [None] * len(names)
    if len(wins) > 1:
        drawn = bradley_terry(wins[resample(len(wins), rng)].sum(1), prior=PRIOR)
        ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        intervals = [(float(low), float(high)) for low, high in ends.T]
    asked = wins.sum(2) + wins.sum(1)
    shares = wins.sum(2) / np.maximum(asked, 1e-9)
    return {
        name: {
            "strength": float(theta[i]),
            "strength_interval": intervals[i],
            "share": float(shares[:, i].mean()),
            "share_interval": bootstrap(shares[:, i], rng),
        }
        for i, name in enumerate(names)
    }


def abx(correct: int, count: int) -> dict[str, Any]:
    """Whether a difference was heard: right answers against guessing.

    Args:
        correct: right answers.
        count: all of them.

    Returns:
        `share` with Wilson's interval, `p` of at least so many by guessing, `d_prime` with the
        values at the interval's ends (None where infinite).

    Raises:
        ValueError: no answers, or more right ones than answers.
    """
    if not 0 <= correct <= count or not count:
        raise ValueError(f"expected 0 to {count} right answers of 1 or more, got {correct}")
    ends = wilson(correct, count)
    assert ends is not None
    distances = [d_prime(share) for share in (correct / count, *ends)]
    finite = [None if value == float("inf") else value for value in distances]
    return {
        "correct": correct,
        "count": count,
        "share": correct / count,
        "share_interval": ends,
        "p": float(stats.binomtest(correct, count, alternative="greater").pvalue),
        "d_prime": finite[0],
        "d_prime_interval": (finite[1], finite[2]),
    }
