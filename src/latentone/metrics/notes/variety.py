"""How varied the pitches of a set of notes are, beside those that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, nan

import torch
from torch import Tensor

from ..control.entropy import pitch_entropy
from ..distribution import Score, bootstrap

__all__ = ["pitch_variety"]


def pitch_variety(
    heard: Sequence[float | None],
    asked: Sequence[float | None],
    tracks: Sequence[str],
    *,
    resamples: int = 100,
    seed: int = 0,
) -> dict[str, Score]:
    """Entropy of the pitches of a set, in bits; see `pitch_entropy`.

    Args:
        heard: MIDI number of each note; None or NaN where it has no pitch.
        asked: likewise, None where nothing was asked.
        tracks: of each note; intervals resample tracks. Fewer than two give none.
        resamples: of the bootstrap; fewer than 2 give no intervals.
        seed: of the draws.

    Returns:
        `pitch_entropy` and `asked_pitch_entropy`, each of two notes or more.

    Raises:
        ValueError: lists of unequal length.
    """
    if not len(heard) == len(asked) == len(tracks):
        raise ValueError(
            f"expected as many pitches as tracks, got {len(heard)} heard, {len(asked)} asked, "
            f"{len(tracks)} tracks"
        )
    scores = {}
    for name, pitches in (("pitch_entropy", heard), ("asked_pitch_entropy", asked)):
        numbers = [nan if p is None else float(p) for p in pitches]
        rows = [i for i, p in enumerate(numbers) if isfinite(p)]
        if len(rows) < 2:
            continue
        x = torch.tensor([numbers[i] for i in rows], dtype=torch.float64)
        groups = [tracks[i] for i in rows]
        if resamples < 2 or len(set(groups)) < 2:
            scores[name] = _entropy(x, x)
        else:
            rng = torch.Generator().manual_seed(seed)
            scores[name] = bootstrap(
                _entropy,
                x,
                x,
                generated_groups=groups,
                resample="generated",
                resamples=resamples,
                rng=rng,
            )
    return scores


def _entropy(_: Tensor, pitches: Tensor) -> Score:
    return Score(value=pitch_entropy(pitches.tolist()), items=(0, len(pitches)), bounds=(0.0, None))
