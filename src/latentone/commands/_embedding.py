"""What `evaluate` and `similar` share: an embedding by name, folders through it, progress."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..data.manifest import Manifest
    from ..embeddings import Embedded, Embedding

__all__ = ["CACHE", "NAMES", "EmbeddedFolder", "Folder", "embed_folder", "open_embedding", "timed"]

CACHE = Path.home() / ".cache" / "latentone" / "embeddings"
NAMES = (
    "logmel, classifier or joint (shipped), vggish:FILE, clap:FOLDER, or a codec or trained "
    "embedding (run folder, model folder or Hub id)"
)
LINE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of sound, read once."""

    path: Path
    manifest: Manifest

    @classmethod
    def read(cls, path: Path) -> Folder:
        """Scan a folder; see `latentone.data.scan` for what is raised."""
        from ..data import scan

        return cls(path=path, manifest=scan(path))

    @property
    def tracks(self) -> dict[Path, str]:
        """The group of each file: what intervals resample."""
        root = Path(self.manifest.root)
        return {root / item.path: item.group for item in self.manifest.items}


@dataclass(frozen=True, kw_only=True)
class EmbeddedFolder:
    """A folder's windows as vectors, and which track each is of."""

    embedded: Embedded
    """Vectors, files, times; `failures` also names what the scan refused."""
    tracks: tuple[str, ...]
    """The manifest's group of each vector."""


def open_embedding(name: str) -> Embedding:
    """An embedding by name, in eval mode; see `NAMES`. Nothing is downloaded for the shipped ones.

    Raises:
        ValueError: a codec without continuous latents, or weights that do not fit.
        FileNotFoundError: no such name, file or folder.
    """
    from ..embeddings import SHIPPED, LatentStatistics, LogMelStatistics, load_shipped

    if name == "logmel":
        return LogMelStatistics()
    if name in SHIPPED:
        return load_shipped(name).eval()
    kind, colon, rest = name.partition(":")
    if colon and kind == "vggish":
        from ..embeddings.vggish import VGGish

        return VGGish.from_file(rest).eval()
    if colon and kind == "clap":
        from ..embeddings.clap import ClapEmbedding

        return ClapEmbedding.from_pretrained(rest).eval()
    if (found := _trained(Path(name))) is not None:
        return found
    from ..loading import load

    codec = load(name).codec.eval()
    if not hasattr(codec, "latent_dim"):
        raise ValueError(f"{name} has no continuous latents: give {NAMES}")
    return LatentStatistics(
        codec.encode,
        codec.source,
        dim=codec.latent_dim,
        fingerprint=codec.latent.fingerprint,
        name=type(codec).__name__.lower(),
    )


def _trained(path: Path) -> Embedding | None:
    """A trained embedding's own folder, or the run folder that holds it."""
    from ..config import load_json
    from ..embeddings import TrainedEmbedding

    for folder in (path, path / "embedding"):
        if (folder / "config.json").is_file():
            config = load_json(folder / "config.json")
            kind = str(config.get("model_type")) if isinstance(config, dict) else ""
            if TrainedEmbedding._find(kind) is not None:
                return TrainedEmbedding.from_pretrained(folder).eval()
    return None


def embed_folder(
    folder: Folder,
    embedding: Embedding,
    cache: Path | None,
    *,
    workers: int = 0,
    quiet: bool = False,
) -> EmbeddedFolder:
    """Embed all sound of a folder, with progress; what cannot be read is said and left out.

    Args:
        folder: what to embed.
        embedding: what with.
        cache: where vectors are kept.
        workers: processes that embed; 0 embeds in this one.
        quiet: failures were said before.

    Raises:
        ValueError: not one file can be read.
    """
    from rich.console import Console

    from ..embeddings import embed_files

    tracks = folder.tracks
    with timed(f"{embedding.name}: {folder.path.name}", len(tracks)) as on_file:
        found = embed_files(embedding, list(tracks), cache=cache, workers=workers, on_file=on_file)
    failures = {f.path: f.reason for f in folder.manifest.failures} | found.failures
    console = Console(stderr=True)
    for path, reason in ({} if quiet else failures).items():
        console.print(f"left out {path}: {reason}", style="yellow", markup=False)
    return EmbeddedFolder(
        embedded=replace(found, failures=failures),
        tracks=tuple(tracks[found.paths[index]] for index in found.file.tolist()),
    )


@contextmanager
def timed(title: str, total: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left on a terminal, elsewhere a line now and then.

    Yields:
        What is to be called with `(done, total)`.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from ..training.progress import clock

    console = Console(stderr=True)
    started = last = time.monotonic()

    def say(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        bar.update(task, completed=done, total=total)
        if not console.is_terminal and now - last >= LINE_SECONDS:
            last = now
            left = (now - started) / max(1, done) * (total - done)
            console.print(f"{title}: {done}/{total}, {clock(math.ceil(left))} left", markup=False)

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield say
