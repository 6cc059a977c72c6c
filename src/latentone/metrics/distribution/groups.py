"""Items by track: which rows belong together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

__all__ = ["rows_by_group"]


def rows_by_group(
    groups: Sequence[Hashable] | None, items: int, name: str
) -> dict[Hashable, Tensor]:
    """Rows of each group, int64, in order of appearance; each item its own group when None.

    Raises:
        ValueError: there is not a group for each item.
    """
    groups = range(items) if groups is None else groups
    if len(groups) != items:
        raise ValueError(f"expected a group for each of {items} {name} items, got {len(groups)}")
    rows: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        rows.setdefault(group, []).append(index)
    return {group: torch.tensor(r) for group, r in rows.items()}
