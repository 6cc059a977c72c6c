"""Dead codes start anew from what there is to quantise, alike on all processes.

As Dhariwal et al., "Jukebox", 2020, section 3.1; for codes that are weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .quantizer import CodeUse, rank_and_world, sum_over_ranks

__all__ = ["follow_use"]


@torch.no_grad()
def follow_use(
    use: CodeUse,
    codes: Tensor,
    codebooks: Sequence[Tensor],
    rows: Sequence[Tensor],
    rng: torch.Generator | None,
    *,
    restart: bool,
    most: int | None = None,
) -> Tensor:
    """Follow the use on all ranks, and restart dead codes; returns how many restarted.

    Which codes are dead was decided before this batch, so all ranks agree. The n-th candidate
    comes from rank n mod world; the others leave zeros, and the sum gathers them.

    Args:
        use: of the codebooks, updated.
        codes: of this batch `(B, K, F)`.
        codebooks: K of `(size, D)`, changed in place.
        rows: what each of them had to quantise `(N, D)`.
        rng: decides the candidates.
        restart: False only counts.
        most: restarts of a codebook in one step, the least used first; None for all that are dead.
    """
    rank, world = rank_and_world()
    dead = [gone & restart for gone in use.dead()]
    if most is not None:
        shares = use.uses.split(use.vocab)
        dead = [gone & _least(share, most) for gone, share in zip(dead, shares, strict=True)]
    parts = [use.count(codes)]
    for found, gone in zip(rows, dead, strict=True):
        given = _draw(found, int(gone.sum()), rng)
        given[torch.arange(len(given), device=given.device) % world != rank] = 0
        parts.append(given)
    counts, *candidates = sum_over_ranks(parts)
    use.update(counts)
    use.revive(dead)
    for codebook, gone, given in zip(codebooks, dead, candidates, strict=True):
        codebook[gone] = given
    return torch.stack([gone.sum() for gone in dead]).sum().float()


def _least(values: Tensor, count: int) -> Tensor:
    """Where the `count` smallest of some values are; of equal ones the first."""
    chosen = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    chosen[values.argsort(stable=True)[:count]] = True
    return chosen


def _draw(rows: Tensor, count: int, rng: torch.Generator | None) -> Tensor:
    """`count` of `rows (N, D)` at random, a copy."""
    device = rows.device if rng is None else rng.device
    picks = torch.randint(len(rows), (count,), generator=rng, device=device)
    return rows[picks.to(rows.device)]
