"""Frechet distance of endlessly many items, from how it falls with their number.

Chong and Forsyth 2020 on images, Gui et al. 2023 on music (FAD-infinity).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .features import check_pair
from .frechet import fit_gaussian, frechet_parts
from .score import Score

__all__ = ["frechet_infinity"]

SMALLEST = 0.1
"""Share of the generated items in the smallest sample."""


def frechet_infinity(
    reference: Tensor,
    generated: Tensor,
    *,
    sizes: int = 25,
    smallest: int | None = None,
    rng: torch.Generator | None = None,
) -> Score:
    """Frechet distance of endlessly many generated items.

    The distance falls with 1/n towards that of the whole distribution: samples of several sizes are
    measured, and a line through the distances over 1/n is followed to 0. Differs from fadtk:
    samples are drawn without replacement (with it, the line leads to the distance of the finite
    set, bias included) and evenly over 1/n. The reference is whole, so what its size adds remains.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        sizes: samples drawn, from `smallest` to M items.
        smallest: items of the smallest sample; a tenth of M, and above D, when None.
        rng: decides the samples; seed 0 when None.

    Returns:
        The intercept, which may be below 0; in `details` its `standard_error`, the `slope`, the
        share `r2` of the variance that the line explains, and the distance `whole` of all items.

    Raises:
        ValueError: see `check_pair`; also fewer than 3 sizes, or a range of them that is empty.
    """
    pair = check_pair(reference, generated)
    count, dims = pair.generated.shape
    least = max(2, round(SMALLEST * count), dims + 1) if smallest is None else smallest
    if sizes < 3 or least < 2 or least >= count:
        raise ValueError(
            f"expected 3 or more sizes from 2 or more up to the {count} generated items, got "
            f"{sizes} from {least} on: give more items, or a smaller `smallest`"
        )
    rng = rng or torch.Generator().manual_seed(0)
    fixed = fit_gaussian(pair.reference)
    inverse = torch.linspace(1 / count, 1 / least, sizes, dtype=torch.float64)
    counts = [round(1 / x) for x in inverse.tolist()]
    values = []
    for size in counts:
        picks = torch.randperm(count, generator=rng)[:size].to(pair.generated.device)
        values.append(sum(frechet_parts(fixed, fit_gaussian(pair.generated[picks]))))
    x = torch.tensor(counts, dtype=torch.float64).reciprocal()
    y = torch.tensor(values, dtype=torch.float64)
    spread = (x - x.mean()).square().sum()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / spread
    intercept = y.mean() - slope * x.mean()
    left = (y - intercept - slope * x).square().sum()
    error = (left / (sizes - 2) * (1 / sizes + x.mean().square() / spread)).sqrt()
    total = (y - y.mean()).square().sum()
    r2 = float(1 - left / total) if total > 0 else 1.0
    notes = list(pair.warnings)
    if least <= dims:
        notes.append(
            f"samples of {least} items in {dims} dimensions: the distance is not yet linear in 1/n"
        )
    if r2 < 0.5:
        notes.append(
            f"the line explains {r2:.0%} of the variance: there is little bias, or too few items"
        )
    return Score(
        value=float(intercept),
        items=pair.items,
        settings={"dimensions": dims, "sizes": sizes, "smallest": least},
        details={
            "standard_error": float(error),
            "slope": float(slope),
            "r2": r2,
            "whole": max(values[0], 0.0),
        },
        warnings=tuple(notes),
    )
