"""How near two sounds come to each other in an embedding: runs of windows, and which have sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .distribution.distances import distance_blocks
from .excerpts import FLOOR_DB, FRAME_RATE, Trace

__all__ = ["WINDOWS", "aligned_distances", "audible_windows"]

WINDOWS = 3
"""Of a run."""


def aligned_distances(
    sound: Tensor, others: Tensor, other_files: Tensor, *, windows: int = WINDOWS
) -> Tensor:
    """How near a sound comes to each of many others in an embedding, run by run.

    A run of windows of the sound is laid on a run of the other, and their distances averaged; the
    nearest runs count, since a single window is near to many by chance.

    Args:
        sound: windows `(W, D)`, in order.
        others: windows of all others `(N, D)`, file after file, in order.
        other_files: int64 `(N,)`, ascending: which file a window is of.
        windows: length of a run; shorter where either sound has fewer.

    Returns:
        The distance of each file up to the last that has windows, `(files,)`; infinite for a file
        without any.
    """
    lengths = torch.bincount(other_files)
    # Copies: the blocks share one buffer.
    distances = torch.cat([block.sqrt() for _, block in distance_blocks(sound, others)])
    best = distances.new_full((len(lengths),), torch.inf)
    run = min(windows, len(sound))
    for size in range(1, min(run, len(others)) + 1):
        rows, columns = len(sound) - size + 1, len(others) - size + 1
        runs = torch.stack([distances[i : i + rows, i : i + columns] for i in range(size)])
        nearest = runs.mean(0).amin(0)
        # A run ends in the file it begins in, and is as long as both sounds allow.
        file = other_files[:columns]
        longest = lengths.clamp(max=run)[file] == size
        allowed = longest & (file == other_files[size - 1 :])
        best.scatter_reduce_(0, file[allowed], nearest[allowed], "amin")
    return best


def audible_windows(
    traces: Sequence[Trace], file: Tensor, seconds: Tensor, window_seconds: float
) -> Tensor:
    """Which windows hold sound: silence is near to silence, and says nothing of copying.

    Args:
        traces: of all sounds.
        file: int64 `(N,)`: which sound a window is of.
        seconds: where it begins, `(N,)`.
        window_seconds: its length.

    Returns:
        bool `(N,)`: False where no band comes within 50 dB of the sound's loudest moment, or the
        whole sound is silent.
    """
    heard = torch.zeros(len(file), dtype=torch.bool)
    for i, (f, start) in enumerate(zip(file.tolist(), seconds.tolist(), strict=True)):
        mel = traces[f].mel
        part = mel[:, int(start * FRAME_RATE) : int((start + window_seconds) * FRAME_RATE) + 1]
        heard[i] = bool(part.numel()) and bool((part > -FLOOR_DB).any() and mel.amin() < mel.amax())
    return heard
