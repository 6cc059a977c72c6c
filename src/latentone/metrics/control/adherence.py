"""Whether a sound obeys what was asked of it: every metric that its request calls for."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan
from typing import Any

from ...analysis import chords, chroma, key, onsets, rhythm
from ...analysis.signal import mono_signal
from ...audio import Audio
from .dynamics import asked_curves, dynamics_correlation
from .events import BEAT_WINDOW, ONSET_WINDOW, event_f1, onset_f1
from .melody import (
    HARMONY_CHROMA,
    MELODY_CHROMA,
    asked_classes,
    asked_weights,
    chroma_cosine,
    melody_accuracy,
    pitch_classes,
)
from .metric import ControlMetric
from .pitch import follow_note, note_pitch, pitch_scores_of_note
from .request import Request, read_request
from .tempo import tempo_scores
from .tonality import chord_overlap, key_score

__all__ = ["ADHERENCE", "adherence"]

SAME_LENGTH = 0.01
"""Seconds, as of a codec's frame, that a sound may be too short and still last as was asked."""

ADHERENCE: dict[str, ControlMetric] = {
    "covered": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "seconds judged over seconds asked for; below 1 the sound ends too early, and what was "
        "asked for after its end counts in no other number",
    ),
    "tempo_accuracy": ControlMetric(
        "", "0 or 1", "higher", "tempo within 4 % of what was asked", "tempo"
    ),
    "tempo_accuracy_2": ControlMetric(
        "",
        "0 or 1",
        "higher",
        "the same, also of 1/3, 1/2, 2 or 3 times what was asked",
        "tempo_octave",
    ),
    "tempo_error": ControlMetric(
        "%", "[-100, inf)", "zero", "tempo against what was asked", "tempo"
    ),
    "beat_f1": ControlMetric("", "[0, 1]", "higher", "F-measure of beats at 70 ms", "beats"),
    "downbeat_f1": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "F-measure of the first beats of bars at 70 ms",
        "downbeats",
    ),
    "key_accuracy": ControlMetric("", "0 or 1", "higher", "key as asked", "key"),
    "key_score": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "MIREX score: 1 key, 0.5 fifth above, 0.3 relative, 0.2 parallel",
        "key_mirex",
    ),
    "chord_overlap": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "share of time with the asked root and third",
        "chords",
    ),
    "melody_accuracy": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "share of frames whose loudest pitch class is the asked one; 1/12 by chance",
        "melody",
    ),
    "chroma_cosine": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "mean cosine of pitch classes with those of the asked notes",
        "chroma",
    ),
    "dynamics_correlation": ControlMetric(
        "",
        "[-1, 1]",
        "higher",
        "Pearson's correlation of the level in dB with the asked forces",
        "dynamics",
    ),
    "rhythm_f1": ControlMetric(
        "", "[0, 1]", "higher", "F-measure of note onsets at 50 ms", "onsets"
    ),
    "pitch_accuracy": ControlMetric(
        "",
        "0 or 1",
        "higher",
        "median f0 of a single note within 50 cents",
        "f0",
    ),
    "pitch_error": ControlMetric(
        "cents",
        "(-inf, inf)",
        "zero",
        "median f0 of a single note against the asked pitch",
        "f0_cents",
    ),
}
"""What each number means."""


def adherence(
    audio: Audio, request: Mapping[str, Any], *, most_seconds: float | None = None
) -> dict[str, float]:
    """Measure how far a sound obeys a request.

    Requests are compared as far as the sound goes: what is asked for only after its end is not
    judged, and `covered` says how much of the request that leaves: a sound that breaks off may obey
    perfectly for a second. Onsets in the first 50 ms count on neither side: whether a sound begins
    there or goes on cannot be told.

    Args:
        audio: any sound.
        request: fields by name, see `read_request`; what is unknown is passed over.
        most_seconds: what is asked for later is none of this: where `audio` is the beginning of a
            longer sound, because no more of it was read.

    Returns:
        Values by the names of `ADHERENCE`, of those alone that were asked for and have an answer:
        no `dynamics_correlation` of a constant request, no `pitch_error` of a sound without pitch,
        no `rhythm_f1` of a sound that ends before the first onset and has none itself, no `covered`
        where nothing that is asked for has a time.

    Raises:
        ValueError: a malformed field, by name, or a sample that is not finite.
    """
    mono_signal(audio)
    whole = read_request(request)
    if most_seconds is not None:
        whole = whole.until(most_seconds)
    asked = whole.until(audio.duration)
    values: dict[str, float] = {}
    if whole.seconds:
        missing = whole.seconds - audio.duration
        values["covered"] = audio.duration / whole.seconds if missing > SAME_LENGTH else 1.0
    if asked.onsets is not None:
        later = len(whole.onsets or ()) > len(asked.onsets)
        values["rhythm_f1"] = _rhythm(asked.onsets, audio, later)
    for measure in (_time, _harmony, _notes):
        values |= measure(asked, audio)
    return {name: values[name] for name in ADHERENCE if not isnan(values.get(name, float("nan")))}


def _time(asked: Request, audio: Audio) -> dict[str, float]:
    values: dict[str, float] = {}
    if any(field is not None for field in (asked.bpm, asked.beats, asked.downbeats)):
        # The tempo that was asked for is not handed over: beats would keep to it by themselves.
        found = rhythm(audio)
        if asked.bpm is not None:
            values |= tempo_scores(asked.bpm, found.bpm)
        if asked.beats is not None:
            values["beat_f1"] = event_f1(asked.beats, found.beats, BEAT_WINDOW)
        if asked.downbeats is not None:
            values["downbeat_f1"] = event_f1(asked.downbeats, found.downbeats, BEAT_WINDOW)
    if asked.dynamics:
        values["dynamics_correlation"] = dynamics_correlation(asked_curves(asked.dynamics, audio))
    return values


def _rhythm(asked: list[float], audio: Audio, later: bool) -> float:
    """NaN where no onset is asked or heard so far, but some are asked for later."""
    heard = onsets(audio).times.tolist()
    if later and not any(time > ONSET_WINDOW for time in (*asked, *heard)):
        return nan
    return onset_f1(asked, heard)


def _harmony(asked: Request, audio: Audio) -> dict[str, float]:
    values: dict[str, float] = {}
    if asked.key is not None:
        found = key(audio)
        score = key_score(asked.key, None if found is None else found.name)
        values |= {"key_accuracy": float(score == 1), "key_score": score}
    if asked.chords:
        spans = [(s.start, s.end, s.label) for s in chords(audio)]
        values["chord_overlap"] = chord_overlap(asked.chords, spans)
    return values


def _notes(asked: Request, audio: Audio) -> dict[str, float]:
    values: dict[str, float] = {}
    if asked.melody:
        found = chroma(audio, MELODY_CHROMA)
        wanted = asked_classes(asked.melody, found.values.shape[1], found.frame_rate)
        values["melody_accuracy"] = melody_accuracy(wanted, pitch_classes(found.values))
    if asked.notes:
        found = chroma(audio, HARMONY_CHROMA)
        window = found.spec.n_fft / found.spec.sample_rate
        weights = asked_weights(asked.notes, found.values.shape[1], found.frame_rate, window)
        values["chroma_cosine"] = chroma_cosine(weights, found.values)
    if asked.pitch is not None:
        values |= pitch_scores_of_note(asked.pitch, note_pitch(follow_note(audio, asked.pitch)))
    return values
