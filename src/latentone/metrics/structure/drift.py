"""Whether key and tempo stay where they are: windows of a sound beside the whole of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...analysis import key_of_pitch_classes, pitchgram, rhythm
from ...analysis.pitchgram import fold
from ...audio import Audio

__all__ = ["key_drift", "tempo_drift", "windows"]

WINDOW_SECONDS = 8.0
"""Long enough for a few chords and a dozen beats."""


def windows(duration: float, window_seconds: float = WINDOW_SECONDS) -> list[tuple[float, float]]:
    """Stretches of equal length in seconds, overlapping by half, that reach from end to end."""
    if duration < window_seconds * (1 + 1e-9):
        return [(0.0, duration)]
    count = math.ceil((duration - window_seconds) / (window_seconds / 2)) + 1
    step = (duration - window_seconds) / max(1, count - 1)
    return [(n * step, n * step + window_seconds) for n in range(count)]


def key_drift(audio: Audio, window_seconds: float = WINDOW_SECONDS) -> dict[str, float]:
    """How far windows stray from the key and the pitch classes of the whole.

    Returns:
        `key_drift`, the share of windows with another key than the whole's; `chroma_drift`, the
        mean of 1 - cosine between the pitch classes of a window and of the whole, in [0, 1]. Silent
        windows do not count; nothing where fewer than two sound.
    """
    pitches = pitchgram(audio)
    if pitches.silent:
        return {}
    values = fold(pitches.power.sqrt()).double().cpu()
    loudest = float(pitches.power.sum(0).max())
    parts = []
    for start, end in windows(audio.duration, window_seconds):
        begin, stop = round(start * pitches.frame_rate), round(end * pitches.frame_rate) + 1
        # 50 dB below the loudest moment nothing sounds.
        if float(pitches.power[:, begin:stop].sum(0).max()) > 1e-5 * loudest:
            parts.append(values[:, begin:stop].sum(1))
    if len(parts) < 2:
        return {}
    whole = values.sum(1)
    found = key_of_pitch_classes(whole)
    names = [None if (k := key_of_pitch_classes(part)) is None else k.name for part in parts]
    away = [1 - float(torch.cosine_similarity(part, whole, dim=0)) for part in parts]
    out = {"chroma_drift": max(0.0, sum(away) / len(away))}
    if found is not None:
        out["key_drift"] = sum(name != found.name for name in names) / len(names)
    return out


def tempo_drift(audio: Audio, window_seconds: float = WINDOW_SECONDS) -> dict[str, float]:
    """How far the tempi of windows lie apart, once half and double count as the same.

    Returns:
        `tempo_drift` in percent: 100 (2^s - 1) with s the standard deviation of the logarithms to
        base 2 of the windows' tempi, folded to within half an octave of their middle. Windows
        without a pulse do not count; nothing where fewer than two have one.
    """
    rate, tempi = audio.sample_rate, []
    for start, end in windows(audio.duration, window_seconds):
        part = audio.samples[:, round(start * rate) : round(end * rate)]
        tempi.append(rhythm(Audio(part, rate)).bpm)
    octaves = torch.tensor([bpm for bpm in tempi if bpm > 0], dtype=torch.float64).log2()
    return {"tempo_drift": 100 * (2 ** _spread(octaves) - 1)} if len(octaves) > 1 else {}


def _spread(octaves: Tensor) -> float:
    """Standard deviation after folding to within half an octave of the circular middle."""
    # The middle on a circle of one octave does not depend on which octaves were heard.
    angle = torch.polar(torch.ones_like(octaves), 2 * math.pi * octaves).sum().angle()
    centre = angle / (2 * math.pi)
    folded = torch.remainder(octaves - centre + 0.5, 1) - 0.5
    return float(folded.std(correction=0))
