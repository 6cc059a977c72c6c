"""When are two sounds nearer in an embedding than different tracks are? One ruler for all who ask.

Distances are those of runs of consecutive windows (`aligned_distances`), in standard deviations of
the known sounds' windows. Silence is near to silence and says nothing, so that every set comes
without its silent windows: a limit that is read from sounds which share silence would be 0, and
nothing would lie below it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..audio import AudioError, AudioSource
from ..embeddings import Embedded
from .excerpts import FLOOR_DB, FRAME_RATE, RATE, _front
from .runs import aligned_distances

__all__ = ["CALIBRATED", "EQUAL", "FEW", "SHARE", "Ruler", "calibrated", "heard_windows", "is_near"]

SHARE = 0.01
"""Share of unrelated sounds that the limits let through."""
CALIBRATED = 200
"""Known sounds that the limits are read from; more are thinned evenly."""
FEW = 20
"""Tracks below which there is no limit: what one in a hundred reaches cannot be read from so few,
and leaving one of them out thins them visibly."""
EQUAL = 1e-6
"""Distances up to this are rounding: the windows are the same."""
BLOCK_SECONDS = 60
"""Of sound that is looked through at a time for silence."""
SILENT_DB = -99.9
"""The mel bands end at -100 dB."""


class Ruler:
    """Distances of sounds to known ones, and what is unusually near.

    Args:
        vectors: windows of the known sounds `(N, D)`, sound after sound, in order, none thinned,
            the silent ones left out.
        file: int64 `(N,)`, ascending: which sound a window is of.
        tracks: of each sound; sounds of one track resemble each other.
    """

    def __init__(self, vectors: Tensor, file: Tensor, tracks: Sequence[str]) -> None:
        self.file, self.tracks = file, tuple(tracks)
        x = vectors.double()
        self._mean = x.mean(0) if len(x) else x.new_zeros(x.shape[1])
        spread = x.std(0, correction=0) if len(x) else torch.ones_like(self._mean)
        self._scale = torch.where(spread > 1e-9, spread, torch.ones_like(spread))
        self._known = self._standard(vectors)

    def _standard(self, x: Tensor) -> Tensor:
        """In standard deviations of the known windows; an RMS over features, not a sum."""
        return (x.double() - self._mean) / self._scale / x.shape[1] ** 0.5

    def distances(self, vectors: Tensor, *, without: str | None = None) -> Tensor:
        """Distance of a sound `(W, D)` to each known one, `(sounds,)`.

        Infinite where either has no window, and for the track that is left out.
        """
        found = torch.full((len(self.tracks),), torch.inf, dtype=torch.float64)
        if len(vectors) and len(self._known):
            near = aligned_distances(self._standard(vectors), self._known, self.file)
            found[: len(near)] = near
        if without is not None:
            found[[track == without for track in self.tracks]] = torch.inf
        return found

    def limit(self, nearest: Sequence[float]) -> float | None:
        """What one in a hundred known sounds reaches; None where too few tracks tell.

        Args:
            nearest: of the sounds that `calibrated` names, the least distance to another track.
        """
        finite = [d for d in nearest if math.isfinite(d)]
        if not finite or len(set(self.tracks)) < FEW:
            return None
        return float(torch.tensor(finite, dtype=torch.float64).quantile(SHARE))


def calibrated(sounds: int) -> range:
    """Which of so many known sounds a limit is read from: all, or 200 at most, spread evenly."""
    return range(0, sounds, max(1, -(-sounds // CALIBRATED)))


def is_near(distance: float, limit: float | None) -> bool:
    """Whether it is nearer than the limit, or the same, which no limit makes usual."""
    return distance <= EQUAL or (limit is not None and distance < limit)


@torch.no_grad()
def heard_windows(found: Embedded, window_seconds: float) -> Tensor:
    """Which windows of embedded files hold sound, as `audible_windows` has it, from the files.

    The mixdown is looked through, a minute at a time, since that is what embeddings hear.

    Args:
        found: windows of files.
        window_seconds: length of a window.

    Returns:
        bool `(N,)`: False where no band comes within 50 dB of the file's loudest moment, or the
        whole file is silent. True for a file that can no longer be read.
    """
    heard = torch.ones(len(found.file), dtype=torch.bool)
    for i, path in enumerate(found.paths):
        rows = (found.file == i).nonzero()[:, 0]
        try:
            loud = _loudest_band_db(path)
        except (AudioError, OSError):
            continue
        most = float(loud.max())
        for row, start in zip(rows.tolist(), found.seconds[rows].tolist(), strict=True):
            part = loud[int(start * FRAME_RATE) : int((start + window_seconds) * FRAME_RATE) + 1]
            heard[row] = most > SILENT_DB and bool((part > most - FLOOR_DB).any())
    return heard


def _loudest_band_db(path: Path) -> Tensor:
    """Level of the loudest mel band, 50 times a second, `(frames,)`."""
    source, (mel, _) = AudioSource(sample_rate=RATE, channels=1), _front()
    parts = []
    for start in range(0, source.length(path), BLOCK_SECONDS * RATE):
        x = source.load(path, start / RATE, BLOCK_SECONDS)[0]
        if not len(x):  # a file that ends before its header says
            break
        parts.append(mel(x).amax(0)[: BLOCK_SECONDS * FRAME_RATE])
    if not parts:
        return torch.tensor([SILENT_DB])
    return torch.cat(parts) * (20 / math.log(10))
