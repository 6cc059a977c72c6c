"""Energy per semitone over time: what key, chords and bars are read from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..audio import Audio
from ..dsp.stft import STFT
from .signal import frame_times, mono_signal, require_frame_rate

__all__ = ["HIGHEST", "LOWEST", "Pitchgram", "fold", "pitchgram"]

LOWEST = 24
"""MIDI number of the first row, C1."""
HIGHEST = 107
"""MIDI number of the last row, B7."""
SILENCE = 1e-10
"""Mean power of a row below which nothing sounds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pitchgram:
    """How strong each semitone is over time."""

    power: Tensor
    """`(84, N)`, MIDI 24 (C1) to 107 (B7); a full-scale sine has about 1 in its row."""
    frame_rate: float
    """Frames per second; frame n is centred on n / frame_rate seconds."""

    @property
    def times(self) -> Tensor:
        """Centres of the frames in seconds, float64 `(N,)`."""
        return frame_times(self.power.shape[1], self.frame_rate)

    @property
    def silent(self) -> bool:
        """Whether nothing sounds in all of it."""
        return not self.power.numel() or float(self.power.mean()) < SILENCE

    @property
    def compressed(self) -> Tensor:
        """`log(1 + 1000 p / mean p)`, `(84, N)`: quiet notes count, the level does not."""
        if self.silent:
            return torch.zeros_like(self.power)
        return torch.log1p(1000 * self.power / self.power.mean())

    def mean_between(self, values: Tensor, edges: Tensor) -> Tensor:
        """Mean of columns between times, `(R, N)` and `(K + 1,)` seconds to `(R, K)`.

        A stretch shorter than a frame takes the frame at its start.
        """
        index = (edges.double() * self.frame_rate).round().long().to(values.device)
        total = torch.nn.functional.pad(values.double().cumsum(1), (1, 0))
        begin = index[:-1].clamp(0, values.shape[1] - 1)
        end = torch.maximum(index[1:].clamp_max(values.shape[1]), begin + 1)
        return ((total[:, end] - total[:, begin]) / (end - begin)).to(values.dtype)


def pitchgram(audio: Audio, *, window_seconds: float = 0.37, frame_rate: float = 10.0) -> Pitchgram:
    """Sum a power spectrum into semitones.

    Each row is a triangle over the bins, a semitone to both sides, or as wide as the distance of
    two bins where that is more: low rows then overlap.

    Args:
        audio: any sound; channels are averaged. Tuning is taken as A4 = 440 Hz.
        window_seconds: length of the window, rounded to a power of two in samples. 0.37 tells
            semitones apart from A2 up.
        frame_rate: frames per second, rounded so that frames are whole samples apart.

    Returns:
        `1 + T // hop` frames; no samples give none.

    Raises:
        ValueError: a sample is not finite, or `frame_rate` exceeds the sample rate.
    """
    rate = audio.sample_rate
    hop = require_frame_rate(rate, frame_rate)
    x = mono_signal(audio)
    if not len(x):
        return Pitchgram(power=x.new_zeros(HIGHEST - LOWEST + 1, 0), frame_rate=rate / hop)
    n_fft = 2 ** max(4, round(math.log2(window_seconds * rate)))
    n_fft = max(n_fft, 2 ** math.ceil(math.log2(hop)))
    stft = STFT(n_fft, hop).to(x.device)
    power = stft(x).abs().square() * (2 / stft.window.sum()) ** 2
    return Pitchgram(power=_triangles(rate, n_fft).to(x.device) @ power, frame_rate=rate / hop)


def _triangles(rate: int, n_fft: int) -> Tensor:
    hz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * rate / n_fft
    midi = 69 + 12 * torch.log2(hz.clamp_min(1) / 440)
    spacing = 12 * torch.log2((hz + rate / n_fft) / hz.clamp_min(1))
    rows = torch.arange(LOWEST, HIGHEST + 1)[:, None]
    weights = (1 - (midi - rows).abs() / spacing.clamp(1, 6)).clamp_min(0)
    weights[:, 0] = 0
    return weights.float()


def fold(values: Tensor) -> Tensor:
    """Add up octaves, `(84, N)` to `(12, N)`, C first."""
    return values.reshape(-1, 12, values.shape[1]).sum(0)
