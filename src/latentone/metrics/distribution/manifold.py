"""Are generated items among the real ones, and are all the real ones reached?

A set's manifold is the union of balls around its items, each up to its item's k-th nearest
neighbour in the set. Precision and recall: Kynkaanniemi et al. 2019; density and coverage, which an
outlier with a huge ball upsets less: Naeem et al. 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .balls import Visit, ball_radii, find_hits, ignore
from .distances import BLOCK, distance_blocks
from .features import check_pair
from .score import Score

__all__ = ["manifold_scores", "measure_manifold", "nearest_distances"]


def manifold_scores(
    reference: Tensor,
    generated: Tensor,
    *,
    k: int = 5,
    closed: bool = False,
    block: int = BLOCK,
) -> dict[str, Score]:
    """Precision, recall, density and coverage; higher is better.

    `precision`: share of generated items in a ball of the reference. `recall`: share of reference
    items in a ball of the generated set. `density`: balls of the reference around a generated item,
    over k; 1 on average for equal distributions, and without a bound above. `coverage`: share of
    reference balls with a generated item in them; 1 - 2^-k on average for equal distributions and
    sizes, since which set the k nearest come from is k tosses of a coin.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        k: neighbours that make a ball; 5 in Naeem et al., 3 in Kynkaanniemi et al.
        closed: whether what lies on a ball's surface is inside, as in Kynkaanniemi et al. An item
            with k copies has an empty ball unless balls are closed.
        block: distances held at once.

    Raises:
        ValueError: see `check_pair`; every set needs more than k items.
    """
    return measure_manifold(reference, generated, k=k, closed=closed, block=block)


def nearest_distances(x: Tensor, y: Tensor, k: int, *, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """The k items of `y` nearest to each item of `x`.

    Args:
        x: `(N, D)`.
        y: `(M, D)`, M at least k.
        k: neighbours.
        block: distances held at once.

    Returns:
        Euclidean distances and int64 indices, `(N, k)` each, the nearest first.
    """
    pair = check_pair(y, x, minimum=1)
    if not 1 <= k <= len(pair.reference):
        raise ValueError(f"expected k from 1 to {len(pair.reference)}, got {k}")
    found = [
        squares.topk(k, dim=1, largest=False)
        for _, squares in distance_blocks(pair.generated, pair.reference, block)
    ]
    return torch.cat([f.values for f in found]).sqrt(), torch.cat([f.indices for f in found])


def measure_manifold(
    reference: Tensor,
    generated: Tensor,
    *,
    k: int,
    closed: bool,
    block: int,
    visit: Callable[[str, float, Tensor], None] | None = None,
) -> dict[str, Score]:
    """The same scores, while others look at the distances.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        k: see `manifold_scores`.
        closed: likewise.
        block: likewise.
        visit: called with "reference", "generated" or "across", a unit, and a block of squared
            distances in squares of it, to overwrite (see `ball_radii` and `find_hits`).
    """
    if k < 1:
        raise ValueError(f"expected k of 1 or more neighbours, got {k}")
    # Not centred, since taking off a mean unties ties.
    pair = check_pair(reference, generated, minimum=k + 1, centre=False)
    n, m = pair.items
    # A power of two takes no digits, and keeps squares within the range of fp32.
    largest = max(float(z.abs().max()) for z in pair[:2])
    unit = 2.0 ** max(math.frexp(largest)[1], -1000)
    x, y = pair.reference / unit, pair.generated / unit
    at: dict[str, Visit] = {
        name: partial(visit, name, unit) if visit else ignore
        for name in ("reference", "generated", "across")
    }
    radii = ball_radii(x, k, block, at["reference"]), ball_radii(y, k, block, at["generated"])
    hits = find_hits(x, y, radii, closed=closed, block=block, visit=at["across"])
    values = {
        "precision": int(hits.precise.sum()) / m,
        "recall": int(hits.recalled.sum()) / n,
        "density": hits.inside / (k * m),
        "coverage": int(hits.covered.sum()) / n,
    }
    settings = {"k": k, "closed": closed, "dimensions": x.shape[1]}
    notes = list(pair.warnings)
    for name, sizes in zip(("reference", "generated"), radii, strict=True):
        empty = int((sizes == 0).sum())
        if empty:
            notes.append(
                f"{empty} {name} items have {k} copies or more, and balls of radius 0"
                + ("" if closed else ": leave the copies out, or close the balls")
            )
    if max(n, m) > 2 * min(n, m):
        notes.append(f"sets of {n} and {m} items: coverage and recall grow with the larger one")
    return {
        name: Score(
            value=value,
            items=pair.items,
            settings=settings,
            warnings=tuple(notes),
            bounds=(0.0, None if name == "density" else 1.0),
            share_of={"precision": m, "recall": n, "coverage": n}.get(name),
        )
        for name, value in values.items()
    }
