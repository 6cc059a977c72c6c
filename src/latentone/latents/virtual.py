"""Virtual stores: for a codec with nothing to learn in its encoder, an index and no latents.

The folder holds `dataset.json`, `items.jsonl`, `metadata.jsonl` with its offsets, `failures.jsonl`
and the codec itself. A crop reads the audio it needs (`Codec.context`) and encodes it on the fly.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import atomic_folder
from ..codecs.base import Codec
from ..codecs.long import encode_window
from .claim import claim
from .format import (
    DATASET,
    CodecSummary,
    Counts,
    Description,
    ItemFailure,
    Plan,
    StoredItem,
    StoreError,
    read_lines,
    read_metadata,
    write_json,
    write_lines,
    write_metadata,
)
from .lifecycle import begin, manifest_failures, sweep, write_failures
from .plan import plan_fingerprint
from .reading import failure_reason, file_reader
from .statistics import Gatherer
from .store import LatentStore

if TYPE_CHECKING:
    from ..data.manifest import Manifest

__all__ = ["VirtualStore", "index_folder"]

CODEC, ITEMS, METADATA, PLACES = "codec", "items.jsonl", "metadata.jsonl", "metadata.npy"

STATISTICS_SECONDS = 1800.0
"""Audio that the statistics are taken from, spread over the items."""


class VirtualStore(LatentStore):
    """Reads like a `LatentStore`, and encodes on the fly."""

    def __init__(
        self, folder: Path, description: Description, items: list[StoredItem], codec: Codec
    ) -> None:
        super().__init__(folder, description, items)
        self.codec = codec
        self._places = np.load(folder / PLACES, allow_pickle=False)
        self.root = Path(description.root)

    @classmethod
    def load(cls, folder: Path, description: Description) -> VirtualStore:
        """Rebuild the codec and read the index (see `LatentStore.open`)."""
        if description.counts is None:
            raise StoreError(f"{folder} is unfinished; repeat the `latentone encode` that began it")
        items = read_lines(folder / ITEMS, StoredItem)
        if len(items) != description.counts.items:
            raise StoreError(
                f"{folder / ITEMS} is damaged: {len(items)} items, expected "
                f"{description.counts.items}; delete the folder and encode again"
            )
        if not Path(description.root).is_dir():
            raise StoreError(
                f"{folder} is a virtual store over {description.root}, which is gone: bring the "
                "folder of audio back, or encode again from where it is now"
            )
        codec = Codec.from_pretrained(folder / CODEC)
        if codec.stream_specs() != description.streams:
            raise StoreError(
                f"the codec in {folder / CODEC} is not the one the index was made with; "
                "delete the folder and encode again"
            )
        return cls(folder, description, items, codec)

    def _read(self, index: int, stream: str, start: int, stop: int) -> Tensor:
        item = self._items[index]
        samples = round(item.duration * self.codec.source.sample_rate)
        read = file_reader(self.codec, self.root / item.path)
        if start == stop:
            rows = self.specs[stream].dim
            kind = torch.int64 if self.specs[stream].kind == "discrete" else torch.float32
            return torch.zeros(rows, 0, dtype=kind)
        with torch.inference_mode():
            window = encode_window(self.codec, read, samples, start, stop)[stream]
        return window.clone() if window.dtype == torch.int64 else window.float().clone()

    def _metadata(self, index: int) -> dict[str, Any]:
        begin, end = self._places[index : index + 2].tolist()
        return read_metadata(self.folder / METADATA, begin, end)


def index_folder(codec: Codec, manifest: Manifest, out: Path, *, name: str = "") -> VirtualStore:
    """Make a virtual store; a folder that was begun is begun anew, one that is done is checked.

    Every file's header is read, and up to half an hour of audio, spread over the items, for the
    statistics. Damage further inside a file shows when it is read.

    Raises:
        StoreError: `out` belongs to another codec or manifest; or no item can be read.
    """
    items, failures = _index(codec, manifest)
    wanted = Description(
        kind="virtual",
        codec=CodecSummary.of(codec, name),
        streams=codec.stream_specs(),
        plan=Plan(
            items=len(manifest.items),
            shards=0,
            fingerprint=plan_fingerprint([manifest.items]),
            storage="float32",
            precision="fp32",
        ),
        root=str(Path(manifest.root).resolve()),
    )
    description = begin(out, wanted)
    if description.counts is not None:
        return _loaded(out)
    with claim(out / "index.lock", wait=True):
        if Description.load(out).counts is None:
            sweep(out)
            gathered = _measure(codec, Path(manifest.root), items, failures)
            write_failures(out, failures)
            if not items:
                first = failures[0] if failures else ItemFailure(path="", reason="it is empty")
                raise StoreError(
                    f"not one item of {manifest.root} can be read; {first.path}: {first.reason}"
                )
            with atomic_folder(out / CODEC) as partial:
                codec.write(partial)
            write_lines(out / ITEMS, items)
            metadata = {item.id: item.metadata for item in manifest.items}
            places = write_metadata(out / METADATA, [metadata[item.id] for item in items])
            np.save(out / PLACES, np.array(places, dtype=np.int64))
            counts = Counts(
                items=len(items),
                failures=len(failures),
                seconds=sum(item.duration for item in items),
                frames={n: sum(item.frames[n] for item in items) for n in description.streams},
            )
            statistics = {name: gatherer.result() for name, gatherer in gathered.items()}
            write_json(replace(description, counts=counts, statistics=statistics), out / DATASET)
    return _loaded(out)


def _loaded(out: Path) -> VirtualStore:
    return VirtualStore.load(out, Description.load(out))


def _index(codec: Codec, manifest: Manifest) -> tuple[list[StoredItem], list[ItemFailure]]:
    items, failures = [], manifest_failures(manifest)
    root, rate = Path(manifest.root), codec.source.sample_rate
    for item in manifest.items:
        try:
            samples = codec.source.length(root / item.path)
            frames = codec.num_frames(samples)
            if frames < 1:
                raise ValueError(f"too short: {samples} samples give no frame")
        except (ValueError, OSError) as error:
            if not root.is_dir():
                raise FileNotFoundError(f"{root} is gone: is its disk there?") from error
            failures.append(ItemFailure(path=str(item.path), reason=failure_reason(error)))
            continue
        stored = StoredItem(
            id=item.id,
            path=str(item.path),
            group=item.group,
            split=item.split,
            duration=samples / rate,
            frames=dict.fromkeys(codec.stream_specs(), frames),
            caption=item.caption,
        )
        items.append(stored)
    return items, failures


def _measure(
    codec: Codec, root: Path, items: list[StoredItem], failures: list[ItemFailure]
) -> dict[str, Gatherer]:
    """Gather statistics from evenly spread pieces; items that turn out unreadable go."""
    gathered = {name: Gatherer(spec) for name, spec in codec.stream_specs().items()}
    rate = codec.source.sample_rate
    each = STATISTICS_SECONDS / max(1, len(items))
    for item in list(items):
        read, samples = file_reader(codec, root / item.path), round(item.duration * rate)
        total = codec.num_frames(samples)
        frames = max(1, min(total, round(each * codec.frame_rate)))
        start = (total - frames) // 2
        try:
            with torch.inference_mode():
                pieces = encode_window(codec, read, samples, start, start + frames)
        except ValueError as error:
            items.remove(item)
            failures.append(ItemFailure(path=item.path, reason=failure_reason(error)))
            continue
        for name, gatherer in gathered.items():
            gatherer.add(pieces[name].numpy().T)
    return gathered
