"""How a folder is cut into shards and shards into batches: a function of the manifest alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..config import to_dict

if TYPE_CHECKING:
    from ..data.manifest import Item

__all__ = ["cut_batches", "cut_shards", "plan_fingerprint"]


def cut_shards(
    items: Sequence[Item], *, shard_seconds: float, shard_items: int
) -> list[list[Item]]:
    """Cut items, in order, into shards of at most that many seconds and items (at least one)."""
    if shard_seconds <= 0 or shard_items < 1:
        raise ValueError(f"a shard must hold something, got {shard_seconds=} and {shard_items=}")
    shards: list[list[Item]] = []
    seconds = 0.0
    for item in items:
        full = not shards or len(shards[-1]) >= shard_items
        if full or seconds + item.duration > shard_seconds:
            shards.append([])
            seconds = 0.0
        shards[-1].append(item)
        seconds += item.duration
    return shards


def cut_batches(
    items: Sequence[Item], sample_rate: int, *, batch_seconds: float
) -> list[list[Item]]:
    """Group the items of a shard by equal length, in batches of at most that many seconds.

    Nothing is padded: a batch holds equal lengths or one item, so that encoding it is encoding
    each of its items.
    """

    def length(item: Item) -> int:
        return round(item.duration * sample_rate)

    batches = []
    for samples, group in groupby(sorted(items, key=length), key=length):
        same = list(group)
        size = max(1, int(batch_seconds * sample_rate / max(samples, 1)))
        batches += [same[i : i + size] for i in range(0, len(same), size)]
    return batches


def plan_fingerprint(shards: Sequence[Sequence[Item]]) -> str:
    """Hash what goes where: identity, length and metadata of every item, in order."""
    fields = ("id", "path", "group", "split", "duration", "caption", "metadata")
    cut: list[Any] = [
        [[to_dict(getattr(item, name)) for name in fields] for item in shard] for shard in shards
    ]
    return hashlib.sha256(json.dumps(cut, sort_keys=True).encode()).hexdigest()
