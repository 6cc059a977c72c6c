"""What is known of a stretch of music: the fields beside every file of a corpus."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ..symbolic.general_midi import DRUMS, instrument_name
from .piece import Piece, Window

__all__ = ["ground_truth"]

_DIGITS = 5


def _inside(times: np.ndarray, window: Window) -> np.ndarray:
    inside = times[(times >= window.start - 1e-6) & (times < window.end - 1e-6)]
    return np.maximum(inside - window.start, 0.0)


def _rounded(times: np.ndarray) -> list[float]:
    return [round(float(t), _DIGITS) for t in times]


def _tempo(beats: np.ndarray) -> float | None:
    return round(float(60.0 / np.median(np.diff(beats))), 2) if beats.size > 1 else None


def _meter(piece: Piece, beats: np.ndarray, downbeats: np.ndarray) -> str:
    meter = piece.score.meters[0]
    if piece.downbeats is None or downbeats.size < 2:
        return f"{meter.numerator}/{meter.denominator}"
    counts = np.diff(np.searchsorted(beats, downbeats - 1e-3))
    return f"{int(np.median(counts))}/4"


def ground_truth(piece: Piece, window: Window) -> dict[str, Any]:
    """Everything that is known of one window, as JSON values; times in seconds from its start.

    Returns:
        `bpm` (median of the beats inside), `key`, `time_signature`, `instruments` that sound, the
        melody's first and then by number of notes, `instrument` (the same in one line), `lead`
        (the melody's, where a track has that name), `drums` that sound, `beats`,
        `downbeats`, `chords` [start, end, label], `sections` [start, name], `dynamics` [start of
        bar, mean velocity of its strokes, 0 to 1], `notes` [start, end, pitch, velocity, index
        into `tracks`], `tracks` (name, program, instrument, drums), `role` (mix, or which part
        is alone) and the piece's metadata, of which `drum_pattern` is none where no drum sounds.
    """
    score, tempo = piece.score, piece.score.tempo
    beats = score.beats if piece.beats is None else piece.beats
    downbeats = score.downbeats if piece.downbeats is None else piece.downbeats

    notes: list[tuple[float, float, int, int, int]] = []
    kit: dict[str, int] = {}
    counts: dict[str, int] = {}
    leads: set[str] = set()
    for index, track in enumerate(score.tracks):
        begin = np.asarray(tempo.seconds(np.array([n.start for n in track.notes])))
        end = np.asarray(tempo.seconds(np.array([n.end for n in track.notes])))
        name = instrument_name(track.program, drums=track.drums)
        for note, t0, t1 in zip(track.notes, begin, end, strict=True):
            if t1 <= window.start + 1e-6 or t0 >= window.end - 1e-6:
                continue
            notes.append(
                (
                    round(max(t0 - window.start, 0.0), _DIGITS),
                    round(min(t1, window.end) - window.start, _DIGITS),
                    note.pitch,
                    note.velocity,
                    index,
                )
            )
            counts[name] = counts.get(name, 0) + 1
            if track.name.lower() == "melody":
                leads.add(name)
            if track.drums:
                drum = DRUMS.get(note.pitch, "percussion")
                kit[drum] = kit.get(drum, 0) + 1
    notes.sort()

    # Drums play the most strokes and are named last all the same.
    instruments = sorted(counts, key=lambda n: (n not in leads, n == "drums", -counts[n]))
    inside = _inside(beats, window)
    bars = _inside(downbeats, window)
    chords = []
    for chord in score.chords:
        t0, t1 = tempo.seconds(chord.start), tempo.seconds(chord.end)
        if t1 > window.start + 1e-3 and t0 < window.end - 1e-3:
            t0, t1 = max(t0, window.start), min(t1, window.end)
            chords.append([*_rounded(np.array([t0, t1]) - window.start), chord.label])
    sections = []
    edges = [tempo.seconds(beat) for beat, _ in score.sections] + [piece.duration]
    for (_, name), t0, t1 in zip(score.sections, edges[:-1], edges[1:], strict=True):
        if t1 > window.start + 1e-3 and t0 < window.end - 1e-3:
            sections.append([round(max(t0 - window.start, 0.0), _DIGITS), name])
    truth = {
        "bpm": _tempo(inside) or _tempo(beats),
        "key": score.key,
        "time_signature": _meter(piece, beats, downbeats),
        "instrument": ", ".join(instruments),
        "instruments": instruments,
        "lead": instruments[0] if leads else None,
        "drums": sorted(kit, key=lambda name: -kit[name]),
        **piece.metadata,
        "role": piece.role,
        "group": piece.group,
        "start": round(window.start, _DIGITS),
        "duration": round(window.end - window.start, _DIGITS),
        "beats": _rounded(inside),
        "downbeats": _rounded(bars),
        "chords": chords,
        "sections": sections,
        "dynamics": _dynamics(notes, bars, window),
        "tracks": [
            {
                "name": track.name,
                "program": track.program,
                "instrument": instrument_name(track.program, drums=track.drums),
                "drums": track.drums,
            }
            for track in score.tracks
        ],
        "notes": [list(note) for note in notes],
    }
    if "drum_pattern" in truth and not kit:
        truth["drum_pattern"] = "none"
    # What is not known is not there.
    return {name: value for name, value in truth.items() if value is not None}


def _dynamics(
    notes: list[tuple[float, float, int, int, int]], bars: np.ndarray, window: Window
) -> list[list[float]]:
    edges = np.unique(np.concatenate([[0.0], bars, [window.end - window.start]]))
    begin = np.array([note[0] for note in notes])
    force = np.array([note[3] for note in notes]) / 127
    curve = []
    for t0, t1 in pairwise(edges):
        inside = (begin >= t0 - 1e-4) & (begin < t1 - 1e-4)
        if inside.any():
            curve.append([round(float(t0), _DIGITS), round(float(force[inside].mean()), 3)])
    return curve
