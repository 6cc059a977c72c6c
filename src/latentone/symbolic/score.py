"""A piece of music as data: tracks of notes in beats, and the map from beats to seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import numpy as np

__all__ = ["Chord", "Meter", "Note", "Score", "TempoMap", "Track"]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note; time runs in quarter-note beats from the start of the piece."""

    start: float
    """Onset in beats, at least 0."""
    duration: float
    """Length in beats, more than 0."""
    pitch: int
    """MIDI number 0 to 127 (69 is A4, 440 Hz); in a drum track the General MIDI drum."""
    velocity: int
    """Strength of the stroke, 1 to 127."""

    def __post_init__(self) -> None:
        if not (self.start >= 0 and self.duration > 0):
            raise ValueError(
                f"a note needs start >= 0 and duration > 0 beats, "
                f"got start {self.start} and duration {self.duration}"
            )
        if not (0 <= self.pitch <= 127 and 1 <= self.velocity <= 127):
            raise ValueError(
                f"a note needs pitch in 0..127 and velocity in 1..127, "
                f"got pitch {self.pitch} and velocity {self.velocity}"
            )

    @property
    def end(self) -> float:
        """The release, in beats."""
        return self.start + self.duration


@dataclass(frozen=True, kw_only=True)
class Track:
    """Notes of one instrument."""

    name: str
    """What the part is: `melody`, `bass`, or the name found in a file."""
    program: int = 0
    """General MIDI program, 0 to 127; without meaning for drums."""
    notes: tuple[Note, ...] = ()
    """In order of onset."""
    drums: bool = False
    """Whether pitches are drums of the General MIDI kit."""
    volume: int = 100
    """MIDI channel volume, 0 to 127."""
    pan: int = 64
    """MIDI pan: 0 left, 64 centre, 127 right."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord symbol over a span of beats."""

    start: float
    end: float
    label: str
    """Harte syntax, as in `A:min7`; `N` for no chord."""


@dataclass(frozen=True, slots=True)
class Meter:
    """A time signature that holds from `start` (beats) on."""

    start: float
    numerator: int
    denominator: int

    @property
    def bar(self) -> float:
        """Length of a bar in quarter notes."""
        return 4.0 * self.numerator / self.denominator

    @property
    def pulse(self) -> float:
        """What a listener counts, in quarter notes: three eighths in 6/8, else the denominator."""
        unit = 4.0 / self.denominator
        compound = self.denominator >= 8 and self.numerator % 3 == 0 and self.numerator > 3
        return 3 * unit if compound else unit


class TempoMap:
    """Piecewise constant tempo: beats to seconds and back.

    Args:
        changes: (beat, quarter notes per minute), in order of beats; the first holds from 0.

    >>> TempoMap([(0.0, 120.0), (4.0, 60.0)]).seconds(6.0)
    4.0
    """

    def __init__(self, changes: Sequence[tuple[float, float]] = ((0.0, 120.0),)) -> None:
        if not changes or any(bpm <= 0 for _, bpm in changes):
            raise ValueError(f"a tempo map needs one or more positive tempi, got {changes!r}")
        beats = np.array([beat for beat, _ in changes], dtype=np.float64)
        if np.any(np.diff(beats) <= 0):
            raise ValueError(f"tempo changes must be in order of beats, got {changes!r}")
        beats[0] = 0.0
        self.changes = tuple(
            (float(b), float(bpm)) for b, (_, bpm) in zip(beats, changes, strict=True)
        )
        self._beats = beats
        self._pace = np.array([60.0 / bpm for _, bpm in changes])
        self._times = np.concatenate([[0.0], np.cumsum(np.diff(beats) * self._pace[:-1])])

    @overload
    def seconds(self, beats: float) -> float: ...
    @overload
    def seconds(self, beats: np.ndarray) -> np.ndarray: ...
    def seconds(self, beats: float | np.ndarray) -> float | np.ndarray:
        """The time at which a beat falls."""
        i = np.maximum(np.searchsorted(self._beats, beats, side="right") - 1, 0)
        out = self._times[i] + (np.asarray(beats) - self._beats[i]) * self._pace[i]
        return float(out) if out.ndim == 0 else out

    @overload
    def beats(self, seconds: float) -> float: ...
    @overload
    def beats(self, seconds: np.ndarray) -> np.ndarray: ...
    def beats(self, seconds: float | np.ndarray) -> float | np.ndarray:
        """The beat that falls at a time."""
        i = np.maximum(np.searchsorted(self._times, seconds, side="right") - 1, 0)
        out = self._beats[i] + (np.asarray(seconds) - self._times[i]) / self._pace[i]
        return float(out) if out.ndim == 0 else out

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TempoMap) and self.changes == other.changes

    def __hash__(self) -> int:
        return hash(self.changes)

    def __repr__(self) -> str:
        return f"TempoMap({list(self.changes)})"


@dataclass(frozen=True, kw_only=True)
class Score:
    """A whole piece."""

    tracks: tuple[Track, ...]
    tempo: TempoMap = field(default_factory=TempoMap)
    meters: tuple[Meter, ...] = (Meter(0.0, 4, 4),)
    """Time signatures in order; the first holds from 0."""
    key: str | None = None
    """As in `F# minor`; None when unknown."""
    chords: tuple[Chord, ...] = ()
    sections: tuple[tuple[float, str], ...] = ()
    """(beat, name): where a part of the form begins."""

    @cached_property
    def end(self) -> float:
        """The last release, in beats; 0 for an empty score."""
        return max((n.end for track in self.tracks for n in track.notes), default=0.0)

    @property
    def duration(self) -> float:
        """The last release, in seconds."""
        return self.tempo.seconds(self.end)

    def _grid(self, step: str) -> np.ndarray:
        spans = []
        for i, meter in enumerate(self.meters):
            last = i + 1 == len(self.meters)
            # The grid always reaches past the last release, so every note lies between two beats.
            stop = self.end + getattr(meter, step) if last else self.meters[i + 1].start
            spans.append(np.arange(meter.start, stop - 1e-9, getattr(meter, step)))
        return np.concatenate(spans)

    @cached_property
    def beats(self) -> np.ndarray:
        """Times of the counted beats, in seconds `(N,)`."""
        return self.tempo.seconds(self._grid("pulse"))

    @cached_property
    def downbeats(self) -> np.ndarray:
        """Times at which bars begin, in seconds `(N,)`."""
        return self.tempo.seconds(self._grid("bar"))

    @property
    def bpm(self) -> float:
        """The median rate of the counted beats, per minute."""
        if len(self.beats) < 2:
            return self.tempo.changes[0][1] / self.meters[0].pulse
        return float(60.0 / np.median(np.diff(self.beats)))
