"""Encoding the items of a shard: read ahead, batch equal lengths, take long ones in pieces."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..audio import Audio
from ..codecs.base import Codec
from ..conditioning import FramesConfig
from ..device import Precision, arithmetic
from .format import StoredItem, StoreError
from .plan import cut_batches
from .reading import failure_reason, file_reader
from .writer import ShardWriter

if TYPE_CHECKING:
    from ..data.manifest import Item

    OnBatch = Callable[[list[Item], int], None]

__all__ = ["ItemEncoder"]

logger = logging.getLogger(__name__)

WHOLE_SECONDS = 600.0
"""Length from which a codec that cannot work in pieces gets a warning."""


class Loaded(NamedTuple):
    """An item whose audio is read: `x (C, T)`, or None when it is to be read in pieces."""

    item: Item
    samples: int
    x: Tensor | None
    reason: str = ""
    """Why it cannot be read; empty when it can."""


class ItemEncoder:
    """Reads, encodes and writes items; what cannot be is noted as a failure."""

    def __init__(
        self,
        codec: Codec,
        root: Path,
        batch_seconds: float,
        device: torch.device,
        precision: Precision,
        maps: Mapping[str, FramesConfig] | None = None,
    ) -> None:
        self.maps = dict(maps or {})
        self.codec, self.root, self.source = codec.to(device).eval(), root, codec.source
        self.batch_seconds, self.device, self.precision = batch_seconds, device, precision
        self.batch_samples = round(batch_seconds * self.source.sample_rate)

    def encode(self, items: Sequence[Item], writer: ShardWriter, on_batch: OnBatch) -> None:
        """Write all items of a shard; `on_batch` hears the items and the failures so far."""
        batches = cut_batches(items, self.source.sample_rate, batch_seconds=self.batch_seconds)
        for batch in self._load_ahead(batches):
            for same in _equal_lengths(batch):
                self._write(same, writer)
            on_batch([loaded.item for loaded in batch], len(writer.failures))

    def _load_ahead(self, batches: list[list[Item]]) -> Iterator[list[Loaded]]:
        # One thread reads and resamples the next batch while this one is encoded; a thread, since
        # a forked process would keep our claim alive after us.
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self._load, batches[0])
            for after in [*batches[1:], None]:
                batch = ahead.result()
                if after is not None:
                    ahead = pool.submit(self._load, after)
                yield batch

    def _load(self, batch: list[Item]) -> list[Loaded]:
        loaded = []
        for item in batch:
            path = self.root / item.path
            try:
                samples = self.source.length(path)
                x = None if samples > self.batch_samples else self.source.load(path)
                loaded.append(Loaded(item, samples if x is None else x.shape[-1], x))
            except (ValueError, OSError) as error:
                if not self.root.is_dir():
                    raise FileNotFoundError(f"{self.root} is gone: is its disk there?") from error
                loaded.append(Loaded(item, 0, None, failure_reason(error)))
        return loaded

    def _write(self, same: list[Loaded], writer: ShardWriter) -> None:
        """Encode and write items of equal length, or one that is long or unreadable."""
        if same[0].reason:
            writer.fail(same[0].item.path, same[0].reason)
            return
        batch = [loaded.x for loaded in same if loaded.x is not None]
        streams: dict[str, Tensor] | None = None
        if len(batch) > 1:
            try:
                streams = self._streams(torch.stack(batch))
            except (ValueError, RuntimeError) as error:
                _refuse_device_failure(error)  # else one by one: they shall not fail together
        for i, loaded in enumerate(same):
            try:
                if streams is not None:
                    pieces = iter([{name: z[i] for name, z in streams.items()}])
                else:
                    pieces = self._pieces(loaded)
                if self.maps:
                    pieces = self._with_maps(loaded, pieces)
                writer.add(self._stored(loaded), pieces, loaded.item.metadata)
            except StoreError:
                raise
            except (ValueError, RuntimeError) as error:
                _refuse_device_failure(error)
                writer.fail(loaded.item.path, failure_reason(error))

    def _pieces(self, loaded: Loaded) -> Iterator[dict[str, Tensor]]:
        if loaded.x is not None:
            yield {name: z[0] for name, z in self._streams(loaded.x[None]).items()}
            return
        seconds = loaded.samples / self.source.sample_rate
        if not self.codec.chunkable and seconds > WHOLE_SECONDS:
            logger.warning(
                "%s is %.0f minutes long, and this %s encodes it in one piece: that takes memory "
                "in proportion; cut the file if it does not fit",
                loaded.item.path,
                seconds / 60,
                type(self.codec).__name__,
            )
        read = file_reader(self.codec, self.root / loaded.item.path, self.device)
        pieces = self.codec.encode_long(read, loaded.samples, self.batch_samples)
        while True:
            with torch.inference_mode(), arithmetic(self.device, self.precision):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _with_maps(
        self, loaded: Loaded, pieces: Iterator[dict[str, Tensor]]
    ) -> Iterator[dict[str, Tensor]]:
        """Add the frames of every map to pieces of the codec's streams."""
        x = loaded.x
        if x is None:  # samples take less than the codec does, and are held whole
            x = self.source.load(self.root / loaded.item.path)
        audio, count = Audio(x, self.source.sample_rate), self.codec.num_frames(loaded.samples)
        maps = {name: config.measure(audio, count) for name, config in self.maps.items()}
        done = 0
        for piece in pieces:
            until = done + piece["acoustic"].shape[-1]
            yield piece | {name: values[:, done:until] for name, values in maps.items()}
            done = until

    def _streams(self, x: Tensor) -> dict[str, Tensor]:
        with torch.inference_mode(), arithmetic(self.device, self.precision):
            return self.codec.streams(x.to(self.device))

    def _stored(self, loaded: Loaded) -> StoredItem:
        item = loaded.item
        return StoredItem(
            id=item.id,
            path=str(item.path),
            group=item.group,
            split=item.split,
            duration=loaded.samples / self.source.sample_rate,
            frames={},
            caption=item.caption,
        )


def _equal_lengths(batch: list[Loaded]) -> list[list[Loaded]]:
    """Group what was read, since a header (of an MP3, say) can be wrong about the length."""
    groups: dict[object, list[Loaded]] = {}
    for i, loaded in enumerate(batch):
        groups.setdefault(i if loaded.x is None else f"{loaded.samples}", []).append(loaded)
    return list(groups.values())


def _refuse_device_failure(error: Exception) -> None:
    # Out of device memory or a broken device is not the fault of the file at hand.
    if isinstance(error, torch.OutOfMemoryError | torch.AcceleratorError):
        raise error
