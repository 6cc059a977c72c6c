"""How close one set of sounds is to another, by their features: nothing is paired.

Every metric takes a reference `(N, D)` and a generated set `(M, D)` of one embedding and returns a
`Score`, or several by name. All give the numbers of fp64, also where they look for something in
fp32, need memory for a block of distances at most, and refuse what cannot be measured or say in
`Score.warnings` what weakens the number.
"""

from __future__ import annotations

from .bins import Bins, bin_scores, fit_bins, jensen_shannon
from .bootstrap import bootstrap
from .features import check_pair, check_set
from .frechet import (
    BIAS_WARNING,
    Gaussian,
    frechet_bias,
    frechet_distance,
    frechet_from_statistics,
    gaussian,
    gaussian_from_moments,
    merge,
)
from .inception import inception_score, posterior_divergence
from .infinity import frechet_infinity
from .kernel import check_bandwidth, kernel_distance
from .manifold import manifold_scores, nearest_distances
from .median import median_distance
from .one_pass import neighbour_scores
from .per_group import frechet_per_group
from .polynomial import kernel_inception_distance
from .score import Interval, Score

__all__ = [
    "BIAS_WARNING",
    "Bins",
    "Gaussian",
    "Interval",
    "Score",
    "bin_scores",
    "bootstrap",
    "check_bandwidth",
    "check_pair",
    "check_set",
    "fit_bins",
    "frechet_bias",
    "frechet_distance",
    "frechet_from_statistics",
    "frechet_infinity",
    "frechet_per_group",
    "gaussian",
    "gaussian_from_moments",
    "inception_score",
    "jensen_shannon",
    "kernel_distance",
    "kernel_inception_distance",
    "manifold_scores",
    "median_distance",
    "merge",
    "nearest_distances",
    "neighbour_scores",
    "posterior_divergence",
]
