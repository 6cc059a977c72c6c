"""Frechet distance of endlessly many items, from how it falls with their number.

Chong and Forsyth 2020 on images, Gui et al. 2023 on music (FAD-infinity).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from .features import check_pair
from .frechet import BIAS_WARNING, fit_gaussian, frechet_bias, frechet_parts
from .groups import rows_by_group
from .score import Score

__all__ = ["frechet_infinity"]

SMALLEST = 0.1
SMALLEST_OF_TRACKS = 1 / 3
"""Of few tracks the distance is not linear in 1/n."""
"""Share of the generated items in the smallest sample."""


def frechet_infinity(
    reference: Tensor,
    generated: Tensor,
    *,
    sizes: int = 25,
    smallest: int | None = None,
    rng: torch.Generator | None = None,
    groups: Sequence[Hashable] | None = None,
    reference_items: float | None = None,
) -> Score:
    """Frechet distance of endlessly many generated items.

    The distance falls with 1/n towards that of the whole distribution: samples of several sizes are
    measured, and a line through the distances over 1/n is followed to 0. Differs from fadtk:
    samples are drawn without replacement (with it, the line leads to the distance of the finite
    set, bias included) and evenly over 1/n. The reference is whole, as in Gui et al. 2023, so what
    its size adds remains: about `reference_bias`.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        sizes: samples drawn, from `smallest` to M items.
        smallest: items of the smallest sample; a tenth of M (of tracks a third), and above D
            items, when None.
        rng: decides the samples; seed 0 when None.
        groups: the track of each generated item, M of them. Samples are of whole tracks then, and
            the line is over their number: items of one track resemble each other, and more of them
            tell nothing of other tracks. Each item its own when None.
        reference_items: independent items that the reference is worth, for `reference_bias`; N when
            None.

    Returns:
        The intercept, which may be below 0; in `details` its `standard_error`, the `slope`, the
        share `r2` of the variance that the line explains, the distance `whole` of all items, and
        `reference_bias`, of independent items.

    Raises:
        ValueError: see `check_pair`; also fewer than 3 sizes, or a range of them that is empty.
    """
    pair = check_pair(reference, generated)
    total_items, dims = pair.generated.shape
    tracks = list(rows_by_group(groups, total_items, "generated").values())
    count = len(tracks)
    # As many tracks as hold more items than there are dimensions.
    enough = -(-(dims + 1) * count // total_items)
    share = SMALLEST if groups is None else SMALLEST_OF_TRACKS
    least = max(2, round(share * count), enough) if smallest is None else smallest
    if sizes < 3 or least < 2 or least >= count:
        of = "items" if groups is None else "tracks"
        raise ValueError(
            f"expected 3 or more sizes from 2 or more up to the {count} generated {of}, got "
            f"{sizes} from {least} on: give more {of}, or a smaller `smallest`"
        )
    rng = rng or torch.Generator().manual_seed(0)
    fixed = fit_gaussian(pair.reference)
    inverse = torch.linspace(1 / count, 1 / least, sizes, dtype=torch.float64)
    counts = [round(1 / x) for x in inverse.tolist()]
    values = []
    for size in counts:
        drawn = torch.randperm(count, generator=rng)[:size].tolist()
        picks = torch.cat([tracks[i] for i in drawn]).to(pair.generated.device)
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
    remains = frechet_bias(
        torch.linalg.eigvalsh(fixed.covariance), reference_items or len(pair.reference), math.inf
    )
    notes = list(pair.warnings)
    if remains > BIAS_WARNING * abs(float(intercept)):
        notes.append(
            f"that the reference is finite adds about {remains:.3g}: only a larger reference takes "
            "that away"
        )
    if least < enough:
        notes.append(
            f"samples of {least * total_items // count} items in {dims} dimensions: the "
            "distance is not yet linear in 1/n"
        )
    if r2 < 0.5:
        notes.append(
            f"the line explains {r2:.0%} of the variance: these sizes tell little of the limit"
        )
    return Score(
        value=float(intercept),
        items=pair.items,
        settings={
            "dimensions": dims,
            "sizes": sizes,
            "smallest": least,
            "by_track": groups is not None,
        },
        details={
            "standard_error": float(error),
            "slope": float(slope),
            "r2": r2,
            "whole": max(values[0], 0.0),
            "reference_bias": remains,
        },
        warnings=tuple(notes),
    )
