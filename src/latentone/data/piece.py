"""One piece on its way into a corpus: a score, what is known of it, and where it is cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..symbolic.score import Score

__all__ = ["TAIL_SECONDS", "Piece", "Window", "windows"]

TAIL_SECONDS = 1.5
"""How long a piece rings after its last release."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A score with its name in the corpus and with what a score does not say."""

    name: str
    """Path in the corpus without suffix, `/` between folders; also the group."""
    score: Score
    midi: Path | None = None
    """The file it was read from; recorded instruments play it with all its controllers."""
    beats: np.ndarray | None = None
    """Annotated beat times in seconds, where they are known better than from the tempo map."""
    downbeats: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    """Further fields of the ground truth: genre, mood, ..."""

    @property
    def duration(self) -> float:
        """Seconds of audio, the last notes' ringing included."""
        return self.score.duration + TAIL_SECONDS


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a piece that becomes one file, in seconds."""

    start: float
    end: float


def windows(piece: Piece, seconds: float | None) -> list[Window]:
    """Cut a piece into files that begin on downbeats.

    Args:
        piece: what to cut.
        seconds: the length of every file; None keeps the piece whole.

    Returns:
        Windows in order that do not overlap. The last may be shorter, down to half of `seconds`;
        windows in which fewer than two notes begin are left out: they are silent or an echo.
    """
    if seconds is None:
        return [Window(0.0, piece.duration)]
    if not seconds > 0:
        raise ValueError(f"seconds must be positive, got {seconds}")
    downbeats = piece.score.downbeats if piece.downbeats is None else piece.downbeats
    tempo = piece.score.tempo
    starts = np.array([n.start for track in piece.score.tracks for n in track.notes])
    onsets = np.sort(np.asarray(tempo.seconds(starts)))
    cuts, at = [], 0.0
    while piece.duration - at >= min(seconds, piece.duration) / 2:
        end = min(at + seconds, piece.duration)
        first, last = np.searchsorted(onsets, [at - 1e-6, end])
        if last - first >= 2:
            cuts.append(Window(at, end))
        later = downbeats[downbeats >= end - 1e-6]
        # A bar and more without a downbeat: the annotation has ended, cut right away.
        at = float(later[0]) if later.size and later[0] < end + seconds / 2 else end
        if at >= piece.duration:
            break
    return cuts
