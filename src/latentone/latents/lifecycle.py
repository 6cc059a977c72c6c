"""A store's beginning and end, and whether a shard is there: what `encode_folder` decides by."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import atomic_file
from ..config import ConfigError, from_dict, load_json
from .claim import claim
from .format import (
    DATASET,
    FAILURES,
    Counts,
    Description,
    ItemFailure,
    ShardRecord,
    StoreError,
    record_file,
    shard_paths,
    write_json,
    write_lines,
)
from .statistics import ContinuousStatistics, DiscreteStatistics, Gatherer

if TYPE_CHECKING:
    from ..data.manifest import Manifest

__all__ = [
    "begin",
    "check_files",
    "damaged",
    "finish",
    "intact",
    "load_record",
    "manifest_failures",
    "sweep",
    "write_failures",
]

LOCK = "dataset.lock"


def begin(folder: Path, wanted: Description) -> Description:
    """Lay down `dataset.json`, or check that the one that stands there continues the same work.

    Returns:
        The description that stands.

    Raises:
        StoreError: another codec, manifest or setting, or a folder with something else in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with claim(folder / LOCK, wait=True):
        if (folder / DATASET).exists():
            found = Description.load(folder)
            _refuse_other_codec(folder, found, wanted)
            _refuse_other_plan(folder, found, wanted)
            return found
        strangers = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
        strangers = sorted(set(strangers) - {LOCK})
        if strangers:
            raise StoreError(
                f"{folder} holds {strangers[0]!r} and is no latent store; "
                "give a new or an empty folder"
            )
        sweep(folder)
        write_json(wanted, folder / DATASET)
    return wanted


def _refuse_other_codec(folder: Path, found: Description, wanted: Description) -> None:
    ours, theirs = wanted.codec.name, found.codec.name
    if set(found.streams) != set(wanted.streams):
        raise StoreError(
            f"{folder} has the streams {sorted(found.streams)} of {theirs}, but {ours} makes "
            f"{sorted(wanted.streams)}; give another folder, or delete this one"
        )
    for name, spec in wanted.streams.items():
        if found.streams[name] != spec:
            raise StoreError(
                f"{folder} holds latents of {theirs}, {found.streams[name].describe()}, and "
                f"{ours} makes {spec.describe()}: one store cannot hold both. "
                "Give another folder, or delete this one"
            )


def _refuse_other_plan(folder: Path, found: Description, wanted: Description) -> None:
    if (found.kind, found.plan) == (wanted.kind, wanted.plan):
        return
    for name in ("kind", "precision", "storage", "items", "shards"):
        source = "" if name == "kind" else "plan"
        was = getattr(found.plan if source else found, name)
        now = getattr(wanted.plan if source else wanted, name)
        if was != now:
            raise StoreError(
                f"{folder} was begun with {name} {was!r}, now it is {now!r}; "
                "repeat the command as it was, give another folder, or delete this one"
            )
    raise StoreError(
        f"{folder} was begun with other files, lengths, captions or splits than the folder of "
        "audio has now; give another folder, or delete this one"
    )


def load_record(folder: Path, shard: int) -> ShardRecord:
    """Read the record that commits a shard.

    Raises:
        StoreError: it is missing or damaged.
    """
    path = shard_paths(folder, shard)["record"]
    try:
        return from_dict(ShardRecord, load_json(path))
    except FileNotFoundError as error:
        raise StoreError(
            f"shard {shard:06d} of {folder} is missing ({path.name}): repeat the "
            "`latentone encode` that made the store, it adds only what is missing"
        ) from error
    except ConfigError as error:
        raise StoreError(damaged(path, str(error))) from error


def damaged(path: Path, problem: str) -> str:
    return (
        f"{path} is damaged: {problem}. Delete it and repeat the `latentone encode` that made "
        "the store: it encodes only this shard again"
    )


def check_files(folder: Path, shard: int, *, hashes: bool = False) -> ShardRecord:
    """Compare the files of a shard with its record.

    Raises:
        StoreError: a file is missing, or has another size (or content, with `hashes`).
    """
    record = load_record(folder, shard)
    for name, expected in record.files.items():
        path = folder / name
        if not path.is_file():
            raise StoreError(damaged(path, "it is missing"))
        size = path.stat().st_size
        if size != expected.bytes:
            raise StoreError(damaged(path, f"it has {size} bytes, expected {expected.bytes}"))
        if hashes and record_file(path) != expected:
            raise StoreError(damaged(path, "its content is not what was written"))
    return record


def intact(folder: Path, shard: int) -> bool:
    """Return whether a shard is there, with files of the right sizes."""
    try:
        check_files(folder, shard)
    except StoreError:
        return False
    return True


def finish(folder: Path, description: Description, manifest: Manifest) -> None:
    """Merge the records of all shards into `dataset.json` and `failures.jsonl`.

    Raises:
        StoreError: not one item could be encoded.
    """
    with claim(folder / LOCK, wait=True):
        records = [load_record(folder, shard) for shard in range(description.plan.shards)]
        failures = manifest_failures(manifest)
        failures += [failure for record in records for failure in record.failures]
        write_failures(folder, failures)
        if not any(record.items for record in records):
            for shard in range(description.plan.shards):
                shard_paths(folder, shard)["record"].unlink()
            raise StoreError(
                f"not one of {description.plan.items} items of {manifest.root} could be encoded; "
                f"the first: {failures[0].path}: {failures[0].reason} (all: {folder / FAILURES})"
            )
        gatherers = {name: Gatherer(spec) for name, spec in description.streams.items()}
        for record in records:
            for name, gatherer in gatherers.items():
                found = record.statistics[name]
                if gatherer.vocab:
                    gatherer.merge(from_dict(DiscreteStatistics, found))
                else:
                    gatherer.merge(from_dict(ContinuousStatistics, found))
        counts = Counts(
            items=sum(record.items for record in records),
            failures=len(failures),
            seconds=sum(record.seconds for record in records),
            frames={n: sum(r.frames[n] for r in records) for n in description.streams},
        )
        statistics = {name: gatherer.result() for name, gatherer in gatherers.items()}
        sweep(folder)
        for shard in range(description.plan.shards):
            _drop_free_lock(shard_paths(folder, shard)["lock"])
        write_json(replace(description, counts=counts, statistics=statistics), folder / DATASET)


def manifest_failures(manifest: Manifest) -> list[ItemFailure]:
    """Return the files that the scan of the folder could not read."""
    return [ItemFailure(path=str(f.path), reason=f.reason) for f in manifest.failures]


def write_failures(folder: Path, failures: Sequence[ItemFailure]) -> None:
    """Write `failures.jsonl`, or remove it when there are none."""
    path = folder / FAILURES
    if not failures:
        path.unlink(missing_ok=True)
        return
    with atomic_file(path) as partial:
        write_lines(partial, failures)


def sweep(folder: Path) -> None:
    """Remove what killed processes left; nobody is writing shards when this is called."""
    for left in folder.glob(".*.part*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _drop_free_lock(path: Path) -> None:
    """Remove the lock file of a process that died between its shard and its end."""
    if path.exists():
        with claim(path):
            pass
