"""Which excerpts a step trains on, as a pure function: resuming needs no sampler state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

__all__ = ["Draw", "DrawBy", "draw", "draw_weights"]

DrawBy = Literal["moment", "file", "folder"]


class Draw(NamedTuple):
    """One excerpt."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody calls
    """Which item."""
    offset: float
    """Where in it, in [0, 1): 0 starts at its beginning, towards 1 ends at its end."""


def draw_weights(
    lengths: Sequence[float], crop: float, by: DrawBy, folders: Sequence[str] | None = None
) -> list[float]:
    """How often each item is drawn, relative to the others.

    Args:
        lengths: of the items, in any unit.
        crop: length of an excerpt in that unit; a shorter item counts as one.
        by: moment, so that every moment of sound is as likely; or file, so that a few long
            recordings do not drown many short ones; or folder, so that every folder is as likely
            as the others, and every moment in it.
        folders: of each item, needed where folders decide.

    Raises:
        ValueError: no folders are known, but they shall decide.
    """
    if by == "folder":
        if folders is None:
            raise ValueError(
                "draw_by='folder' needs the folders of audio files; take moment or file"
            )
        moments = [float(max(length, crop)) for length in lengths]
        sums: dict[str, float] = {}
        for folder, moment in zip(folders, moments, strict=True):
            sums[folder] = sums.get(folder, 0.0) + moment
        return [m / sums[folder] for folder, m in zip(folders, moments, strict=True)]
    return [1.0 if by == "file" else float(max(length, crop)) for length in lengths]


def draw(
    seed: int,
    step: int,
    rank: int,
    world: int,
    batch_size: int,
    weights: Sequence[float],
) -> list[Draw]:
    """Draw one rank's batch of one step, with replacement.

    Excerpt number g = (step * world + rank) * batch_size + j of the whole training comes from
    block g of a counter-based generator (Philox, Salmon et al. 2011) keyed by `seed`. So a batch
    depends on nothing that came before it, ranks never share a block, and the excerpts of a step
    are the same for two ranks with four each as for one with eight.

    Args:
        seed: of the training.
        step: counts from 0.
        rank: of this process, below `world`.
        world: processes in all.
        batch_size: excerpts of one rank.
        weights: how often each item is drawn, relative to the others.

    Raises:
        ValueError: nothing to draw from, or numbers out of range.
    """
    if not 0 <= rank < world or step < 0 or batch_size < 1:
        raise ValueError(
            f"expected 0 <= rank < world, step >= 0, batch_size >= 1; got {rank=}, {world=}, "
            f"{step=}, {batch_size=}"
        )
    weight = np.asarray(weights, dtype=np.float64)
    with np.errstate(over="ignore"):
        total = np.cumsum(weight)
    if not weight.size or not np.isfinite(total[-1]) or weight.min() < 0 or total[-1] <= 0:
        raise ValueError("weights must be finite, 0 or more and not all 0")
    first = (step * world + rank) * batch_size
    blocks = np.random.Philox(key=seed % 2**128, counter=first).random_raw(4 * batch_size)
    # The upper 53 bits of 64 give every double in [0, 1) of this spacing equal chance.
    uniform = (blocks.reshape(batch_size, 4)[:, :2] >> np.uint64(11)) * 2.0**-53
    chosen = np.searchsorted(total, uniform[:, 0] * total[-1], side="right")
    last = int(np.flatnonzero(weight)[-1])  # rounding may point behind it
    return [
        Draw(min(int(index), last), float(offset))
        for index, offset in zip(chosen, uniform[:, 1], strict=True)
    ]
