"""Compute the latents of a folder of audio with a trained codec: step 2.

    latentone encode run --data my_sounds --out latents
    latentone encode facebook/encodec_32khz --data my_sounds --out latents --device cuda
    torchrun --nproc-per-node 4 -m latentone encode run --data my_sounds --out latents

Stop it at any time; the same command goes on. Any number of processes, started together or not,
share the work. Files that cannot be used are listed in failures.jsonl.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..device import ComputeArgs

if TYPE_CHECKING:
    from ..latents import EncodeProgress, LatentStore

__all__ = ["Args", "EncodeBar", "run"]


@dataclass(frozen=True, kw_only=True)
class Args(ComputeArgs):
    """Flags of `latentone encode`."""

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")]
    """Run folder, codec folder, or Hub id."""
    data: Path
    """The folder of audio."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The store: a new folder, or one to continue."""
    storage: Literal["float16", "float32"] = "float16"
    """How continuous latents are kept; codes take the smallest integers that hold them."""
    group_by: Literal["auto", "file", "folder"] = "auto"
    """What must not straddle the split; auto reads groups from sidecars, else from names."""
    valid_fraction: float = 0.1
    """Share of the groups held out for validation."""
    test_fraction: float = 0.1
    """Share of the groups held out for the end."""
    seed: int = 0
    """Seed of the split."""
    shard_minutes: float = 60.0
    """Audio per shard: how much work a kill loses at most."""
    batch_seconds: float = 60.0
    """Audio that is encoded at a time."""


def run(args: Args) -> int:
    """Encode, and say what was made."""
    from ..data import scan
    from ..latents import encode_folder
    from ._drawing import load_told

    codec = load_told(args.model).codecs["acoustic"]
    manifest = scan(
        args.data,
        group_by=args.group_by,
        valid_fraction=args.valid_fraction,
        test_fraction=args.test_fraction,
        seed=args.seed,
    )
    with EncodeBar() as progress:
        store = encode_folder(
            codec,
            manifest,
            args.out,
            name=args.model,
            shard_seconds=args.shard_minutes * 60,
            batch_seconds=args.batch_seconds,
            storage=args.storage,
            device=args.device,
            precision=args.precision,
            on_progress=progress,
        )
    _summarise(store)
    return 0


class EncodeBar:
    """A line with audio done, the rate and the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("encode"),
            BarColumn(),
            TextColumn("{task.fields[done]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("encode", total=None, done="", left="")
        self._before: float | None = None

    def __enter__(self) -> EncodeBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, progress: EncodeProgress) -> None:
        elapsed = self._progress.tasks[self._task].elapsed or 0.0
        if self._before is None:  # what an earlier run left done says nothing of the rate
            self._before = progress.seconds
        new, missing = progress.seconds - self._before, progress.total_seconds - progress.seconds
        left = f"left {_clock(missing * elapsed / new)}" if new > 0 else ""
        speed = f", {new / elapsed:.0f}x real time" if new > 0 and elapsed > 0 else ""
        failed = f", {progress.failures} failed" if progress.failures else ""
        items = f"{progress.items}/{progress.total_items} files"
        self._progress.update(
            self._task,
            total=progress.total_seconds,
            completed=progress.seconds,
            done=f"{items}, {progress.seconds / 60:.1f} min{speed}{failed}",
            left=left,
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _summarise(store: LatentStore) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..latents.summary import store_lines

    table = Table(show_header=False, title=str(store.folder), title_justify="left")
    for what, value in store_lines(store):
        table.add_row(what, value)
    Console().print(table)
