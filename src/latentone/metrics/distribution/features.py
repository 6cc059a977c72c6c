"""Two sets of feature vectors, checked before anything is measured."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Pair", "check_pair", "check_set"]


class Pair(NamedTuple):
    """Two sets `(N, D)` and `(M, D)` that can be compared, and what weakens the comparison."""

    reference: Tensor
    generated: Tensor
    warnings: tuple[str, ...]

    @property
    def items(self) -> tuple[int, int]:
        return len(self.reference), len(self.generated)


def check_pair(
    reference: Tensor,
    generated: Tensor,
    *,
    minimum: int = 2,
    centre: bool = True,
) -> Pair:
    """Check both sets, and move the mean of the reference to the origin.

    No metric here changes when both sets are moved together, but a distance between vectors far
    from the origin loses digits.

    Args:
        reference: `(N, D)`.
        generated: `(M, D)`.
        minimum: items that the metric needs in each set.
        centre: leave both where they are when False.

    Raises:
        ValueError: not two matrices of equal width, too few items, or numbers that are not finite.
    """
    names = ("reference", "generated")
    both = [check_set(x, n, minimum) for x, n in zip((reference, generated), names, strict=True)]
    if both[0].shape[1] != both[1].shape[1]:
        raise ValueError(
            f"the reference has {both[0].shape[1]} features an item and the generated set "
            f"{both[1].shape[1]}: embed both with the same model"
        )
    warnings = list(_degenerate(*both))
    shared = _shared(*both)
    if shared == len(both[1]) == len(both[0]):
        warnings.append(
            "the generated set holds exactly the items of the reference: its distance is that of "
            "a set to itself, which says nothing of a generator"
        )
    elif shared:
        warnings.append(
            f"{shared} of {len(both[1])} generated items are also in the reference, bit for bit: "
            "closeness may be copying"
        )
    if centre:
        origin = both[0].mean(0)
        both = [x - origin for x in both]
    return Pair(both[0], both[1], tuple(warnings))


def check_set(x: Tensor, name: str, minimum: int = 2) -> Tensor:
    """One set of items in fp64.

    Raises:
        ValueError: not `(items, features)`, too few items, or numbers that are not finite.
    """
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(
            f"expected {name} features of shape (items, features), got {tuple(x.shape)}"
        )
    if len(x) < minimum:
        raise ValueError(
            f"the {name} set has {len(x)} {'item' if len(x) == 1 else 'items'}; "
            f"this metric needs {minimum} or more"
        )
    # A sum that is finite has no other summands, and takes a tenth of the time.
    if not math.isfinite(x.sum(dtype=torch.float64)) and bool((bad := ~x.isfinite().all(1)).any()):
        raise ValueError(
            f"{int(bad.sum())} of {len(x)} {name} items have features that are not finite, first "
            f"item {int(bad.int().argmax())}: leave them out, and look at what they were made from"
        )
    return x.detach().to(torch.float64)


def _degenerate(reference: Tensor, generated: Tensor) -> list[str]:
    warnings = []
    constant = [_constant(x) for x in (reference, generated)]
    for name, flat in zip(("reference", "generated"), constant, strict=True):
        if bool(flat.all()):
            warnings.append(
                f"all items of the {name} set are equal: its mean is all that there is to compare"
            )
        elif bool(flat.any()):
            warnings.append(
                f"{int(flat.sum())} of {len(flat)} features are constant in the {name} set"
            )
    return warnings


def _constant(x: Tensor) -> Tensor:
    """Which features `(D,)` are the same for all items."""
    flat = x[0] == x[-1]
    flat[flat.clone()] = (x[:, flat] == x[0, flat]).all(0)
    return flat


def _shared(reference: Tensor, generated: Tensor) -> int:
    """How many generated items are in the reference bit for bit.

    Integer arithmetic wraps and has no rounding, so equal rows have equal hashes in any order of
    summation; others collide with probability 2^-64.
    """
    # Rows that are equal have equal first numbers, which few rows have by chance.
    generated = generated[torch.isin(generated[:, 0], reference[:, 0])]
    reference = reference[torch.isin(reference[:, 0], generated[:, 0])]
    rng = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**62), 2**62, (reference.shape[1],), generator=rng)
    weights = (weights | 1).to(reference.device)
    # x + 0 turns -0 into 0.
    hashes = [((x + 0.0).view(torch.int64) * weights).sum(1) for x in (reference, generated)]
    return int(torch.isin(hashes[1], hashes[0]).sum())
