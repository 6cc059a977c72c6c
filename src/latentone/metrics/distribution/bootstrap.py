"""How far a metric would move had other tracks been drawn.

Clips of one track resemble each other, so tracks are resampled, with all of their clips (Davison
and Hinkley 1997, sec. 3.8). What is kept of the resamples is their spread around their own mean:
the mean itself is off, since every resample holds less than the set it is drawn from.

The spread is put around the value, and cut where values end. A share near 0 or 1 needs more: when
all items are inside, so are all of every resample, which spreads nothing and yet does not make the
share 1. So shares get the interval of a score test (Wilson 1927),

    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

for the number n of independent draws that would spread as far, p (1 - p) / s^2, at most as many as
there are items, bins or groups.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

import torch
from torch import Tensor

from .groups import rows_by_group
from .score import Interval, Score
from .wilson import wilson

__all__ = ["bootstrap"]

Result = TypeVar("Result", Score, dict[str, Score])

FEW = 10


def bootstrap(
    metric: Callable[[Tensor, Tensor], Result],
    reference: Tensor,
    generated: Tensor,
    *,
    reference_groups: Sequence[Hashable] | None = None,
    generated_groups: Sequence[Hashable] | None = None,
    resample: Literal["both", "generated"] = "both",
    method: Literal["half", "replace"] = "half",
    resamples: int = 200,
    level: float = 0.95,
    rng: torch.Generator | None = None,
) -> Result:
    """Measure, and give the result an interval.

    `half` draws half of the groups without repetition, which spreads a mean exactly as far as
    drawing all of them anew would: s^2 / h (1 - h / G) = s^2 / G for h = G / 2, and a little
    further for an odd G. `replace` draws as many groups as there are, with repetition (Efron 1979):
    right for means, while metrics of neighbours see balls that the copies empty.

    Args:
        metric: called with a reference and a generated set, as all in this package are.
        reference: `(N, ...)`.
        generated: `(M, ...)`.
        reference_groups: the track of each reference item; each its own when None.
        generated_groups: the track of each generated item; likewise.
        resample: `generated` holds the reference fixed, for a benchmark's one reference.
        method: see above.
        resamples: how many.
        level: share of the spread that the interval holds.
        rng: decides the draws; seed 0 when None.

    Returns:
        What the metric returns, each score with its `interval` and the standard deviation over
        resamples as the detail `standard_error`.

    Raises:
        ValueError: unknown settings, groups that do not fit the items, fewer than 2 groups, or
            what the metric raises for a resample: half a set may be too little for it.
    """
    if method not in ("half", "replace") or resample not in ("both", "generated"):
        raise ValueError(
            "expected method 'half' or 'replace' and resample 'both' or 'generated', got "
            f"{method!r} and {resample!r}"
        )
    if resamples < 2 or not 0 < level < 1:
        raise ValueError(
            f"expected 2 or more resamples and a level between 0 and 1, got {resamples}, {level}"
        )
    rng = rng or torch.Generator().manual_seed(0)
    sides = [_members(generated_groups, len(generated), "generated")]
    if resample == "both":
        sides.insert(0, _members(reference_groups, len(reference), "reference"))
    result = metric(reference, generated)
    draws: dict[str, list[float]] = {}
    for _ in range(resamples):
        rows = [_draw(side, method, rng) for side in sides]
        first = reference if resample == "generated" else reference[rows[0].to(reference.device)]
        second = generated[rows[-1].to(generated.device)]
        for name, score in _scores(metric(first, second)).items():
            draws.setdefault(name, []).append(score.value)
    groups = (len(sides[0]) if resample == "both" else 0, len(sides[-1]))
    scores = {
        name: _with_interval(score, draws[name], level, groups)
        for name, score in _scores(result).items()
    }
    return scores if isinstance(result, dict) else scores[""]


def _scores(result: Score | Mapping[str, Score]) -> Mapping[str, Score]:
    return {"": result} if isinstance(result, Score) else result


def _members(groups: Sequence[Hashable] | None, items: int, name: str) -> list[Tensor]:
    """Rows of each group."""
    rows = rows_by_group(groups, items, name)
    if len(rows) < 2:
        raise ValueError(
            f"all {items} {name} items are of one group: nothing is known of how groups differ"
        )
    return list(rows.values())


def _draw(members: list[Tensor], method: str, rng: torch.Generator) -> Tensor:
    count = len(members)
    if method == "replace":
        picks = torch.randint(count, (count,), generator=rng)
    else:
        picks = torch.randperm(count, generator=rng)[: count // 2]
    return torch.cat([members[i] for i in picks.tolist()])


def _with_interval(
    score: Score, draws: list[float], level: float, groups: tuple[int, int]
) -> Score:
    values = torch.tensor(draws, dtype=torch.float64)
    error = float(values.std())
    few = min(g for g in groups if g)
    if score.share_of is not None:
        low, high = _share_interval(score.value, error, min(few, score.share_of), level)
    else:
        tails = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
        low, high = (score.value + (values - values.mean()).quantile(tails)).tolist()
    low, high = score.cut(low, high)
    notes = list(score.warnings)
    if few < FEW:
        notes.append(f"an interval from {few} groups is a rough guess")
    return replace(
        score,
        interval=Interval(low, high, level, len(draws), groups),
        details={**score.details, "standard_error": error},
        warnings=tuple(notes),
    )


def _share_interval(p: float, error: float, most: int, level: float) -> tuple[float, float]:
    spread = p * (1 - p)
    n = min(most, max(1.0, spread / error**2)) if error > 0 < spread else most
    return wilson(p, n, level)
