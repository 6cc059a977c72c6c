"""Descriptors of single sounds, compared between a reference set and a generated one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

__all__ = ["DescriptorComparison", "compare_coherence"]


@dataclass(frozen=True, kw_only=True)
class DescriptorComparison:
    """One descriptor in two sets."""

    reference_mean: float
    generated_mean: float
    distance: float
    """Wasserstein-1 distance of both distributions over the spread of the reference: 0 for equal
    ones, 1 when all sounds lie a standard deviation off."""
    p_value: float
    """Of the two-sample Kolmogorov-Smirnov test: how often sets of the same distribution would
    differ as much. With as many tests as descriptors, one in twenty lies below 0.05 by chance."""
    items: tuple[int, int]
    """Sounds of the reference and of the generated set that have the descriptor."""
    missing: tuple[int, int]
    """Sounds that have none, such as a repetition; where the shares differ, that is a finding."""


def compare_coherence(
    reference: Sequence[Mapping[str, float]],
    generated: Sequence[Mapping[str, float]],
    *,
    reference_tracks: Sequence[str] | None = None,
    generated_tracks: Sequence[str] | None = None,
) -> dict[str, DescriptorComparison]:
    """Compare the descriptors of two sets of sounds, such as those of `coherence`, one by one.

    Args:
        reference: descriptors of each real sound.
        generated: of each generated one. Sounds should be as long as the reference's: windows
            and lags depend on it.
        reference_tracks: the track of each reference sound; each its own when None. Sounds of one
            track resemble each other, so that the test is of the means of tracks.
        generated_tracks: likewise.

    Returns:
        By name, for descriptors that two sounds or more of each set have.

    Raises:
        ValueError: a set is empty, a value is not finite, or there is not a track for each sound.
    """
    if not reference or not generated:
        raise ValueError(
            f"expected descriptors of one sound or more on both sides, got {len(reference)} and "
            f"{len(generated)}"
        )
    sets, tracks = (reference, generated), []
    for rows, of in zip(sets, (reference_tracks, generated_tracks), strict=True):
        tracks.append([str(i) for i in range(len(rows))] if of is None else list(of))
        if len(tracks[-1]) != len(rows):
            raise ValueError(
                f"expected a track for each of {len(rows)} sounds, got {len(of or ())}"
            )
    names = dict.fromkeys(name for row in (*reference, *generated) for name in row)
    out = {}
    for name in names:
        a, b = (
            np.array([row[name] for row in rows if name in row], dtype=np.float64)
            for rows in (reference, generated)
        )
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError(f"{name!r} has values that are not finite: leave them out")
        if min(len(a), len(b)) < 2:
            continue
        means = [_track_means(rows, of, name) for rows, of in zip(sets, tracks, strict=True)]
        # A reference that is constant has no yardstick of its own: a millionth of its size then.
        spread = max(float(a.std()), 1e-6 * max(1.0, float(np.abs(a).max())))
        out[name] = DescriptorComparison(
            reference_mean=float(a.mean()),
            generated_mean=float(b.mean()),
            distance=float(wasserstein_distance(a, b)) / spread,
            p_value=float(ks_2samp(*means).pvalue),
            items=(len(a), len(b)),
            missing=(len(reference) - len(a), len(generated) - len(b)),
        )
    return out


def _track_means(
    rows: Sequence[Mapping[str, float]], tracks: Sequence[str], name: str
) -> np.ndarray:
    values: dict[str, list[float]] = {}
    for row, track in zip(rows, tracks, strict=True):
        if name in row:
            values.setdefault(track, []).append(row[name])
    return np.array([np.mean(of_track) for of_track in values.values()])
