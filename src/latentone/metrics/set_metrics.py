"""What the scores of two sets mean: unit, range, which way is better."""

from __future__ import annotations

from .reconstruction import Metric

__all__ = ["POSTERIOR_METRICS", "SET_METRICS", "set_metric"]

SET_METRICS = {
    "frechet": Metric(
        "",
        "[0, inf)",
        "lower",
        "Frechet distance of two Gaussians, in squared units of the embedding",
    ),
    "frechet_infinity": Metric(
        "",
        "(-inf, inf)",
        "lower",
        "the same, extrapolated to infinitely many generated items; the reference is as it is",
    ),
    "kernel": Metric(
        "",
        "(-inf, 200]",
        "lower",
        "unbiased MMD^2 x 100, Gaussian kernel as wide as the reference; 0 is equal",
    ),
    "precision": Metric(
        "", "[0, 1]", "higher", "share of generated items that lie among the reference"
    ),
    "recall": Metric(
        "", "[0, 1]", "higher", "share of the reference that lies among the generated items"
    ),
    "density": Metric(
        "",
        "[0, inf)",
        "higher",
        "how densely the reference surrounds generated items; about 1 for equal sets, if windows "
        "are unrelated",
    ),
    "coverage": Metric(
        "",
        "[0, 1]",
        "higher",
        "share of the reference with a generated neighbour; about 0.97 for equal sets, if "
        "windows are unrelated",
    ),
    "ndb": Metric(
        "",
        "[0, 1]",
        "lower",
        "share of k-means bins whose shares differ significantly; about 0.05 for equal "
        "sets, if windows are unrelated",
    ),
    "jensen_shannon": Metric(
        "nats",
        "[0, 0.693]",
        "lower",
        "divergence of the shares of these bins; 0 is equal, ln 2 apart",
    ),
}
"""What each number means."""

POSTERIOR_METRICS = {
    "inception": Metric(
        "",
        "[1, classes]",
        "higher",
        "sure of each generated item and of many classes over all; of the generated set alone",
    ),
    "posterior_kl": Metric(
        "nats",
        "[0, inf)",
        "lower",
        "KL of the generated set's mean class probabilities from the reference's",
    ),
}
"""What each number of a classifier's head means; they are called `inception/HEAD` and so on."""


def set_metric(name: str) -> Metric:
    """What a score of `compare_sets` means: a name of `SET_METRICS`, or `inception/HEAD`."""
    known = {**SET_METRICS, **POSTERIOR_METRICS}
    kind = name.partition("/")[0]
    if kind not in known:
        raise ValueError(f"unknown metric {name!r}; known: {', '.join(known)}")
    return known[kind]
