"""Melody and harmony over time: pitch classes of what was asked beside those of a sound.

Melody accuracy: Wu et al., *Music ControlNet*, 2023. Chroma cosine: Copet et al., *Simple and
Controllable Music Generation*, 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...analysis import CHROMA_SETTINGS, ChromaSpec

__all__ = [
    "HARMONY_CHROMA",
    "MELODY_CHROMA",
    "Note",
    "asked_classes",
    "asked_weights",
    "chroma_cosine",
    "melody_accuracy",
    "pitch_classes",
]

Note = tuple[float, float, float]
"""Start and end in seconds, MIDI number."""

MELODY_CHROMA = ChromaSpec(sample_rate=24000, n_fft=4096, hop_length=1024, high_pass_hz=261.2)
"""Windows of 0.17 s follow eighth notes; the high-pass, Music ControlNet's, keeps the bass out."""
HARMONY_CHROMA = CHROMA_SETTINGS["musicgen"]


def pitch_classes(values: Tensor) -> Tensor:
    """The loudest pitch class of each frame `(12, N)`, int64 `(N,)`; -1 where there is none."""
    if not values.shape[1]:
        return torch.zeros(0, dtype=torch.long)
    loudest, classes = values.max(0)
    return classes.masked_fill(loudest <= 0, -1).cpu()


def asked_classes(notes: Sequence[Note], count: int, frame_rate: float) -> Tensor:
    """The pitch class asked for at the centre of each frame, int64 `(count,)`, -1 in rests.

    Where notes overlap, the one that began last counts.
    """
    out = torch.full((count,), -1, dtype=torch.long)
    times = torch.arange(count, dtype=torch.float64) / frame_rate
    for start, end, pitch in sorted(notes):
        out[(times >= start) & (times < end)] = round(pitch) % 12
    return out


def asked_weights(
    notes: Sequence[Note], count: int, frame_rate: float, window_seconds: float
) -> Tensor:
    """How long each pitch class is asked for within the window of each frame, `(12, count)`.

    A note counts by the seconds that it shares with the window: as a spectrum of the same window
    would hear it, were all notes equally loud and without overtones.
    """
    out = torch.zeros(12, count, dtype=torch.float64)
    centres = torch.arange(count, dtype=torch.float64) / frame_rate
    for start, end, pitch in notes:
        low, high = centres - window_seconds / 2, centres + window_seconds / 2
        out[round(pitch) % 12] += (high.clamp_max(end) - low.clamp_min(start)).clamp_min(0)
    return out


def melody_accuracy(asked: Tensor, heard: Tensor) -> float:
    """Share of the frames with an asked pitch class in which the same is loudest, in [0, 1].

    A guess is right in 1 of 12. Frames beyond the end of what is heard count as wrong.

    Args:
        asked: pitch classes `(N,)`, -1 in rests.
        heard: likewise, `(M,)`.

    Returns:
        NaN where nothing is asked for.
    """
    sounding = asked >= 0
    if not bool(sounding.any()):
        return math.nan
    shared = min(len(asked), len(heard))
    right = (asked[:shared] == heard[:shared]) & sounding[:shared]
    return int(right.sum()) / int(sounding.sum())


def chroma_cosine(asked: Tensor, heard: Tensor) -> float:
    """Mean cosine of two chromagrams over the frames in which something is asked, in [0, 1].

    Pitch classes have no negative weights, so unrelated music scores well above 0: compare with
    the score of shuffled requests. Silence scores 0, and so do frames beyond the end.

    Args:
        asked: `(12, N)`, 0 or more.
        heard: `(12, M)`, at the same frame rate.

    Returns:
        NaN where nothing is asked for.
    """
    a, b = asked.detach().cpu().double(), heard.detach().cpu().double()
    sounding = a.norm(dim=0) > 0
    if not bool(sounding.any()):
        return math.nan
    shared = min(a.shape[1], b.shape[1])
    a, b = (x[:, :shared] / x[:, :shared].norm(dim=0).clamp_min(1e-12) for x in (a, b))
    return float((a * b).sum(0)[sounding[:shared]].sum() / sounding.sum())
