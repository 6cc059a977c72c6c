"""What `evaluate` and `similar` share: an embedding by name, and folders through it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..embeddings import Embedded, Embedding

__all__ = ["CACHE", "EmbeddedFolder", "embed_folder", "open_embedding"]

CACHE = Path.home() / ".cache" / "latentone" / "embeddings"


@dataclass(frozen=True, kw_only=True)
class EmbeddedFolder:
    """A folder's windows as vectors, and which track each is of."""

    embedded: Embedded
    """Vectors, files, times; `failures` also names what the scan refused."""
    tracks: tuple[str, ...]
    """The manifest's group of each vector: what intervals resample."""


def open_embedding(name: str) -> Embedding:
    """An embedding by name: logmel, or a codec (run folder, codec folder or Hub id).

    Raises:
        ValueError: a codec without continuous latents.
        FileNotFoundError: no such name or folder.
    """
    from ..embeddings import LatentStatistics, LogMelStatistics

    if name == "logmel":
        return LogMelStatistics()
    from ..loading import load

    codec = load(name).codec.eval()
    if not hasattr(codec, "latent_dim"):
        raise ValueError(f"{name} has no continuous latents: give logmel or another codec")
    return LatentStatistics(
        codec.encode,
        codec.source,
        dim=codec.latent_dim,
        fingerprint=codec.latent.fingerprint,
        name=type(codec).__name__.lower(),
    )


def embed_folder(folder: Path, embedding: Embedding, cache: Path | None) -> EmbeddedFolder:
    """Embed all sound below a folder, with progress; what cannot be read is said and left out."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from ..data import scan
    from ..embeddings import embed_files

    manifest = scan(folder)
    tracks = {Path(manifest.root) / item.path: item.group for item in manifest.items}
    console = Console(stderr=True)
    columns = (f"embed {folder.name}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("embed", total=len(tracks))
        found = embed_files(
            embedding,
            list(tracks),
            cache=cache,
            on_file=lambda done, total: bar.update(task, completed=done),
        )
    failures = {f.path: f.reason for f in manifest.failures} | found.failures
    for path, reason in failures.items():
        console.print(f"left out {path}: {reason}", style="yellow")
    return EmbeddedFolder(
        embedded=replace(found, failures=failures),
        tracks=tuple(tracks[found.paths[index]] for index in found.file.tolist()),
    )
