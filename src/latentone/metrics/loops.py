"""Loops: what is heard where the end meets the beginning, and whether the length is exact."""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from ..analysis import pitchgram, rhythm
from ..analysis.pitchgram import fold
from ..analysis.signal import mono_signal
from ..audio import Audio
from .control.metric import ControlMetric
from .structure.seams import flux_at, jump_ratio

__all__ = ["LOOPS", "loop_length_error", "loop_scores"]

LOOPS: dict[str, ControlMetric] = {
    "seam_jump": ControlMetric(
        "", "[0, inf)", "lower", "step of the wave at the wrap over the usual step close by"
    ),
    "seam_flux": ControlMetric(
        "", "[0, inf)", "lower", "change of the spectrum at the wrap over the median inside"
    ),
    "seam_rank": ControlMetric(
        "",
        "[0, 1]",
        "lower",
        "share of moments inside with less change than the wrap; a bar begins there, so strokes "
        "come near 1",
    ),
    "seam_chroma": ControlMetric(
        "", "[0, 1]", "lower", "1 - cosine of the pitch classes of the last and first 0.37 s"
    ),
    "seam_level": ControlMetric(
        "dB", "[-80, 80]", "zero", "level of the first 50 ms minus that of the last"
    ),
    "length_error": ControlMetric(
        "samples",
        "(-inf, inf)",
        "zero",
        "length minus that of the beats at the tempo; within half a sample is exact",
    ),
    "beat_error": ControlMetric(
        "ms",
        "[0, inf)",
        "lower",
        "median distance of heard beats from the grid that begins with the loop",
        "beats",
    ),
}
"""What each number means."""

EDGE_SECONDS = 0.05
CHROMA_SECONDS = 0.37
LISTEN_SECONDS = 12.0
"""Loops are played round for as long, so that beats can be followed."""


def loop_scores(
    audio: Audio, bpm: float | None = None, beats: int | None = None
) -> dict[str, float]:
    """Measure how well a sound goes round.

    Args:
        audio: a loop, from its first sample to the last before it begins again.
        bpm: the tempo that was asked for, in beats per minute.
        beats: how many beats it has; None takes the whole number that is nearest at the tempo.

    Returns:
        Values by the names of `LOOPS` that have an answer: `length_error` needs a tempo,
        `beat_error` a tempo or a number of beats, and a pulse; silence has no `seam_flux`,
        `seam_rank` and `seam_chroma`.

    Raises:
        ValueError: fewer than three samples, samples that are not finite, or a tempo or a number of
            beats that is not positive.
    """
    x, rate = mono_signal(audio), audio.sample_rate
    if len(x) < 3:
        raise ValueError(f"a loop needs three samples or more, got {len(x)}")
    values = {"seam_jump": jump_ratio(audio.samples, 0, rate, circular=True)}
    flux = flux_at(x, 0, rate, circular=True)
    if flux is not None:
        values |= {"seam_flux": flux.ratio, "seam_rank": flux.rank}
    values |= _chroma(audio)
    edge = max(1, min(len(x), round(EDGE_SECONDS * rate)))
    first, last = (_level(part) for part in (audio.samples[:, :edge], audio.samples[:, -edge:]))
    values["seam_level"] = first - last
    if bpm is not None:
        values["length_error"] = loop_length_error(len(x), rate, bpm, beats)
    if bpm is not None or beats is not None:
        values |= _beats(audio, bpm, beats)
    return {name: values[name] for name in LOOPS if name in values}


def loop_length_error(samples: int, rate: int, bpm: float, beats: int | None = None) -> float:
    """Samples that a loop is too long: `samples - 60 rate beats / bpm`, in exact arithmetic.

    `bpm` counts as the decimal number that it prints as. Where the exact length is no whole number,
    the nearest has an error of up to half a sample, and repeats it every time round.

    >>> loop_length_error(81920, 44100, 120, 4)
    -6280.0

    Raises:
        ValueError: a tempo or a number of beats that is not positive, or no samples.
    """
    if not 0 < bpm < math.inf or (beats is not None and beats < 1) or samples < 1:
        raise ValueError(
            f"expected a positive length, tempo and number of beats, got {samples} samples, "
            f"{bpm} BPM, {beats} beats"
        )
    beat = Fraction(60 * rate) / Fraction(str(bpm))
    if beats is None:
        beats = max(1, round(samples / beat))
    return float(samples - beats * beat)


def _chroma(audio: Audio) -> dict[str, float]:
    """Pitch classes of the last stretch and the first; each is heard by one window."""
    size = round(CHROMA_SECONDS * audio.sample_rate)
    if audio.samples.shape[1] < 2 * size:
        return {}
    parts = (audio.samples[:, :size], audio.samples[:, -size:])
    found = [pitchgram(Audio(part, audio.sample_rate)) for part in parts]
    if any(pitches.silent for pitches in found):
        return {}
    first, last = (fold(pitches.power.sqrt()).sum(1).double() for pitches in found)
    return {"seam_chroma": max(0.0, 1 - float(torch.cosine_similarity(first, last, dim=0)))}


def _level(x: torch.Tensor) -> float:
    return 10 * math.log10(max(float(x.double().square().mean()), 1e-8))


def _beats(audio: Audio, bpm: float | None, beats: int | None) -> dict[str, float]:
    if beats is not None and beats < 1:
        raise ValueError(f"expected one beat or more, got {beats}")
    seconds = audio.duration
    beats = beats or max(1, round(seconds * (bpm or 0.0) / 60))
    # Where the tempo is given, its grid is what was asked for, whatever the length is.
    interval = seconds / beats if bpm is None else 60 / bpm
    times = max(1, math.ceil(LISTEN_SECONDS / seconds))
    tempo = 60 / interval
    if not 0 < tempo < 1000:
        return {}
    found = rhythm(Audio(audio.samples.repeat(1, times), audio.sample_rate), bpm=tempo).beats
    if not len(found):
        return {}
    # A beat belongs to the round in which it falls; one just before the wrap, to the next.
    within = torch.remainder(found, seconds)
    grid = torch.arange(beats + 1, dtype=torch.float64) * interval
    grid[beats] = seconds
    away = (within[:, None] - grid).abs().amin(1)
    return {"beat_error": 1000 * float(away.median())}
