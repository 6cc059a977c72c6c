"""Which modes are missing: bins of the reference, and how the generated set falls into them.

Richardson and Weiss 2018 (NDB, number of statistically different bins). Differs: no features are
drawn at random where there are many, since a metric that draws them without a seed cannot be
repeated; embed, or reduce, first. Both numbers are blind to damage that keeps items in their bins,
such as noise well below the distance of two modes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.special import ndtri
from torch import Tensor

from ...nn.quantize import k_means, nearest
from .features import check_pair, check_set
from .score import Score

__all__ = ["Bins", "bin_scores", "fit_bins", "jensen_shannon"]

CHUNK = 1 << 12
ENOUGH = 10
"""Items a bin needs in each set, on average, for a test of proportions to mean something."""


@dataclass(frozen=True, kw_only=True)
class Bins:
    """Regions of the feature space: a point belongs to the nearest centre."""

    mean: Tensor
    """`(D,)`, taken off first."""
    scale: Tensor
    """`(D,)`, divided by then."""
    centres: Tensor
    """`(K, D)`."""

    def counts(self, x: Tensor) -> Tensor:
        """How many items of `x (N, D)` fall into each bin, `(K,)` int64."""
        parts = x.to(self.centres.dtype).split(CHUNK)
        codes = [nearest((part - self.mean) / self.scale, self.centres) for part in parts]
        return torch.bincount(torch.cat(codes), minlength=len(self.centres))


def fit_bins(
    reference: Tensor,
    count: int = 100,
    *,
    whiten: bool = True,
    iterations: int = 100,
    rng: torch.Generator | None = None,
) -> Bins:
    """Cut the reference into bins with k-means.

    Args:
        reference: `(N, D)`.
        count: bins K.
        whiten: scale every feature to unit variance; constant ones stay.
        iterations: of k-means at most.
        rng: decides its first centres; seed 0 when None.

    Raises:
        ValueError: see `check_set`; also fewer items than bins, or a reference of equal items.
    """
    x = check_set(reference, "reference")
    if not 2 <= count <= len(x):
        raise ValueError(f"expected from 2 to {len(x)} bins for as many items, got {count}")
    mean, scale = x.mean(0), torch.ones_like(x[0])
    if whiten:
        spread = x.std(0)
        scale = torch.where(spread > 1e-12 * spread.max(), spread, scale)
    rng = rng or torch.Generator().manual_seed(0)
    white = (x - mean) / scale
    # Few assignments change between fp32 and fp64, so that fp32 takes most of the way.
    size = float(white.abs().max()) or 1.0
    start = _start(white, count, rng) / size
    near, _ = k_means((white / size).float(), count, iterations=iterations, start=start.float())
    centres, _ = k_means(white, count, iterations=iterations, start=near.double() * size)
    if len(centres.unique(dim=0)) < 2:
        raise ValueError(
            "all items of the reference are equal, so all bins are one: a reference of several "
            "different sounds is needed"
        )
    return Bins(mean=mean, scale=scale, centres=centres)


def bin_scores(
    reference: Tensor,
    generated: Tensor,
    *,
    bins: Bins | int = 100,
    alpha: float = 0.05,
    whiten: bool = True,
    rng: torch.Generator | None = None,
) -> dict[str, Score]:
    """`ndb` and `jensen_shannon` over bins of the reference; lower is closer.

    `ndb` is the share of bins whose proportions differ by a two-sided z-test of pooled proportions
    at level `alpha`: about `alpha` for equal distributions. It grows with the number of items, as
    tests do. `jensen_shannon` is the divergence of both histograms in nats, from 0 to ln 2.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        bins: from `fit_bins`, to fit a reference once, or how many to fit here.
        alpha: level of the test.
        whiten: see `fit_bins`.
        rng: see `fit_bins`.

    Raises:
        ValueError: see `check_pair` and `fit_bins`; also a level that is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"expected a level between 0 and 1, got {alpha}")
    pair = check_pair(reference, generated, centre=False)
    if isinstance(bins, int):
        bins = fit_bins(reference, bins, whiten=whiten, rng=rng)
    counts = bins.counts(reference), bins.counts(generated)
    shares = [c.to(torch.float64) / n for c, n in zip(counts, pair.items, strict=True)]
    n, m = pair.items
    pooled = (counts[0] + counts[1]).to(torch.float64) / (n + m)
    error = (pooled * (1 - pooled) * (1 / n + 1 / m)).sqrt()
    # A bin that is empty in both sets, or holds all of both, has no error and no difference.
    z = (shares[0] - shares[1]).abs() / error.where(error > 0, 1.0)
    different = int((z > float(ndtri(1 - alpha / 2))).sum())
    total = len(bins.centres)
    notes = list(pair.warnings)
    if min(n, m) < ENOUGH * total:
        notes.append(
            f"{min(n, m)} items in {total} bins: fewer than {ENOUGH} a bin tell few of them apart, "
            f"and push the divergence up; use {max(2, min(n, m) // ENOUGH)} bins or more items"
        )
    settings = {"bins": total, "dimensions": pair.reference.shape[1]}
    missed = int(((counts[0] > 0) & (counts[1] == 0)).sum())
    ndb = Score(
        value=different / total,
        items=pair.items,
        settings={**settings, "alpha": alpha},
        details={"different": different, "missed": missed},
        bounds=(0.0, 1.0),
        share_of=total,
        warnings=tuple(notes),
    )
    divergence = jensen_shannon(*shares)
    return {
        "ndb": ndb,
        "jensen_shannon": Score(
            value=divergence,
            items=pair.items,
            settings=settings,
            bounds=(0.0, math.log(2)),
            warnings=tuple(notes),
        ),
    }


def jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Jensen-Shannon divergence of two distributions `(K,)` in nats, in [0, ln 2]."""
    middle = (p + q) / 2
    # x ln x -> 0, so that an empty bin adds nothing.
    entropies = [torch.special.entr(x).sum() for x in (p, q, middle)]
    return max(0.0, float(entropies[2] - (entropies[0] + entropies[1]) / 2))


def _start(x: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """k-means++ (Arthur and Vassilvitskii 2007): each centre is an item, drawn with a probability
    that grows with the squared distance to the centres before it, so that no mode goes without."""
    draws = torch.rand(count, generator=rng, dtype=torch.float64).tolist()
    picks = [int(draws[0] * len(x))]
    squares = x.square().sum(1)
    distances = torch.full_like(squares, float("inf"))
    for draw in draws[1:]:
        found = squares - 2 * (x @ x[picks[-1]]) + squares[picks[-1]]
        distances = torch.minimum(distances, found.clamp_min(0))
        ends = distances.cumsum(0)
        pick = int(torch.searchsorted(ends, draw * float(ends[-1]), right=True))
        picks.append(min(pick, len(x) - 1))
    return x[picks]
