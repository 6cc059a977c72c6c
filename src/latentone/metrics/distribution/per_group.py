"""Which songs are unlike the reference: a Frechet distance for each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from torch import Tensor

from .features import check_pair
from .frechet import Gaussian, fit_gaussian, frechet_parts
from .groups import rows_by_group
from .score import Score

__all__ = ["frechet_per_group"]


def frechet_per_group(
    reference: Tensor, generated: Tensor, groups: Sequence[Hashable]
) -> dict[Hashable, Score]:
    """Frechet distance of each song's frames to the whole reference (Gui et al. 2023).

    Ranks songs of similar length by how unlike the reference they are. The distances hold much
    bias, and more of it the shorter a song is.

    Args:
        reference: `(N, D)`.
        generated: frames of all songs, `(M, D)`.
        groups: the song of each frame, M of them.

    Returns:
        A score for each song, in order of appearance; NaN and a warning for a song of one frame.

    Raises:
        ValueError: see `check_pair`; also when there is not a group for each frame.
    """
    pair = check_pair(reference, generated)
    members = rows_by_group(groups, pair.items[1], "generated")
    fixed = fit_gaussian(pair.reference)
    return {group: _song(fixed, pair.generated[rows]) for group, rows in members.items()}


def _song(reference: Gaussian, frames: Tensor) -> Score:
    items = reference.items, len(frames)
    settings = {"dimensions": frames.shape[1]}
    if len(frames) < 2:
        note = "one frame has no covariance: give longer sounds, or a shorter hop"
        return Score(value=float("nan"), items=items, settings=settings, warnings=(note,))
    mean, covariance = frechet_parts(reference, fit_gaussian(frames))
    return Score(
        value=max(mean + covariance, 0.0),
        items=items,
        settings=settings,
        details={"mean": mean, "covariance": covariance, "raw": mean + covariance},
        bounds=(0.0, None),
    )
