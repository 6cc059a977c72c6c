"""All unpaired metrics of two embedded sets, each with its interval or why it is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from .distribution import (
    Score,
    bin_scores,
    bootstrap,
    fit_bins,
    frechet_distance,
    frechet_infinity,
    frechet_per_group,
    kernel_distance,
    manifold_scores,
    median_distance,
)

__all__ = ["SET_METRICS", "SetComparison", "compare_sets"]

SET_METRICS = {
    "frechet": "Frechet distance of two Gaussians; lower is closer, in units of the embedding",
    "frechet_infinity": "the same, extrapolated to infinitely many items",
    "kernel": "unbiased MMD^2 x 100, Gaussian kernel as wide as the reference; 0 is equal",
    "precision": "share of generated items that lie among the reference; higher is better",
    "recall": "share of the reference that lies among the generated items; higher is better",
    "density": "how densely the reference surrounds generated items; about 1 for equal sets",
    "coverage": "share of the reference with a generated neighbour; about 0.97 for equal sets",
    "ndb": "share of k-means bins whose shares differ significantly; about 0.05 for equal sets",
    "jensen_shannon": "divergence of the shares of these bins in nats; 0 is equal, ln 2 apart",
}
"""What each number means."""

MOST_BINS, ITEMS_PER_BIN = 100, 10


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """What could be measured of two sets."""

    scores: dict[str, Score]
    """By the names of `SET_METRICS`."""
    missing: dict[str, str]
    """Metrics that could not be measured, and why."""
    outliers: dict[str, float]
    """Generated tracks by their own Frechet distance from the reference, farthest first."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        return {
            "scores": {name: _plain(score) for name, score in self.scores.items()},
            "missing": self.missing,
            "outliers": self.outliers,
        }


def _plain(score: Score) -> dict[str, Any]:
    interval = None if score.interval is None else score.interval._asdict()
    return {**asdict(score), "interval": interval}


def compare_sets(
    reference: Tensor,
    generated: Tensor,
    reference_tracks: Sequence[str],
    generated_tracks: Sequence[str],
    *,
    resamples: int = 100,
    seed: int = 0,
    on_metric: Callable[[int, int], None] | None = None,
) -> SetComparison:
    """Measure how close and how varied a generated set is.

    Args:
        reference: vectors of windows `(N, D)`.
        generated: vectors of the same embedding `(M, D)`.
        reference_tracks: the track of each reference window; intervals resample tracks.
        generated_tracks: likewise.
        resamples: of the bootstrap; 0 gives no intervals.
        seed: of all draws.
        on_metric: called with groups of metrics done and in all.
    """
    scores: dict[str, Score] = {}
    missing: dict[str, str] = {}

    def with_interval(metric: Callable[[Tensor, Tensor], Any]) -> Any:
        if resamples < 2:
            return metric(reference, generated)
        try:
            return bootstrap(
                metric,
                reference,
                generated,
                reference_groups=reference_tracks,
                generated_groups=generated_tracks,
                resamples=resamples,
                rng=torch.Generator().manual_seed(seed),
            )
        except ValueError:  # too few tracks for half of them; the value itself may stand
            return metric(reference, generated)

    def bins() -> dict[str, Score]:
        count = max(2, min(MOST_BINS, len(reference) // ITEMS_PER_BIN))
        fitted = fit_bins(reference, count, rng=torch.Generator().manual_seed(seed))
        return with_interval(lambda x, y: bin_scores(x, y, bins=fitted))

    def kernel() -> Score:
        bandwidth = median_distance(reference)
        return with_interval(lambda x, y: kernel_distance(x, y, bandwidth=bandwidth))

    groups: dict[tuple[str, ...], Callable[[], Any]] = {
        ("frechet",): lambda: with_interval(frechet_distance),
        ("frechet_infinity",): lambda: frechet_infinity(
            reference, generated, rng=torch.Generator().manual_seed(seed)
        ),
        ("kernel",): kernel,
        ("precision", "recall", "density", "coverage"): lambda: with_interval(manifold_scores),
        ("ndb", "jensen_shannon"): bins,
    }
    for done, (names, measure) in enumerate(groups.items(), start=1):
        try:
            found = measure()
            scores |= (
                {names[0]: found} if isinstance(found, Score) else {n: found[n] for n in names}
            )
        except ValueError as error:
            missing |= dict.fromkeys(names, str(error))
        if on_metric is not None:
            on_metric(done, len(groups))
    try:
        songs = frechet_per_group(reference, generated, generated_tracks)
        far = sorted(songs.items(), key=lambda pair: -pair[1].value)
        outliers = {str(track): score.value for track, score in far}
    except ValueError:
        outliers = {}
    return SetComparison(scores=scores, missing=missing, outliers=outliers)
