"""The latent store: what a codec made of a folder, read item by item and crop by crop."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..spec import LatentSpec
from .format import (
    Description,
    StoredItem,
    StoreError,
    read_lines,
    read_metadata,
    shard_paths,
    storage_dtype,
)
from .lifecycle import check_files, damaged
from .statistics import Statistics

__all__ = ["LatentStore"]

OPEN_SHARDS = 256
"""Shards that are mapped at a time; each holds a file descriptor."""


class LatentStore(ABC):
    """Latents on disk under named streams; random crops without loading.

    Shards are memory-mapped when first touched, in whatever process: a store can be handed to data
    workers.
    """

    def __init__(self, folder: Path, description: Description, items: list[StoredItem]) -> None:
        self.folder, self.description = folder, description
        self.specs: dict[str, LatentSpec] = description.streams
        self.statistics: dict[str, Statistics] = description.statistics
        self._items = items
        self._index = {item.id: i for i, item in enumerate(items)}
        if len(self._index) != len(items):
            raise StoreError(f"{folder} has items of the same id; ids must be unique")

    @staticmethod
    def open(folder: str | Path, *, hashes: bool = False) -> LatentStore:
        """Open a finished store; all shards are checked against their records.

        Args:
            folder: of the store.
            hashes: also read everything and compare contents, not sizes alone.

        Raises:
            StoreError: no store, an unfinished one, or one with missing or damaged files: the
                shard is named.
        """
        folder = Path(folder)
        description = Description.load(folder)
        if description.kind == "virtual":
            from .virtual import VirtualStore

            return VirtualStore.load(folder, description)
        if description.counts is None:
            shards = description.plan.shards
            there = sum(shard_paths(folder, n)["record"].exists() for n in range(shards))
            raise StoreError(
                f"{folder} is unfinished: {there} of {shards} shards are there; repeat the "
                "`latentone encode` that began it to continue"
            )
        return ShardedStore.load(folder, description, hashes=hashes)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> StoredItem:
        return self._items[index]

    def items(self, split: str | None = None) -> list[StoredItem]:
        """Return the items of `train`, `valid` or `test`, or all; in the order of the store."""
        return [item for item in self._items if split is None or item.split == split]

    def metadata(self, item_id: str) -> dict[str, Any]:
        """Return what stood beside an item's file: labels, tempo, notes and so on.

        Raises:
            KeyError: no such item.
        """
        return self._metadata(self._find(item_id))

    def read(
        self, item_id: str, stream: str = "acoustic", start: int = 0, frames: int | None = None
    ) -> Tensor:
        """Read an item or a crop of it.

        Args:
            item_id: `StoredItem.id`.
            stream: name of a stream.
            start: first frame.
            frames: how many; None reads to the end.

        Returns:
            `(rows, frames)`: float32 latents or int64 codes.

        Raises:
            KeyError: no such item or stream.
            ValueError: the crop reaches beyond the item.
        """
        index = self._find(item_id)
        if stream not in self.specs:
            raise KeyError(f"{self.folder} has no stream {stream!r}; it has {sorted(self.specs)}")
        length = self._items[index].frames[stream]
        stop = length if frames is None else start + frames
        if not 0 <= start <= stop <= length:
            raise ValueError(f"frames {start} to {stop} asked of {item_id!r}, which has {length}")
        return self._read(index, stream, start, stop)

    def _find(self, item_id: str) -> int:
        if item_id not in self._index:
            raise KeyError(f"{self.folder} has no item {item_id!r}")
        return self._index[item_id]

    @abstractmethod
    def _read(self, index: int, stream: str, start: int, stop: int) -> Tensor: ...

    @abstractmethod
    def _metadata(self, index: int) -> dict[str, Any]: ...

    def require(self, spec: LatentSpec, *, owner: str, stream: str = "acoustic") -> None:
        """Refuse to serve a model that was made for latents of another codec.

        Raises:
            ValueError: the specs differ; both are named.
        """
        if stream not in self.specs:
            raise StoreError(
                f"{owner} needs the stream {stream!r}; {self.folder} has {sorted(self.specs)}"
            )
        theirs = f"the store {self.folder}, encoded with {self.description.codec.name},"
        spec.require(self.specs[stream], ours=owner, theirs=theirs)


class ShardedStore(LatentStore):
    """A store whose latents are on disk."""

    def __init__(
        self,
        folder: Path,
        description: Description,
        items: list[StoredItem],
        firsts: list[int],
    ) -> None:
        super().__init__(folder, description, items)
        self._firsts = firsts  # index of every shard's first item, and the number of items
        self._columns = {name: i for i, name in enumerate(self.specs)}
        self._mapped: OrderedDict[int, tuple[NDArray[Any], dict[str, NDArray[Any]]]] = OrderedDict()

    @classmethod
    def load(cls, folder: Path, description: Description, *, hashes: bool = False) -> ShardedStore:
        """Check all shards and read their items (see `LatentStore.open`)."""
        items: list[StoredItem] = []
        firsts = [0]
        for shard in range(description.plan.shards):
            record = check_files(folder, shard, hashes=hashes)
            path = shard_paths(folder, shard)["items"]
            found = read_lines(path, StoredItem)
            if len(found) != record.items:
                raise StoreError(damaged(path, f"{len(found)} items, expected {record.items}"))
            items += found
            firsts.append(len(items))
        store = cls(folder, description, items, firsts)
        for shard in range(description.plan.shards):
            store._check(shard)
        return store

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_mapped": OrderedDict()}  # another process maps for itself

    def _read(self, index: int, stream: str, start: int, stop: int) -> Tensor:
        shard = bisect_right(self._firsts, index) - 1
        offsets, arrays = self._map(shard)
        first = int(offsets[index - self._firsts[shard], self._columns[stream]])
        rows = arrays[stream][first + start : first + stop]
        wide = np.int64 if self.specs[stream].kind == "discrete" else np.float32
        return torch.from_numpy(np.array(rows.T, dtype=wide, order="C", subok=False))

    def _metadata(self, index: int) -> dict[str, Any]:
        shard = bisect_right(self._firsts, index) - 1
        row = index - self._firsts[shard]
        begin, end = self._map(shard)[0][row : row + 2, -1].tolist()
        return read_metadata(shard_paths(self.folder, shard)["metadata"], begin, end)

    def _map(self, shard: int) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        if shard in self._mapped:
            self._mapped.move_to_end(shard)
            return self._mapped[shard]
        paths = shard_paths(self.folder, shard)
        try:
            offsets = np.load(paths["offsets"], mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError) as error:
            raise StoreError(damaged(paths["offsets"], str(error))) from error
        arrays = _map_tensors(paths["latents"])
        self._mapped[shard] = offsets, arrays
        if len(self._mapped) > OPEN_SHARDS:
            self._mapped.popitem(last=False)
        return offsets, arrays

    def _check(self, shard: int) -> None:
        """Refuse tensors, offsets and items of a shard that contradict each other."""
        offsets, arrays = self._map(shard)
        path = shard_paths(self.folder, shard)["latents"]
        mine = self._items[self._firsts[shard] : self._firsts[shard + 1]]
        if offsets.shape != (len(mine) + 1, len(self.specs) + 1):
            raise StoreError(damaged(path.with_suffix(".npy"), f"its shape is {offsets.shape}"))
        for name, spec in self.specs.items():
            column = offsets[:, self._columns[name]]
            dtype = storage_dtype(spec, self.description.plan.storage)
            expected = ((int(column[-1]), spec.dim), dtype)
            if name not in arrays or (arrays[name].shape, arrays[name].dtype) != expected:
                got = f"{arrays[name].shape} {arrays[name].dtype}" if name in arrays else "nothing"
                raise StoreError(
                    damaged(path, f"stream {name!r} must be {expected[0]} {dtype}, got {got}")
                )
            frames = [item.frames[name] for item in mine]
            if column[0] != 0 or not np.array_equal(np.diff(column), frames):
                raise StoreError(
                    damaged(path.with_suffix(".npy"), f"offsets of {name!r} do not fit its items")
                )


ELEMENTS = {"F16": "<f2", "F32": "<f4", "U8": "u1", "I16": "<i2", "I32": "<i4"}


def _map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Map the tensors of a safetensors file, which stay on disk until they are read."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size - 8:
                raise ValueError("its header is cut")
            header = json.loads(file.read(length))
        arrays = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            shape, dtype = tuple(entry["shape"]), np.dtype(ELEMENTS[entry["dtype"]])
            if 0 in shape:  # nothing to map
                arrays[name] = np.zeros(shape, dtype)
                continue
            offset = 8 + length + entry["data_offsets"][0]
            arrays[name] = np.memmap(path, dtype, mode="r", offset=offset, shape=shape)
        return arrays
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise StoreError(damaged(path, f"no safetensors file ({error})")) from error
