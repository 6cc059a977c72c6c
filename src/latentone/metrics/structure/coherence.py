"""How one sound holds together over time: drift, likeness to itself, repetition, seams."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch

from ...analysis import pitchgram, rhythm, self_similarity, structure
from ...analysis.pitchgram import fold
from ...analysis.signal import mono_signal
from ...audio import Audio
from ..control.metric import ControlMetric
from .drift import key_drift, tempo_drift
from .seams import flux_at, jump_ratio

__all__ = ["COHERENCE", "coherence", "seams"]

COHERENCE: dict[str, ControlMetric] = {
    "key_drift": ControlMetric(
        "", "[0, 1]", "lower", "share of 8 s windows in another key than the whole", "key"
    ),
    "chroma_drift": ControlMetric(
        "", "[0, 1]", "lower", "1 - cosine of the pitch classes of 8 s windows and of the whole"
    ),
    "tempo_drift": ControlMetric(
        "%",
        "[0, 41.4]",
        "lower",
        "spread of the tempi of 8 s windows, half and double folded",
        "tempo_octave",
    ),
    "self_similarity": ControlMetric(
        "", "[0, 1]", "reference", "mean cosine of the pitch classes of all pairs of half seconds"
    ),
    "repetition_seconds": ControlMetric(
        "s",
        "[3, inf)",
        "reference",
        "lag after which the sound is most like itself",
        "repetition",
    ),
    "repetition_beats": ControlMetric(
        "beats",
        "(0, inf)",
        "reference",
        "the same in beats of the tempo that is heard",
        "repetition",
    ),
    "repetition_strength": ControlMetric(
        "", "[0, 2]", "reference", "likeness at that lag minus the mean at all lags; 0: none"
    ),
    "seam_jump": ControlMetric(
        "", "[0, inf)", "lower", "step of the wave at a seam over the usual step; mean of seams"
    ),
    "seam_flux": ControlMetric(
        "", "[0, inf)", "lower", "change of the spectrum at a seam over the usual; mean of seams"
    ),
    "seam_rank": ControlMetric(
        "", "[0, 1]", "lower", "share of other moments with less change; about 0.5 for no seam"
    ),
}
"""What each number means; `reference`: compare with real music by `compare_coherence`."""


def coherence(audio: Audio, *, seams_at: Sequence[float] | None = None) -> dict[str, float]:
    """Describe how a sound holds together.

    Windows of 8 s are short for a key: pieces that never leave theirs have a `key_drift` above 0,
    which `compare_coherence` allows for by comparing with a reference set.

    Args:
        audio: any sound; a quarter of a minute or more tells something.
        seams_at: seconds at which pieces were joined: splices, or the borders of the chunks that a
            generator made one after the other.

    Returns:
        Values by the names of `COHERENCE`, of those that have an answer: drift needs two windows
        of sound, repetition something that comes back, seams that they are told.

    Raises:
        ValueError: a sample is not finite, or a seam lies outside the sound.
    """
    mono_signal(audio)
    values = key_drift(audio) | tempo_drift(audio) | _likeness(audio)
    found = structure(audio)
    if found.repetition_seconds > 0:
        values["repetition_seconds"] = found.repetition_seconds
        values["repetition_strength"] = found.repetition_strength
        bpm = rhythm(audio).bpm
        if bpm > 0:
            values["repetition_beats"] = found.repetition_seconds * bpm / 60
    if seams_at is not None:
        values |= seams(audio, seams_at)
    return {name: values[name] for name in COHERENCE if name in values}


def seams(audio: Audio, at: Sequence[float]) -> dict[str, float]:
    """Mean `seam_jump`, `seam_flux` and `seam_rank` of moments in a sound.

    Args:
        audio: any sound.
        at: seconds, inside of the sound.

    Returns:
        Nothing for no moments; no flux for those within 50 ms of the ends, or in silence.

    Raises:
        ValueError: a moment outside of the sound, or a sample that is not finite.
    """
    mono, rate = mono_signal(audio), audio.sample_rate
    indices = []
    for time in at:
        if not isfinite(time) or not 0 < round(time * rate) < len(mono):
            raise ValueError(f"a seam must lie in (0, {audio.duration:g}) seconds, got {time}")
        indices.append(round(time * rate))
    if not indices:
        return {}
    jumps = [jump_ratio(audio.samples, index, rate) for index in indices]
    flux = [f for index in indices if (f := flux_at(mono, index, rate)) is not None]
    values = {"seam_jump": sum(jumps) / len(jumps)}
    if flux:
        values["seam_flux"] = sum(f.ratio for f in flux) / len(flux)
        values["seam_rank"] = sum(f.rank for f in flux) / len(flux)
    return values


def _likeness(audio: Audio) -> dict[str, float]:
    """Not centred, unlike the matrix of `structure`, whose mean is about 0 for any music."""
    pitches = pitchgram(audio)
    if pitches.silent:
        return {}
    hop = max(1, round(0.5 * pitches.frame_rate))
    values = fold(pitches.power.sqrt())[:, : pitches.power.shape[1] // hop * hop]
    values = values.unflatten(1, (-1, hop)).mean(2)
    if values.shape[1] < 2:
        return {}
    loud = values.norm(dim=0)
    sounding = loud > 1e-3 * loud.max()
    if int(sounding.sum()) < 2:
        return {}
    cosines = self_similarity(values[:, sounding] / loud.max()).double()
    count = len(cosines)
    pairs = torch.triu(torch.ones(count, count, dtype=torch.bool), 1).to(cosines.device)
    return {"self_similarity": max(0.0, float(cosines[pairs].mean()))}
