"""Embedding files: windows in batches, long files in constant memory, each file once."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..audio import AudioError
from ..processes import in_processes, one_thread
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
    workers: int = 0,
    on_file: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Embed audio files window by window.

    A file shorter than a window is repeated until it fills one, or filled as the embedding's own
    `fill` says. A file that cannot be read, has samples that are not finite, or none at all, is
    left out and named in `failures`.

    Every file is computed by one thread, since products of matrices round differently with
    another number of them: its vectors do not depend on `workers`, nor on the other files.

    Args:
        embedding: in eval mode, on its device.
        paths: of audio files.
        cache: folder where vectors are kept for the next time; None keeps nothing.
        workers: processes that read and embed beside this one, which then only collects; as many
            as there are cores is fastest. They take seconds to start, are not started for files
            that are all in the cache, and import the calling script, whose own work must
            therefore stand below `if __name__ == "__main__":`.
        on_file: called with files done and files in all.

    Raises:
        ValueError: not one file can be read, or the embedding cannot be sent to a process.
        RuntimeError: a worker process ended.
    """
    if workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    kept = None if cache is None else EmbeddingCache(cache, embedding)
    chosen = [Path(path) for path in paths]
    keys = {} if kept is None else {i: key for i, p in enumerate(chosen) if (key := kept.key(p))}
    results: dict[int, Tensor | str] = {}
    for i, key in keys.items():
        if kept is not None and (vectors := kept.get(key)) is not None:
            results[i] = vectors
    todo = {i: path for i, path in enumerate(chosen) if i not in results}
    if on_file is not None and results:
        on_file(len(results), len(chosen))
    for i, result in _in_processes(embedding, todo, workers) if workers else _here(embedding, todo):
        results[i] = result
        if kept is not None and i in keys and isinstance(result, Tensor):
            kept.put(keys[i], result)
        if on_file is not None:
            on_file(len(results), len(chosen))
    return _joined(embedding, chosen, results)


def _joined(
    embedding: Embedding, paths: Sequence[Path], results: Mapping[int, Tensor | str]
) -> Embedded:
    vectors: list[Tensor] = []
    readable: list[Path] = []
    failures: dict[str, str] = {}
    for i, path in enumerate(paths):
        result = results[i]
        if isinstance(result, str):
            failures[str(path)] = result
        else:
            vectors.append(result)
            readable.append(path)
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


def _here(embedding: Embedding, todo: Mapping[int, Path]) -> Iterator[tuple[int, Tensor | str]]:
    for i, path in todo.items():
        with one_thread():
            result = _attempt(embedding, path)
        yield i, result


def _attempt(embedding: Embedding, path: Path) -> Tensor | str:
    """Vectors `(W, D)` of a file, or why there are none."""
    try:
        return _embed(embedding, path)
    except AudioError as error:
        return error.reason
    except (OSError, ValueError) as error:
        return str(error)


@torch.no_grad()
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
        if x.shape[-1] < window:
            x = embedding.fill(x)
        if x.shape[-1] < count:  # a file that ends before its header says
            x = x.repeat(1, -(-count // x.shape[-1]))[:, :count]
        windows = x.unfold(-1, window, hop).transpose(0, 1)
        device = next((t.device for t in embedding.state_dict().values()), torch.device("cpu"))
        parts.append(embedding(windows.to(device)).float().cpu())
    found = torch.cat(parts)
    if not bool(torch.isfinite(found).all()):
        raise ValueError("its vectors are not finite")
    return found


def _in_processes(
    embedding: Embedding, todo: Mapping[int, Path], workers: int
) -> Iterator[tuple[int, Tensor | str]]:
    if not todo:
        return
    try:
        pickled = pickle.dumps(embedding)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"the embedding {embedding.name} cannot be sent to worker processes ({error}): use "
            "workers=0, or build it of what pickle can write"
        ) from error
    results = in_processes(
        _work, todo.values(), min(workers, len(todo)), setup=_receive, arguments=(pickled,)
    )
    for i, result in zip(todo, results, strict=True):
        yield i, result if isinstance(result, str) else torch.from_numpy(result)


_received: list[Embedding] = []
"""In a worker process: the embedding that it works for."""


def _receive(pickled: bytes) -> None:
    _received[:] = [pickle.loads(pickled)]


def _work(path: Path) -> np.ndarray | str:
    """Vectors as an array, which travels by value, where a tensor would take shared memory."""
    result = _attempt(_received[0], path)
    return result if isinstance(result, str) else result.numpy()
