"""Frechet distance of two sets of features: how far apart their means and covariances are.

Dowson and Landau 1982; on images Heusel et al. 2017 (FID); on audio Kilgour et al. 2019 (FAD):

    FAD = |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2)

With C1 = R1'R1 and C2 = R2'R2, the eigenvalues of C1 C2 are those of (R1 R2')(R1 R2')', so that the
last trace is the sum of the singular values of R1 R2'. Where features do not explain each other, R
is the Cholesky factor of their products; elsewhere it comes from a QR decomposition of the centred
features, which never squares them: the distance is exact also where a covariance is singular (fewer
items than features, constant features), where a matrix square root is not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .features import check_pair, check_set
from .score import Score

__all__ = [
    "Gaussian",
    "frechet_bias",
    "frechet_distance",
    "frechet_from_statistics",
    "gaussian",
    "gaussian_from_moments",
    "merge",
]

BIAS_WARNING = 0.1
"""Share of a distance that may be bias before a warning says so."""


ROWS = 1 << 10
ALONE = 1e-2
"""Least share of a feature's deviation that the features before it leave unexplained, for its
covariance to be squared: the square of the share is how much of a sum is left after cancellation.
"""


class Gaussian(NamedTuple):
    """What the Frechet distance knows of a set."""

    mean: Tensor
    """`(D,)`, fp64."""
    factor: Tensor
    """`(min(N, D), D)`, fp64: `factor' factor` is the unbiased covariance times `items - 1`."""
    items: int

    @property
    def covariance(self) -> Tensor:
        """`(D, D)`, unbiased."""
        return self.factor.T @ self.factor / (self.items - 1)


def gaussian(x: Tensor) -> Gaussian:
    """Mean and covariance of features `(N, D)`.

    Raises:
        ValueError: see `check_set`.
    """
    return fit_gaussian(check_set(x, "given"))


def fit_gaussian(x: Tensor) -> Gaussian:
    """The same of features that were checked."""
    mean = x.mean(0)
    scatter = x.new_zeros(x.shape[1], x.shape[1])
    for part in x.split(ROWS):
        centred = part - mean
        scatter.addmm_(centred.T, centred)
    factor, failed = torch.linalg.cholesky_ex(scatter, upper=True)
    left = factor.diagonal() / scatter.diagonal().sqrt()
    if len(x) <= x.shape[1] or bool(failed) or not bool((left > ALONE).all()):
        factor = torch.linalg.qr(x - mean, mode="r").R
    return Gaussian(mean, factor, len(x))


def gaussian_from_moments(mean: Tensor, covariance: Tensor, items: int) -> Gaussian:
    """The same from what other tools store.

    Args:
        mean: `(D,)`.
        covariance: `(D, D)`, unbiased (divided by N - 1).
        items: N; the bias is estimated from it.

    Raises:
        ValueError: shapes that do not fit, a covariance that is not symmetric or has a negative
            eigenvalue beyond rounding, or fewer than 2 items.
    """
    mean, covariance = mean.to(torch.float64), covariance.to(torch.float64)
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or items < 2:
        raise ValueError(
            "expected a mean (D,), a covariance (D, D) and 2 or more items, got "
            f"{tuple(mean.shape)}, {tuple(covariance.shape)} and {items}"
        )
    if not bool(torch.isfinite(covariance).all() and torch.isfinite(mean).all()):
        raise ValueError("expected a finite mean and covariance, got NaN or infinity")
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    largest = float(values.abs().max())
    # Statistics are often kept in fp32, whose rounding both tests have to let pass.
    skew = float((covariance - covariance.T).abs().max())
    if skew > 1e-5 * largest or float(values.min()) < -1e-5 * largest:
        raise ValueError(
            "expected a covariance, symmetric and without negative eigenvalues; the largest "
            f"eigenvalue is {largest:.3g}, the smallest {float(values.min()):.3g}, and it differs "
            f"from its transpose by up to {skew:.3g}"
        )
    root = (values.clamp_min(0) * (items - 1)).sqrt()
    return Gaussian(mean, (vectors * root).T, items)


def merge(a: Gaussian, b: Gaussian) -> Gaussian:
    """Mean and covariance of both sets together, as if they had been one.

    The scatter around the joint mean is the sum of both and `n m / (n + m)` times the outer product
    of the difference of the means (Chan et al. 1979): one more row of the factor.
    """
    items = a.items + b.items
    shift = b.mean - a.mean
    row = shift * (a.items * b.items / items) ** 0.5
    factor = torch.linalg.qr(torch.cat([a.factor, b.factor, row[None]]), mode="r").R
    return Gaussian(a.mean + shift * (b.items / items), factor, items)


def frechet_distance(reference: Tensor, generated: Tensor) -> Score:
    """Frechet distance of two sets, in [0, inf), lower is closer.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.

    Returns:
        See `frechet_from_statistics`.

    Raises:
        ValueError: see `check_pair`.
    """
    pair = check_pair(reference, generated, centre=False)
    sides = fit_gaussian(pair.reference), fit_gaussian(pair.generated)
    return frechet_from_statistics(*sides, warnings=pair.warnings)


def frechet_from_statistics(
    reference: Gaussian, generated: Gaussian, *, warnings: tuple[str, ...] = ()
) -> Score:
    """Frechet distance of two sets known by mean and covariance.

    Args:
        reference: from `gaussian`, `merge` or `gaussian_from_moments`.
        generated: likewise.
        warnings: put before those found here.

    Returns:
        The distance; in `details` its parts `mean` and `covariance`, the value `raw` before
        rounding errors below 0 are cut, and `bias`: what two sets of these sizes would be expected
        to score were both drawn from the reference's distribution, all items independently
        (`frechet_bias`; not where there are fewer items than dimensions, where it does not hold).

    Raises:
        ValueError: unequal widths.
    """
    if reference.mean.shape != generated.mean.shape:
        raise ValueError(
            f"the reference has {len(reference.mean)} features an item and the generated set "
            f"{len(generated.mean)}: embed both with the same model"
        )
    mean, covariance = frechet_parts(reference, generated)
    items = reference.items, generated.items
    spectrum = torch.linalg.eigvalsh(reference.covariance)
    bias = frechet_bias(spectrum, *items)
    raw = mean + covariance
    value, dims = max(raw, 0.0), len(reference.mean)
    notes = list(warnings)
    if min(items) <= dims:
        notes.append(
            f"{min(items)} items in {dims} dimensions leave a covariance singular: the distance is "
            "mostly bias, and compares only sets of the same sizes; the kernel distance has no bias"
        )
    elif bias > BIAS_WARNING * value:
        notes.append(
            f"two sets of these sizes from one distribution would score about {bias:.3g}, which is "
            f"{bias / value:.0%} of this distance: use more items, or FAD-infinity"
            if value
            else f"two sets of these sizes from one distribution would score about {bias:.3g}"
        )
    details = {"mean": mean, "covariance": covariance, "raw": raw}
    if min(items) > dims:
        details["bias"] = bias
    return Score(
        value=value,
        items=items,
        settings={"dimensions": dims},
        details=details,
        bounds=(0.0, None),
        warnings=(*notes,),
    )


def frechet_bias(spectrum: Tensor, reference_items: float, generated_items: float) -> float:
    """Expected Frechet distance of two samples from one normal distribution.

    To second order in the error E of a covariance with eigenvalues s, the distance of covariances
    is `1/2 sum_ij E_ij^2 / (s_i + s_j)`, and a sample of n leaves `E_ij^2 = s_i s_j (1 + [i = j]) /
    n` on average, and `s_i / n` for the square of the mean's error. Both samples add up:

        (1/n + 1/m) (sum_i s_i + 1/2 sum_ij s_i s_j (1 + [i = j]) / (s_i + s_j))

    For s = 1 and n = m this is 2 d / n + d (d + 1) / (2 n). Holds where both sets have several
    times more items than dimensions.

    Args:
        spectrum: eigenvalues of the covariance, `(D,)`.
        reference_items: n; `inf` for a known distribution.
        generated_items: m; likewise.
    """
    s = spectrum.to(torch.float64)
    s = s[s > 0]
    pairs = (s[:, None] * s / (s[:, None] + s)).sum()
    rate = 1 / reference_items + 1 / generated_items
    return float(rate * (s.sum() + pairs / 2 + s.sum() / 4))


def frechet_parts(a: Gaussian, b: Gaussian) -> tuple[float, float]:
    """What the means and what the covariances contribute."""
    mean = (a.mean - b.mean).square().sum()
    roots = [g.factor / (g.items - 1) ** 0.5 for g in (a, b)]
    traces = roots[0].square().sum() + roots[1].square().sum()
    return float(mean), float(traces - 2 * torch.linalg.svdvals(roots[0] @ roots[1].T).sum())
