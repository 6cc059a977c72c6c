"""What a crop is conditioned on: the fields of its item, with times moved to the crop's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .format import StoredItem

__all__ = ["crop_field"]

POINTS = ("beats", "downbeats", "onsets")
"""Fields that are lists of times."""
SPANS = ("chords", "notes")
"""Fields of rows `[start, end, ...]`."""
CHANGES = ("sections", "dynamics")
"""Fields of rows `[start, ...]`, each valid until the next."""


def crop_field(
    item: StoredItem, metadata: Mapping[str, Any], field: str, start: float, seconds: float
) -> Any:
    """Return the raw value of a field for the crop from `start` on, both in seconds.

    `caption`, `group`, `path` and `id` are the item's. `seconds_start` and `seconds_total` say
    where the crop lies in its item. Of the metadata, times in `beats`, `downbeats`, `onsets`,
    `chords`, `notes`, `sections` and `dynamics` are cut to the crop and count from its start; all
    else passes as it is. None where it is missing.
    """
    if field in ("caption", "group", "path", "id"):
        return getattr(item, field)
    if field == "seconds_start":
        return start
    if field == "seconds_total":
        return item.duration
    value = metadata.get(field)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    end = start + seconds
    if field in POINTS:
        return [t - start for t in value if start <= t < end]
    if field in SPANS:
        inside = [row for row in value if row[0] < end and row[1] > start]
        return [[max(row[0], start) - start, min(row[1], end) - start, *row[2:]] for row in inside]
    if field in CHANGES:
        ends = [row[0] for row in value[1:]] + [float("inf")]
        inside = [
            row for row, until in zip(value, ends, strict=True) if row[0] < end and until > start
        ]
        return [[max(row[0], start) - start, *row[1:]] for row in inside]
    return value
