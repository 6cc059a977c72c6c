"""What was asked of a sound, read from the fields beside a file of a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite
from numbers import Real
from typing import Any

from ...symbolic.theory import chord_pitch_classes, parse_key
from .events import merge_onsets
from .melody import Note
from .tonality import Span

__all__ = ["Request", "read_request", "read_seams"]

TIMED = ("beats", "downbeats", "onsets", "dynamics", "chords", "notes", "melody")
"""Fields that are lists of what happens when."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The fields that a metric exists for; None where nothing was asked."""

    bpm: float | None = None
    key: str | None = None
    beats: list[float] | None = None
    downbeats: list[float] | None = None
    chords: list[Span] | None = None
    dynamics: list[tuple[float, float]] | None = None
    onsets: list[float] | None = None
    """When notes begin, of drums and pitches; those within 30 ms are one."""
    notes: list[Note] | None = None
    """Of tracks that are no drums."""
    melody: list[Note] | None = None
    pitch: float | None = None
    duration: float | None = None
    """Seconds that the sound should last."""

    @property
    def seconds(self) -> float | None:
        """How long is asked for: `duration`, else until the last thing that is asked for ends.

        None where nothing that is asked for has a time.
        """
        if self.duration is not None:
            return self.duration
        return max((_end(row) for name in TIMED for row in getattr(self, name) or ()), default=None)

    def until(self, seconds: float) -> Request:
        """What is asked before a moment; what is asked only after it becomes None.

        Chords and notes that go on are cut there.
        """
        changed: dict[str, Any] = {}
        for name in TIMED:
            rows = getattr(self, name)
            if rows:
                kept = [_cut(row, seconds) for row in rows if _start(row) < seconds]
                changed[name] = kept or None
        if self.duration is not None:
            changed["duration"] = min(self.duration, seconds)
        return replace(self, **changed)


def read_request(fields: Mapping[str, Any]) -> Request:
    """Check the fields that can be measured; others, and those that are None, are passed over.

    Args:
        fields: `bpm`, `key`, `beats`, `downbeats`, `chords` [start, end, label], `dynamics` [time,
            0 to 1], `notes` [start, end, pitch, velocity, index into `tracks`] with `tracks`, as
            `latentone.data.ground_truth` has them; `melody` [start, end, pitch] of one voice;
            `pitch`, the MIDI number of a single note; `duration` in seconds.

    Raises:
        ValueError: a field that cannot be what it says, by name.
    """
    known: dict[str, Any] = {}
    for name, read in _READERS.items():
        if fields.get(name) is None:
            continue
        try:
            known[name] = read(fields[name])
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"the request's {name!r} cannot be read: {error}") from None
    if "notes" in known:
        drums = _drum_tracks(fields.get("tracks"))
        rows = known.pop("notes")
        known["onsets"] = merge_onsets([row[0] for row in rows]).tolist()
        known["notes"] = [row[:3] for row in rows if len(row) < 5 or row[4] not in drums]
    return Request(**known)


def read_seams(fields: Mapping[str, Any], seconds: float) -> list[float] | None:
    """When pieces of a sound were joined: `seams`, as far as the sound goes.

    Args:
        fields: `seams`, ascending seconds above 0: the borders of windows that were generated one
            after the other, or where a continuation sets in.
        seconds: how long the sound is; seams from there on are left out.

    Returns:
        None where there is no such field.

    Raises:
        ValueError: not ascending seconds above 0.
    """
    if fields.get("seams") is None:
        return None
    try:
        times = _times(fields["seams"])
        if times and times[0] <= 0:
            raise ValueError(f"a seam lies between two samples, after 0 s, got {times[0]}")
    except (ValueError, TypeError) as error:
        raise ValueError(f"'seams' cannot be read: {error}") from None
    return [time for time in times if time < seconds]


def _start(row: Any) -> float:
    return row[0] if isinstance(row, tuple) else row


def _end(row: Any) -> float:
    if not isinstance(row, tuple):
        return float(row)
    return float(row[1] if len(row) > 2 else row[0])


def _cut(row: Any, seconds: float) -> Any:
    # Times alone and steps (time, force) have no end.
    if not isinstance(row, tuple) or len(row) < 3:
        return row
    return (row[0], min(row[1], seconds), row[2])


def _number(value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(float(value)):
        raise ValueError(f"expected a finite number, got {value!r}")
    if not low <= float(value) <= high:
        raise ValueError(f"expected a number in [{low:g}, {high:g}], got {value}")
    return float(value)


def _seconds(value: Any) -> float:
    return _number(value, 0, 1e6)


def _bpm(value: Any) -> float:
    return _number(value, 1, 1000)


def _duration(value: Any) -> float:
    return _number(value, 1e-3, 1e6)


def _midi(value: Any) -> float:
    return _number(value, 0, 127)


def _key(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a key such as 'C# minor', got {value!r}")
    parse_key(value)
    return value


def _rows(value: Any, sizes: range, what: str) -> list[Any]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ValueError(f"expected a list of {what}, got {value!r}")
    rows = list(value)
    for row in rows:
        if isinstance(row, str) or not hasattr(row, "__len__") or len(row) not in sizes:
            raise ValueError(f"expected a list of {what}, got {row!r} in it")
    return rows


def _ascend(times: list[float]) -> list[float]:
    for before, after in pairwise(times):
        if after <= before:
            raise ValueError(f"expected ascending times, got {before} and then {after}")
    return times


def _times(value: Any) -> list[float]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise ValueError(f"expected a list of seconds, got {value!r}")
    return _ascend([_seconds(t) for t in value])


def _span(row: Any) -> tuple[float, float]:
    start, end = _seconds(row[0]), _seconds(row[1])
    if end < start:
        raise ValueError(f"something ends before it starts: {list(row)}")
    return start, end


def _chords(value: Any) -> list[Span]:
    spans: list[Span] = []
    for row in _rows(value, range(3, 4), "[start, end, label]"):
        start, end = _span(row)
        if not isinstance(row[2], str):
            raise ValueError(f"expected a chord such as 'A:min', got {row[2]!r}")
        chord_pitch_classes(row[2])
        if spans and start < spans[-1][1] - 1e-4:
            raise ValueError(f"chords overlap at {start} s; one can be asked for at a time")
        spans.append((start, end, row[2]))
    return spans


def _steps(value: Any) -> list[tuple[float, float]]:
    rows = _rows(value, range(2, 3), "[time, force]")
    steps = [(_seconds(time), _number(force, 0, 1)) for time, force in rows]
    _ascend([time for time, _ in steps])
    return steps


def _notes(value: Any) -> list[Any]:
    rows = _rows(value, range(3, 6), "[start, end, pitch, velocity, track]")
    return [(*_span(row), _midi(row[2]), *row[3:]) for row in rows]


def _melody(value: Any) -> list[Note]:
    return [
        (*_span(row), _midi(row[2])) for row in _rows(value, range(3, 4), "[start, end, pitch]")
    ]


def _drum_tracks(tracks: Any) -> set[int]:
    if tracks is None:
        return set()
    if isinstance(tracks, str) or not all(isinstance(track, Mapping) for track in tracks):
        raise ValueError("the request's 'tracks' cannot be read: expected a list of objects")
    return {index for index, track in enumerate(tracks) if track.get("drums")}


_READERS = {
    "bpm": _bpm,
    "key": _key,
    "beats": _times,
    "downbeats": _times,
    "chords": _chords,
    "dynamics": _steps,
    "notes": _notes,
    "melody": _melody,
    "pitch": _midi,
    "duration": _duration,
}
