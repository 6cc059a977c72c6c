"""What a latent store looks like on disk: names, records, element types.

    dataset.json            `Description`: codec, streams, counts, statistics
    000000.safetensors      a flat tensor `(frames, rows)` per stream: a crop is one slice
    000000.jsonl            one `StoredItem` a line
    000000.metadata.jsonl   one object a line: what stood beside the audio file
    000000.npy              offsets `(items + 1, streams + 1)` int64 into the tensors and, in the
                            last column, into the bytes of the metadata
    000000.json             `ShardRecord`: sizes and hashes of these; written last, it commits
    failures.jsonl          what could not be encoded, and why

Nothing in it tells when or by how many processes it was made: the same codec and the same folder
give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..atomic import atomic_file
from ..config import ConfigError, from_dict, load_json, to_dict
from ..spec import LatentSpec
from .statistics import ContinuousStatistics, DiscreteStatistics

if TYPE_CHECKING:
    from ..codecs.base import Codec

__all__ = [
    "DATASET",
    "FAILURES",
    "FORMAT",
    "CodecSummary",
    "Counts",
    "Description",
    "FileRecord",
    "ItemFailure",
    "Plan",
    "ShardRecord",
    "StoreError",
    "StoredItem",
    "read_lines",
    "read_metadata",
    "record_file",
    "shard_paths",
    "storage_dtype",
    "write_json",
    "write_lines",
    "write_metadata",
]

FORMAT = 1
DATASET, FAILURES = "dataset.json", "failures.jsonl"


class StoreError(ValueError):
    """A store that is missing, unfinished, damaged, or of another codec."""


@dataclass(frozen=True, kw_only=True)
class CodecSummary:
    """Which codec made a store; the fingerprint in the specs decides, this is for people."""

    model_type: str
    """Class of the codec."""
    name: str
    """Folder or Hub id it was loaded from, as the user gave it."""
    sample_rate: int
    """Hz."""
    channels: int
    """Channels of its audio."""
    config: Any
    """Its config, as in `config.json`."""

    @classmethod
    def of(cls, codec: Codec, name: str) -> CodecSummary:
        """Summarise a codec; without a name its class stands in."""
        return cls(
            model_type=type(codec).__name__,
            name=name or type(codec).__name__,
            sample_rate=codec.source.sample_rate,
            channels=codec.source.channels,
            config=to_dict(codec.config),
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which items go where; a store is continued only under the plan it was begun with."""

    items: int
    """Items of the manifest."""
    shards: int
    """Shards they are cut into; 0 for a virtual store."""
    fingerprint: str
    """Hash of the items (identity, length, metadata), in order, and of the cuts."""
    storage: Literal["float16", "float32"]
    """Element type of continuous streams."""
    precision: Literal["fp32", "bf16"]
    """Arithmetic of the encoder."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Totals of a finished store."""

    items: int
    """Items that were encoded."""
    failures: int
    """Files that could not be."""
    seconds: float
    """Length of the encoded audio."""
    frames: dict[str, int]
    """Frames of every stream."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The content of `dataset.json`."""

    format_version: int = FORMAT
    """Raised when the layout changes."""
    kind: Literal["sharded", "virtual"]
    """Latents on disk, or an index that is encoded on the fly."""
    codec: CodecSummary
    """Who encoded."""
    streams: dict[str, LatentSpec]
    """The named streams."""
    plan: Plan
    """How the work was cut."""
    root: str = ""
    """Folder of audio, which a virtual store reads; empty for a sharded one."""
    counts: Counts | None = None
    """Totals; None until every shard is there."""
    statistics: dict[str, ContinuousStatistics | DiscreteStatistics] = field(default_factory=dict)
    """Of every stream."""

    @classmethod
    def load(cls, folder: Path) -> Description:
        """Read `dataset.json`.

        Raises:
            StoreError: the folder or the file is missing, or is not of this format.
        """
        path = folder / DATASET
        if not path.is_file():
            what = "has no dataset.json: it is no latent store" if folder.exists() else "is missing"
            raise StoreError(f"{folder} {what}; `latentone encode` makes one")
        try:
            data = load_json(path)
            if isinstance(data, dict) and data.get("format_version") != FORMAT:
                raise StoreError(
                    f"{path}: `format_version` must be {FORMAT}, got {data.get('format_version')!r}"
                )
            return from_dict(cls, data)
        except ConfigError as error:
            raise StoreError(f"{path} is damaged: {error}") from error


@dataclass(frozen=True, kw_only=True)
class StoredItem:
    """One item of a store: a line of a shard's `.jsonl`."""

    id: str
    """Unique name in the store."""
    path: str
    """File, relative to the folder that was encoded."""
    group: str
    """What never straddles a split."""
    split: str
    """train, valid or test."""
    duration: float
    """Seconds."""
    frames: dict[str, int]
    """Frames of every stream."""
    caption: str | None = None
    """Text, when there is one."""


@dataclass(frozen=True, kw_only=True)
class ItemFailure:
    """A file that could not be encoded: a line of `failures.jsonl`."""

    path: str
    """File, relative to the folder that was encoded."""
    reason: str
    """Why, for a person."""


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What a file of a shard must look like."""

    bytes: int
    """Size."""
    sha256: str
    """Hash of the content."""


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """The content of `000000.json`; where it stands, the shard is complete."""

    items: int
    """Encoded items."""
    seconds: float
    """Length of their audio."""
    frames: dict[str, int]
    """Frames of every stream."""
    files: dict[str, FileRecord]
    """Size and hash by file name."""
    failures: tuple[ItemFailure, ...] = ()
    """Planned items that could not be encoded."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """Of the frames in this shard, as JSON values: they are long, and read only to be merged."""


def shard_paths(folder: Path, shard: int) -> dict[str, Path]:
    """Return the files of a shard: `latents`, `items`, `metadata`, `offsets`, `record`, `lock`."""
    suffixes = {
        "latents": "safetensors",
        "items": "jsonl",
        "metadata": "metadata.jsonl",
        "offsets": "npy",
        "record": "json",
        "lock": "lock",
    }
    return {name: folder / f"{shard:06d}.{suffix}" for name, suffix in suffixes.items()}


def storage_dtype(spec: LatentSpec, continuous: str) -> np.dtype[Any]:
    """Return the smallest element type that holds a stream.

    >>> spec = LatentSpec(kind="discrete", shape=(1,), vocab=(1024,), frame_rate=50, fingerprint="")
    >>> storage_dtype(spec, "float16").name
    'int16'
    """
    if spec.kind == "continuous":
        return np.dtype(continuous)
    largest = max(spec.vocab)
    return np.dtype("uint8" if largest <= 256 else "int16" if largest <= 32768 else "int32")


def record_file(path: Path) -> FileRecord:
    """Measure and hash a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(bytes=path.stat().st_size, sha256=digest)


def write_json(value: Any, path: Path) -> None:
    """Write a record whole or not at all: an entry a line, lists of numbers on one line."""
    with atomic_file(path) as partial:
        partial.write_text(_layout(to_dict(value), 0) + "\n", encoding="utf-8")


def _layout(value: Any, depth: int) -> str:
    if not isinstance(value, dict) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner, outer = "  " * (depth + 1), "  " * depth
    lines = [f"{inner}{json.dumps(k)}: {_layout(v, depth + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + outer + "}"


def write_lines(path: Path, values: Sequence[Any]) -> None:
    """Write dataclasses as JSON lines, without their class names."""
    with path.open("w", encoding="utf-8") as file:
        for value in values:
            data = {k: v for k, v in to_dict(value).items() if k != "type"}
            file.write(json.dumps(data, ensure_ascii=False) + "\n")


def write_metadata(path: Path, values: Sequence[Mapping[str, Any]]) -> list[int]:
    """Write objects as JSON lines and return where each begins, and the end, in bytes."""
    places = [0]
    with path.open("wb") as file:
        for value in values:
            file.write(json.dumps(to_dict(value), ensure_ascii=False).encode() + b"\n")
            places.append(file.tell())
    return places


def read_metadata(path: Path, begin: int, end: int) -> dict[str, Any]:
    """Read the object in bytes `begin` to `end`.

    Raises:
        StoreError: there is none.
    """
    try:
        with path.open("rb") as file:
            file.seek(begin)
            value = json.loads(file.read(end - begin))
    except (ValueError, OSError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path} is damaged: expected an object at byte {begin}, got {value!r}")
    return value


def read_lines(path: Path, cls: type[Any]) -> list[Any]:
    """Read JSON lines back.

    Raises:
        StoreError: a line is not what it should be; file and line are named.
    """
    values, names = [], {f.name for f in fields(cls)}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                data = json.loads(line)
                if not isinstance(data, dict) or set(data) != names:
                    raise ValueError(f"line {number} must have {sorted(names)}, got {line[:80]!r}")
                values.append(cls(**data))
    except (ValueError, OSError) as error:
        raise StoreError(f"{path} is damaged: {error}") from error
    return values
