"""One note: is it the pitch that was asked for, does it keep it, and how fast does it speak?"""

from __future__ import annotations

import math

import torch

from ...analysis import F0, level_curve
from ...analysis.signal import mono_signal
from ...audio import Audio
from ..control.metric import ControlMetric
from ..control.pitch import follow_note, note_pitch, pitch_scores_of_note

__all__ = ["NOTES", "attack_time", "note_scores", "voiced_share"]

NOTES: dict[str, ControlMetric] = {
    "pitch": ControlMetric(
        "MIDI", "[0, 127]", "reference", "median f0 as a MIDI number, whatever was asked for"
    ),
    "pitch_entropy": ControlMetric(
        "bits",
        "[0, inf)",
        "reference",
        "entropy over the set of the pitches that are heard, to the nearest key: 0 where all are "
        "equal, log2 of their number where all differ",
    ),
    "asked_pitch_entropy": ControlMetric(
        "bits",
        "[0, inf)",
        "reference",
        "the same of the pitches that were asked for: less is heard where a model keeps to fewer",
    ),
    "pitch_accuracy": ControlMetric(
        "",
        "0 or 1",
        "higher",
        "median f0 within 50 cents of the asked pitch",
        "f0",
    ),
    "pitch_error": ControlMetric(
        "cents",
        "(-inf, inf)",
        "zero",
        "median f0 against the asked pitch",
        "f0_cents",
    ),
    "pitch_spread": ControlMetric(
        "cents",
        "[0, inf)",
        "reference",
        "half the distance of the quartiles of f0: vibrato, and unsteadiness",
        "f0_cents",
    ),
    "voiced": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "share of the sounding frames that have a pitch",
        "voicing",
    ),
    "attack_time": ControlMetric(
        "ms", "[0, inf)", "reference", "from 10 % to 90 % of the largest level"
    ),
}
"""What each number means; `reference`: compare with real notes. Both entropies are of sets, see
`pitch_variety`; all others are of one note, see `note_scores`."""

ENVELOPE_HOP_SECONDS = 0.001
ENVELOPE_SECONDS = 0.005
SOUNDING_DB = -40.0
"""Frames this far below the loudest are no part of the note."""


def note_scores(audio: Audio, pitch: float | None = None) -> dict[str, float]:
    """Measure a single note.

    Drums, chords and noise have no f0: their `voiced` is low and their pitch means nothing. Sounds
    whose strongest partial lies an octave below what is written (organs, basses) are heard there.

    Args:
        audio: one note.
        pitch: the MIDI number that was asked for, 0 to 127; None leaves out what needs it.

    Returns:
        Values by the names of `NOTES` that have an answer: nothing for silence but a
        `pitch_accuracy` of 0 where a pitch was asked for.

    Raises:
        ValueError: a pitch out of range, or a sample that is not finite.
    """
    if pitch is not None and not 0 <= pitch <= 127:
        raise ValueError(f"pitch must be a MIDI number in [0, 127], got {pitch}")
    mono_signal(audio)
    f0 = follow_note(audio, pitch)
    values: dict[str, float] = {}
    values["pitch"] = note_pitch(f0)
    if pitch is not None:
        values |= pitch_scores_of_note(pitch, values["pitch"])
    midi = f0.midi[f0.voiced]
    if len(midi):
        low, high = midi.quantile(torch.tensor([0.25, 0.75], dtype=midi.dtype)).tolist()
        values["pitch_spread"] = 50 * (high - low)
    values["voiced"] = voiced_share(audio, f0)
    attack = attack_time(audio)
    if attack is not None:
        values["attack_time"] = 1000 * attack
    return {name: values[name] for name in NOTES if not math.isnan(values.get(name, math.nan))}


def voiced_share(audio: Audio, f0: F0) -> float:
    """Share of the sounding frames, within 40 dB of the loudest, that have a pitch, in [0, 1].

    Args:
        audio: any sound.
        f0: `latentone.analysis.fundamental` of it.

    Returns:
        NaN for silence.
    """
    sounding = _sounding(audio, max(1, round(audio.sample_rate / f0.frame_rate)), len(f0.hz))
    if not bool(sounding.any()):
        return math.nan
    return float((f0.voiced.cpu() & sounding).sum() / sounding.sum())


def attack_time(audio: Audio) -> float | None:
    """Seconds in which a note rises from 10 % to 90 % of its largest RMS, over windows of 5 ms.

    The largest level is looked for in the whole sound: of a swell this is its length. Both moments
    are read between frames, to a fraction of a millisecond; a rise faster than the window takes
    about 4 ms.

    Returns:
        None for silence. 0 where the sound begins at more than 90 %.
    """
    if not audio.samples.shape[1]:
        return None
    rate = audio.sample_rate
    hop, window = (max(1, round(s * rate)) for s in (ENVELOPE_HOP_SECONDS, ENVELOPE_SECONDS))
    db = level_curve(audio.samples, hop, window).cpu().double()
    level = 10 ** (db / 20)
    # The floor of `level_curve` is -80 dB.
    if float(db.max()) < -79:
        return None
    peak = int(level.argmax())
    return (_reach(level, 0.9, peak) - _reach(level, 0.1, peak)) * hop / rate


def _reach(level: torch.Tensor, share: float, peak: int) -> float:
    """The frame, with a fraction, at which a level first reaches a share of its peak."""
    target = share * float(level[peak])
    first = int((level[: peak + 1] >= target).nonzero()[0])
    if not first:
        return 0.0
    before, here = float(level[first - 1]), float(level[first])
    return first - 1 + (target - before) / (here - before)


def _sounding(audio: Audio, hop: int, count: int) -> torch.Tensor:
    db = level_curve(audio.samples, hop, 2 * hop).cpu()[:count] if count else torch.zeros(0)
    loud = db > max(float(db.max()) + SOUNDING_DB, -79) if len(db) else db.bool()
    return torch.nn.functional.pad(loud, (0, count - len(loud)))
