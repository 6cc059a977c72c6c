"""Step 2: a folder of audio becomes a latent store, by one process or by many.

Every process runs the same loop: take a shard that is neither there nor claimed, encode it, let it
appear. Nobody coordinates: a process that dies frees its claim, and any other, or the next run of
the same command, does the shard again. Whoever finds all shards there writes `dataset.json`, whose
content does not depend on who that is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from ..codecs.base import Codec
from ..conditioning import FramesConfig
from ..device import Precision, choose_device
from .claim import claim
from .format import CodecSummary, Description, Plan, StoreError, shard_paths
from .items import ItemEncoder
from .lifecycle import begin, finish, intact, load_record
from .plan import cut_shards, plan_fingerprint
from .store import LatentStore
from .virtual import index_folder
from .writer import ShardWriter, full_disk

if TYPE_CHECKING:
    from ..data.manifest import Item, Manifest

__all__ = ["EncodeProgress", "encode_folder"]

POLL_SECONDS = 0.1
"""Pause between two looks at shards that other processes hold."""


class EncodeProgress(NamedTuple):
    """How far a store is, all processes together (other processes count by whole shards)."""

    items: int
    total_items: int
    seconds: float
    """Of audio."""
    total_seconds: float
    failures: int


def encode_folder(
    codec: Codec,
    manifest: Manifest,
    out: str | Path,
    *,
    name: str = "",
    shard_seconds: float = 3600.0,
    shard_items: int = 10_000,
    batch_seconds: float = 60.0,
    storage: Literal["float16", "float32"] = "float16",
    device: str = "auto",
    precision: Precision = "fp32",
    maps: Mapping[str, FramesConfig] | None = None,
    rank: int | None = None,
    world: int | None = None,
    on_progress: Callable[[EncodeProgress], None] | None = None,
) -> LatentStore:
    """Encode the items of a manifest into the folder `out`, or continue doing so.

    Returns when the store is finished, also when other processes did a part of it. Items of equal
    length are encoded together and nothing is padded. An item longer than `batch_seconds` is
    encoded in pieces, in constant memory, where the codec can (`Codec.chunkable`); otherwise in
    one piece, with a warning from ten minutes on. Files that cannot be read or encoded are listed
    in `failures.jsonl`.

    Args:
        codec: who encodes; a virtual codec gets an index instead of latents.
        manifest: what to encode.
        out: a new or empty folder, or a store begun with the same codec and manifest.
        name: folder or Hub id of the codec, for people.
        shard_seconds: audio per shard: how much work a kill loses at most.
        shard_items: items per shard.
        batch_seconds: audio per call of the codec.
        storage: element type of continuous streams; codes take the smallest integers.
        device: as `choose_device`; under torchrun each rank of a machine takes its own GPU.
        precision: arithmetic of the codec; bf16 changes some codes.
        maps: what is measured beside the latents, frame by frame, by the name of its stream.
        rank: which shards to begin with; None reads RANK.
        world: how many processes there are; None reads WORLD_SIZE.
        on_progress: called after every batch.

    Raises:
        StoreError: `out` belongs to another codec, manifest or settings, or holds something else;
            or not one item could be encoded.
        ValueError: maps beside a virtual codec or under the name of a stream of the codec, or the
            latents have no frame rate.
        FileNotFoundError: the folder of audio is gone.
        OSError: the disk is full; what was finished stays.
    """
    out = Path(out)
    measured = _fitted(codec, maps or {})
    if codec.virtual:
        return index_folder(codec, manifest, out, name=name)
    rank = int(os.environ.get("RANK", "0")) if rank is None else rank
    world = int(os.environ.get("WORLD_SIZE", "1")) if world is None else world
    if not 0 <= rank < world:
        raise ValueError(f"rank must be in 0..{world - 1}, got {rank}")
    if not manifest.items:
        raise StoreError(f"{manifest.root} has no items to encode")
    shards = cut_shards(manifest.items, shard_seconds=shard_seconds, shard_items=shard_items)
    description = Description(
        kind="sharded",
        codec=CodecSummary.of(codec, name),
        streams=codec.stream_specs() | {name: m.stream for name, m in measured.items()},
        plan=Plan(
            items=len(manifest.items),
            shards=len(shards),
            fingerprint=plan_fingerprint(shards),
            storage=storage,
            precision=precision,
        ),
    )
    try:
        description = begin(out, description)
        encoder = ItemEncoder(
            codec, Path(manifest.root), batch_seconds, _device(device), precision, measured
        )
        order = sorted(range(len(shards)), key=lambda shard: ((shard - rank) % world, shard))
        progress = _Progress(out, shards, on_progress)
        while order:
            for shard in list(order):
                paths = shard_paths(out, shard)
                if not intact(out, shard):
                    with claim(paths["lock"]) as held:
                        if not held:
                            continue
                        if not intact(out, shard):
                            with ShardWriter(out, shard, description.streams, storage) as writer:
                                encoder.encode(shards[shard], writer, progress.add)
                                writer.commit()
                order.remove(shard)
                progress.done(shard)
            if order:
                time.sleep(POLL_SECONDS)
        finish(out, description, manifest)
    except OSError as error:
        raise full_disk(error, out) from error
    return LatentStore.open(out)


def _fitted(codec: Codec, maps: Mapping[str, FramesConfig]) -> dict[str, FramesConfig]:
    if maps and codec.virtual:
        raise ValueError(
            f"the latents of a {type(codec).__name__} are made on the fly, and so have no maps "
            f"beside them, such as {min(maps)!r}: take a codec that learns"
        )
    taken = sorted(set(maps) & set(codec.stream_specs()))
    if taken:
        raise ValueError(f"{taken[0]!r} is a stream of the codec: give the map another name")
    return {name: config.fitted(codec.latent) for name, config in maps.items()}


def _device(name: str) -> torch.device:
    device = choose_device(name)
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


class _Progress:
    """Adds up what is done, by this process and by others."""

    def __init__(
        self,
        out: Path,
        shards: list[list[Item]],
        report: Callable[[EncodeProgress], None] | None,
    ) -> None:
        self.out, self.shards, self.report = out, shards, report
        self.total_items = sum(len(shard) for shard in shards)
        self.total_seconds = sum(item.duration for shard in shards for item in shard)
        self.items = self.failures = 0
        self.seconds = 0.0
        self._open: list[Item] = []
        self._open_failures = 0

    def add(self, items: list[Item], failures: int) -> None:
        """Count a batch of the shard at work, which has that many failures so far."""
        self._open += items
        self._open_failures = failures
        self._tell()

    def done(self, shard: int) -> None:
        """Count a shard that is there."""
        self.items += len(self.shards[shard])
        self.seconds += sum(item.duration for item in self.shards[shard])
        self.failures += len(load_record(self.out, shard).failures)
        self._open, self._open_failures = [], 0
        self._tell()

    def _tell(self) -> None:
        if self.report is not None:
            progress = EncodeProgress(
                items=self.items + len(self._open),
                total_items=self.total_items,
                seconds=self.seconds + sum(item.duration for item in self._open),
                total_seconds=self.total_seconds,
                failures=self.failures + self._open_failures,
            )
            self.report(progress)
