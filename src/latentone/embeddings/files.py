"""Embedding files: windows in batches, long files in constant memory, each file once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..audio import AudioError
from .base import Embedding
from .cache import EmbeddingCache

__all__ = ["Embedded", "embed_files"]

BATCH = 32
"""Windows that are read and embedded at a time."""


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Vectors of many files, one for each window."""

    name: str
    """Of the embedding."""
    fingerprint: str
    """Of the embedding."""
    vectors: Tensor
    """`(N, D)` fp32, file after file."""
    file: Tensor
    """int64 `(N,)`: which of `paths` a vector is of."""
    seconds: Tensor
    """`(N,)`: where its window begins."""
    paths: tuple[Path, ...]
    """The files that could be read."""
    failures: dict[str, str]
    """Those that could not, and why."""


def embed_files(
    embedding: Embedding,
    paths: Sequence[str | Path],
    *,
    cache: str | Path | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Embed audio files window by window.

    A file shorter than a window is repeated until it fills one. A file that cannot be read, has
    samples that are not finite, or none at all, is left out and named in `failures`.

    Args:
        embedding: in eval mode, on its device.
        paths: of audio files.
        cache: folder where vectors are kept for the next time; None keeps nothing.
        on_file: called with files done and files in all.

    Raises:
        ValueError: not one file can be read.
    """
    kept = None if cache is None else EmbeddingCache(cache, embedding)
    vectors: list[Tensor] = []
    readable: list[Path] = []
    failures: dict[str, str] = {}
    for done, path in enumerate(map(Path, paths), start=1):
        try:
            found = None if kept is None else kept.get(path)
            if found is None:
                found = _embed(embedding, path)
                if kept is not None:
                    kept.put(path, found)
        except (AudioError, OSError, ValueError) as error:
            failures[str(path)] = error.reason if isinstance(error, AudioError) else str(error)
        else:
            vectors.append(found)
            readable.append(path)
        if on_file is not None:
            on_file(done, len(paths))
    if not vectors:
        first = next(iter(failures.items()), None)
        came = "no file at all" if first is None else f"{first[0]}: {first[1]}"
        raise ValueError(f"expected at least one audio file that can be read, got {came}")
    counts = torch.tensor([len(v) for v in vectors])
    within = torch.cat([torch.arange(int(n)) for n in counts])
    return Embedded(
        name=embedding.name,
        fingerprint=embedding.fingerprint,
        vectors=torch.cat(vectors),
        file=torch.arange(len(counts)).repeat_interleave(counts),
        seconds=within * (embedding.hop / embedding.source.sample_rate),
        paths=tuple(readable),
        failures=failures,
    )


def _embed(embedding: Embedding, path: Path) -> Tensor:
    source, window, hop = embedding.source, embedding.window, embedding.hop
    length = source.length(path)
    starts = embedding.starts(length)
    parts = []
    for first in range(0, len(starts), BATCH):
        chosen = starts[first : first + BATCH]
        count = chosen[-1] - chosen[0] + window
        x = source.load(path, chosen[0] / source.sample_rate, count / source.sample_rate)
        if not x.shape[-1]:
            raise ValueError("it has no samples")
        if x.shape[-1] < count:  # a short file, or one that ends before its header says
            x = x.repeat(1, -(-count // x.shape[-1]))[:, :count]
        windows = x.unfold(-1, window, hop).transpose(0, 1)
        device = next((t.device for t in embedding.state_dict().values()), torch.device("cpu"))
        parts.append(embedding(windows.to(device)).float().cpu())
    found = torch.cat(parts)
    if not bool(torch.isfinite(found).all()):
        raise ValueError("its vectors are not finite")
    return found
