"""One piece on its way into a corpus: a score, what is known of it, and where it is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..symbolic.score import Score

__all__ = ["TAIL_SECONDS", "Piece", "Window", "excerpts", "spread", "windows"]

TAIL_SECONDS = 1.5
"""How long a piece rings after its last release."""
LEAD_SECONDS = 3.0
"""How long a note may ring into an excerpt that begins after it."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A score with its name in the corpus and with what a score does not say."""

    name: str
    """Path in the corpus without suffix, `/` between folders."""
    score: Score
    midi: Path | None = None
    """The file it was read from; recorded instruments play it with all its controllers."""
    beats: np.ndarray | None = None
    """Annotated beat times in seconds, where they are known better than from the tempo map."""
    downbeats: np.ndarray | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    """Further fields of the ground truth: genre, mood, ..."""
    role: str = "mix"
    """mix, or which part of one this is: drums, bass, chords, melody, pad."""
    whole: str | None = None
    """Name of the piece that a part was taken from; the same split holds both."""

    @property
    def group(self) -> str:
        """What must not straddle a split."""
        return self.whole or self.name

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


def spread(cuts: Sequence[Window], most: int | None) -> dict[int, Window]:
    """At most `most` windows by their place, evenly spread; None takes all."""
    if most is None or len(cuts) <= most:
        return dict(enumerate(cuts))
    return {i: cuts[i] for i in ((2 * k + 1) * len(cuts) // (2 * most) for k in range(most))}


def excerpts(piece: Piece, cuts: Mapping[int, Window]) -> Piece:
    """The piece without the notes that no window hears, to be rendered in less time.

    Notes that end up to `LEAD_SECONDS` before a window stay, since they may still ring in it. A
    MIDI file that plays itself is left as it is.
    """
    if piece.midi is not None:
        return piece
    seconds = piece.score.tempo.seconds

    def heard(start: float, end: float) -> bool:
        return any(start < cut.end and end > cut.start - LEAD_SECONDS for cut in cuts.values())

    tracks = []
    for track in piece.score.tracks:
        times = ((float(seconds(n.start)), float(seconds(n.end))) for n in track.notes)
        kept = tuple(n for n, t in zip(track.notes, times, strict=True) if heard(*t))
        tracks.append(replace(track, notes=kept))
    return replace(piece, score=replace(piece.score, tracks=tuple(t for t in tracks if t.notes)))
