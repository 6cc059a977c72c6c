"""All unpaired metrics of two embedded sets, each with its interval or why it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor

from .clusters import independent_items
from .distribution import (
    BIAS_WARNING,
    Score,
    bin_scores,
    bootstrap,
    check_bandwidth,
    fit_bins,
    frechet_bias,
    frechet_distance,
    frechet_infinity,
    frechet_per_group,
    gaussian,
    inception_score,
    kernel_distance,
    manifold_scores,
    neighbour_scores,
    posterior_divergence,
)
from .distribution.distances import MANY
from .set_metrics import POSTERIOR_METRICS, SET_METRICS, set_metric

__all__ = [
    "POSTERIOR_METRICS",
    "SET_METRICS",
    "SetComparison",
    "compare_sets",
    "plain_score",
    "set_metric",
    "thin",
]

MANIFOLD = ("precision", "recall", "density", "coverage")
Groups = dict[tuple[str, ...], Callable[[], Any]]
INFINITY_RESAMPLES = 40
"""Each of them draws a line through 25 distances."""
MOST_BINS, ITEMS_PER_BIN = 100, 10


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """What could be measured of two sets."""

    scores: dict[str, Score]
    """By the names of `SET_METRICS`, and `inception/HEAD` and `posterior_kl/HEAD`."""
    missing: dict[str, str]
    """Metrics that could not be measured, and why."""
    outliers: dict[str, Score]
    """Each generated track's own Frechet distance from the reference, farthest first; a track of
    one window has no covariance, is NaN and comes last."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        return {
            "scores": {name: plain_score(score) for name, score in self.scores.items()},
            "missing": self.missing,
            "outliers": {
                track: score.value if score.value == score.value else None
                for track, score in self.outliers.items()
            },
        }


def plain_score(score: Score) -> dict[str, Any]:
    """A score as JSON values."""
    interval = None if score.interval is None else score.interval._asdict()
    return {**asdict(score), "interval": interval}


def thin(tracks: Sequence[str], most: int) -> Tensor:
    """Rows of at most `most` items that keep each track's share: every k-th of all, in order.

    Items of a track stand together, so that the same stride meets every track. Returns int64
    indices, ascending; all of them when there are no more than `most`.
    """
    if most < 1:
        raise ValueError(f"expected to keep 1 or more items, got {most}")
    if len(tracks) <= most:
        return torch.arange(len(tracks))
    return torch.linspace(0, len(tracks) - 1, most, dtype=torch.float64).round().long()


def compare_sets(
    reference: Tensor,
    generated: Tensor,
    reference_tracks: Sequence[str],
    generated_tracks: Sequence[str],
    *,
    posteriors: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    resamples: int = 100,
    interval_items: int = 2000,
    seed: int = 0,
    songs: Sequence[str] | None = None,
    on_metric: Callable[[int, int], None] | None = None,
) -> SetComparison:
    """Measure how close and how varied a generated set is.

    Args:
        reference: vectors of windows `(N, D)`.
        generated: vectors of the same embedding `(M, D)`.
        reference_tracks: the track of each reference window; intervals resample tracks.
        generated_tracks: likewise.
        posteriors: class probabilities of a classifier by head, `(N, classes)` of the reference's
            windows and `(M, classes)` of the generated ones'.
        resamples: of the bootstrap; 0 gives no intervals.
        interval_items: the spread over resamples is that of at most so many windows of each set,
            spread evenly over it: neighbours cost the square of their number. Fewer windows of
            a track make an interval a little wider, never narrower on average.
        seed: of all draws.
        songs: the sound of each generated window, where a track has several; `outliers` are of
            these, and of tracks when None.
        on_metric: called with groups of metrics done and in all.
    """
    scores: dict[str, Score] = {}
    missing: dict[str, str] = {}
    rows = thin(reference_tracks, interval_items), thin(generated_tracks, interval_items)
    whole = len(rows[0]) == len(reference) and len(rows[1]) == len(generated)

    def measured(
        metric: Callable[[Tensor, Tensor], Any], x: Tensor, y: Tensor, most: int = resamples
    ) -> Any:
        if resamples < 2:
            return metric(x, y)
        groups = [
            [tracks[i] for i in picks.tolist()]
            for tracks, picks in zip((reference_tracks, generated_tracks), rows, strict=True)
        ]
        try:
            found = bootstrap(
                metric,
                x[rows[0]],
                y[rows[1]],
                reference_groups=groups[0],
                generated_groups=groups[1],
                resamples=max(2, min(most, resamples)),
                rng=torch.Generator().manual_seed(seed),
            )
        except ValueError as error:  # half of the tracks are too few; the value itself may stand
            return _without_interval(metric(x, y), str(error))
        return found if whole else _moved(found, metric(x, y), rows)

    def with_interval(metric: Callable[[Tensor, Tensor], Any]) -> Any:
        return measured(metric, reference, generated)

    def bins() -> dict[str, Score]:
        count = max(2, min(MOST_BINS, len(reference) // ITEMS_PER_BIN))
        fitted = fit_bins(reference, count, rng=torch.Generator().manual_seed(seed))
        return with_interval(lambda x, y: bin_scores(x, y, bins=fitted))

    def kernel() -> Score:
        ruler = check_bandwidth(None, reference)
        return with_interval(partial(kernel_distance, bandwidth=ruler))

    def neighbours() -> dict[str, Score]:
        ruler = check_bandwidth(None, reference)
        return with_interval(partial(neighbour_scores, bandwidth=ruler))

    def infinity() -> Score:
        worth = independent_items(reference, reference_tracks)

        def of_rows(i: Tensor, j: Tensor) -> Score:
            return frechet_infinity(
                reference[i],
                generated[j],
                groups=[generated_tracks[k] for k in j.tolist()],
                reference_items=worth * len(i) / len(reference),
                rng=torch.Generator().manual_seed(seed),
            )

        # Tracks are drawn within each resample, too, so that rows are resampled, not vectors.
        every = torch.arange(len(reference)), torch.arange(len(generated))
        return cast(Score, measured(of_rows, *every, most=INFINITY_RESAMPLES))

    many = min(len(reference), len(generated)) >= MANY
    alone: Groups = {
        ("kernel",): kernel,
        MANIFOLD: lambda: with_interval(manifold_scores),
    }
    groups: Groups = {
        ("frechet",): lambda: with_interval(frechet_distance),
        ("frechet_infinity",): infinity,
        **({("kernel", *MANIFOLD): neighbours} if many else alone),
        ("ndb", "jensen_shannon"): bins,
    }
    for head, pair in (posteriors or {}).items():
        # One part: intervals say how far the score moves, and parts of few items bias it down.
        score = partial(measured, lambda _, y: inception_score(y, splits=1), *pair)
        groups[(f"inception/{head}",)] = score
        groups[(f"posterior_kl/{head}",)] = partial(measured, posterior_divergence, *pair)

    def attempt(names: tuple[str, ...], measure: Callable[[], Any]) -> bool:
        try:
            found = measure()
        except ValueError as error:
            missing.update(dict.fromkeys(names, str(error)))
            return False
        scores.update({names[0]: found} if isinstance(found, Score) else found)
        return True

    for done, (names, measure) in enumerate(groups.items(), start=1):
        if not attempt(names, measure) and "kernel" in names:
            # What one of them needs, the other may do without.
            for part, measure_part in alone.items():
                if attempt(part, measure_part):
                    missing = {n: why for n, why in missing.items() if n not in part}
        if on_metric is not None:
            on_metric(done, len(groups))
    if "frechet" in scores:
        tracks = reference_tracks, generated_tracks
        scores["frechet"] = _warned(scores["frechet"], (reference, generated), tracks)
    return SetComparison(
        scores=scores,
        missing=missing,
        outliers=_outliers(reference, generated, songs or generated_tracks),
    )


def _warned(
    score: Score, sets: tuple[Tensor, Tensor], tracks: tuple[Sequence[str], Sequence[str]]
) -> Score:
    """The Frechet distance with what equal sets of so few tracks would score, said if it counts."""
    worth = [independent_items(x, of) for x, of in zip(sets, tracks, strict=True)]
    bias = frechet_bias(torch.linalg.eigvalsh(gaussian(sets[0]).covariance), *worth)
    details = {
        **score.details,
        "bias_by_track": bias,
        "independent_reference_items": worth[0],
        "independent_generated_items": worth[1],
    }
    notes = list(score.warnings)
    fewer = any(w < len(x) / 2 for w, x in zip(worth, sets, strict=True))
    if fewer and bias > BIAS_WARNING * score.value:
        notes.append(
            f"windows of a track resemble each other: {len(sets[0])} and {len(sets[1])} of them "
            f"are worth about {worth[0]:.0f} and {worth[1]:.0f} unrelated ones, and equal music "
            "would be found different, too, by every score here: judge by the halves of the "
            "reference, and give more tracks"
        )
    return replace(score, details=details, warnings=tuple(notes))


def _without_interval(found: Any, why: str) -> Any:
    if isinstance(found, dict):
        return {name: _without_interval(score, why) for name, score in found.items()}
    return replace(found, warnings=(*found.warnings, f"no interval: {why}"))


def _moved(found: Any, whole: Any, rows: tuple[Tensor, Tensor]) -> Any:
    """Scores of all items, with the interval that fewer gave, put around the new value."""
    if isinstance(whole, dict):
        return {name: _moved(found[name], whole[name], rows) for name in whole}
    interval, shift = found.interval, whole.value - found.value
    low, high = whole.cut(interval.low + shift, interval.high + shift)
    few = [n for n in found.warnings if n.startswith("an interval") and n not in whole.warnings]
    return replace(
        whole,
        details={
            **whole.details,
            "standard_error": found.details["standard_error"],
            "interval_reference_items": len(rows[0]),
            "interval_generated_items": len(rows[1]),
        },
        warnings=(*whole.warnings, *few),
        interval=interval._replace(low=low, high=high),
    )


def _outliers(reference: Tensor, generated: Tensor, of: Sequence[str]) -> dict[str, Score]:
    try:
        songs = frechet_per_group(reference, generated, of)
    except ValueError:
        return {}
    far = sorted(songs.items(), key=lambda p: (p[1].value != p[1].value, -p[1].value))
    return {str(track): score for track, score in far}
