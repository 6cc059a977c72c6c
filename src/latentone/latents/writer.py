"""Writing one shard: frames go to disk as they come, and the shard appears whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..atomic import atomic_file
from ..config import to_dict
from ..spec import LatentSpec
from .format import (
    ItemFailure,
    ShardRecord,
    StoredItem,
    StoreError,
    record_file,
    shard_paths,
    storage_dtype,
    write_json,
    write_lines,
    write_metadata,
)
from .statistics import Gatherer

__all__ = ["ShardWriter", "full_disk"]

SAFETENSORS = {"float16": "F16", "float32": "F32", "uint8": "U8", "int16": "I16", "int32": "I32"}


class ShardWriter:
    """Writes a shard whose claim the caller holds; a context manager.

    Every stream is appended to a file of its own beside the store, so that memory is that of one
    piece however long an item or a shard is; `commit` joins them into the safetensors file and
    writes the record last. Leaving without `commit`, or being killed, leaves no shard.
    """

    def __init__(
        self, folder: Path, shard: int, specs: dict[str, LatentSpec], storage: str = "float16"
    ) -> None:
        self.shard, self.specs = shard, specs
        self.paths = shard_paths(folder, shard)
        self.dtypes = {name: storage_dtype(spec, storage) for name, spec in specs.items()}
        self.statistics = {name: Gatherer(spec) for name, spec in specs.items()}
        self.items: list[StoredItem] = []
        self.metadata: list[Mapping[str, Any]] = []
        self.failures: list[ItemFailure] = []
        for left in folder.glob(f".{shard:06d}.*"):  # of a killed writer: the claim is ours now
            left.unlink()
        self.paths["record"].unlink(missing_ok=True)
        self._parts: dict[str, IO[bytes]] = {
            name: (folder / f".{shard:06d}.{name}.part").open("wb+") for name in specs
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in self._parts.values():
            with suppress(OSError):  # a full disk refuses the last buffer again
                part.close()
            Path(part.name).unlink(missing_ok=True)

    def add(
        self,
        item: StoredItem,
        pieces: Iterable[dict[str, Tensor]],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Append an item, given as consecutive pieces `(rows, frames)` of every stream.

        An error in `pieces` leaves the shard as it was before.

        Raises:
            ValueError: latents that are not finite, or that the storage type cannot hold.
        """
        marks = {name: part.tell() for name, part in self._parts.items()}
        gathered = {name: Gatherer(spec) for name, spec in self.specs.items()}
        frames = dict.fromkeys(self.specs, 0)
        try:
            for piece in pieces:
                for name, part in self._parts.items():
                    rows = self._stored(name, piece[name])
                    part.write(rows.tobytes())
                    gathered[name].add(rows)
                    frames[name] += len(rows)
            if not all(frames.values()):
                raise ValueError(f"too short: it has {frames} frames")
        except BaseException:
            for name, part in self._parts.items():
                part.truncate(marks[name])
                part.seek(marks[name])
            raise
        for name, gatherer in gathered.items():
            self.statistics[name].merge(gatherer)
        self.items.append(replace(item, frames=frames))
        self.metadata.append(metadata or {})

    def fail(self, path: str, reason: str) -> None:
        """Note an item that could not be encoded."""
        self.failures.append(ItemFailure(path=path, reason=reason))

    def commit(self) -> None:
        """Make the shard appear."""
        with atomic_file(self.paths["latents"]) as partial, partial.open("wb") as file:
            self._write_latents(file)
        with atomic_file(self.paths["items"]) as partial:
            write_lines(partial, self.items)
        with atomic_file(self.paths["metadata"]) as partial:
            places = write_metadata(partial, self.metadata)
        frames = [[item.frames[name] for name in self.specs] for item in self.items]
        offsets = np.zeros((len(self.items) + 1, len(self.specs) + 1), dtype=np.int64)
        offsets[1:, :-1] = np.cumsum(np.array(frames).reshape(-1, len(self.specs)), axis=0)
        offsets[:, -1] = places
        with atomic_file(self.paths["offsets"]) as partial, partial.open("wb") as file:
            np.save(file, offsets)
        files = [self.paths[name] for name in ("latents", "items", "metadata", "offsets")]
        record = ShardRecord(
            items=len(self.items),
            seconds=sum(item.duration for item in self.items),
            frames=dict(zip(self.specs, offsets[-1, :-1].tolist(), strict=True)),
            files={path.name: record_file(path) for path in files},
            failures=tuple(self.failures),
            statistics={n: to_dict(g.result()) for n, g in self.statistics.items()},
        )
        write_json(record, self.paths["record"])

    def _stored(self, name: str, piece: Tensor) -> NDArray[Any]:
        """Frames first, in the element type of the store."""
        spec, dtype = self.specs[name], self.dtypes[name]
        if piece.ndim != 2 or piece.shape[0] != spec.dim:
            raise StoreError(
                f"stream {name!r} must be ({spec.dim}, frames), got {tuple(piece.shape)}"
            )
        values = piece.detach().cpu()
        if spec.kind == "continuous":
            rows = values.float().numpy().T
            if not np.isfinite(rows).all():
                raise ValueError("its latents are not finite")
            with np.errstate(over="ignore"):
                stored = rows.astype(dtype, order="C")
            if not np.isfinite(stored).all():
                raise StoreError(
                    f"latents of stream {name!r} reach {np.abs(rows).max():.3g}, float16 ends at "
                    "65504: store float32 (in a new folder)"
                )
            return stored
        rows = values.numpy().T
        if rows.size and (rows.min() < 0 or (rows.max(axis=0) >= np.array(spec.vocab)).any()):
            raise StoreError(
                f"codes of stream {name!r} must lie in 0..{max(spec.vocab) - 1}, got "
                f"{rows.min()}..{rows.max()}"
            )
        return rows.astype(dtype, order="C")

    def _write_latents(self, file: IO[bytes]) -> None:
        # The safetensors layout: u64 length of the header, the header as JSON padded with spaces
        # to a multiple of 8, then the tensors without gaps. Wide elements first keeps all aligned.
        names = sorted(self.specs, key=lambda n: (-self.dtypes[n].itemsize, n))
        header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name in names:
            dim, dtype = self.specs[name].dim, self.dtypes[name]
            size = self._parts[name].tell()
            header[name] = {
                "dtype": SAFETENSORS[dtype.name],
                "shape": [size // (dim * dtype.itemsize), dim],
                "data_offsets": [end, end + size],
            }
            end += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            part = self._parts[name]
            part.seek(0)
            shutil.copyfileobj(part, file, 1 << 20)


def full_disk(error: OSError, folder: Path) -> OSError:
    """Say of a disk that refused what is lost (nothing before this shard) and what to do."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return error
    free = shutil.disk_usage(folder).free / 1e6
    return OSError(
        error.errno,
        f"{error.strerror} while writing a shard of {folder} ({free:.0f} MB are free): the shards "
        "before it are kept; make space and repeat the command to continue",
    )
