"""Are generated items among the real ones, and are all the real ones reached?

A set's manifold is the union of balls around its items, each up to its item's k-th nearest
neighbour in the set. Precision and recall: Kynkaanniemi et al. 2019; density and coverage, which an
outlier with a huge ball upsets less: Naeem et al. 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .distances import BLOCK, distance_blocks
from .features import check_pair
from .score import Score

__all__ = ["manifold_scores", "nearest_distances"]


def manifold_scores(
    reference: Tensor,
    generated: Tensor,
    *,
    k: int = 5,
    closed: bool = False,
    dtype: torch.dtype = torch.float64,
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
        dtype: of the distances; fp32 is faster, and moves items that lie within rounding of a ball.
        block: distances held at once.

    Raises:
        ValueError: see `check_pair`; every set needs more than k items.
    """
    if k < 1:
        raise ValueError(f"expected k of 1 or more neighbours, got {k}")
    pair = check_pair(reference, generated, minimum=k + 1, dtype=dtype)
    x, y, n, m = pair.reference, pair.generated, *pair.items
    x_radii, y_radii = (_radii(z, k, block) for z in (x, y))
    inside = torch.le if closed else torch.lt
    covered, recalled, balls = 0, 0, 0
    precise = torch.zeros(m, dtype=torch.bool, device=x.device)
    for start, squares in distance_blocks(x, y, block):
        radii = x_radii[start : start + len(squares), None]
        hit = inside(squares, radii)
        balls += int(torch.count_nonzero(hit))
        covered += int(hit.any(1).sum())
        precise |= hit.any(0)
        recalled += int(inside(squares, y_radii).any(1).sum())
    values = {
        "precision": int(precise.sum()) / m,
        "recall": recalled / n,
        "density": balls / (k * m),
        "coverage": covered / n,
    }
    settings = {"k": k, "closed": closed, "dimensions": x.shape[1]}
    notes = list(pair.warnings)
    for name, radii in (("reference", x_radii), ("generated", y_radii)):
        empty = int((radii == 0).sum())
        if empty:
            notes.append(
                f"{empty} {name} items have {k} copies or more, and balls of radius 0"
                + ("" if closed else ": leave the copies out, or close the balls")
            )
    if max(n, m) > 2 * min(n, m):
        notes.append(f"sets of {n} and {m} items: coverage and recall grow with the larger one")
    return {
        name: Score(value=value, items=pair.items, settings=settings, warnings=tuple(notes))
        for name, value in values.items()
    }


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


def _radii(x: Tensor, k: int, block: int) -> Tensor:
    """Squared distance of each item to its k-th neighbour; the nearest of k + 1 is itself."""
    blocks = distance_blocks(x, x, block)
    return torch.cat([b.topk(k + 1, dim=1, largest=False).values[:, k] for _, b in blocks])
