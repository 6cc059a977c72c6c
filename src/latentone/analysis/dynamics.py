"""Loudness of a performance over time, as generators are steered by it.

Wu et al., *Music ControlNet: Multiple Time-varying Controls for Music Generation*, 2023: level in
dB, smoothed over about a second by Savitzky and Golay's filter of order 1. Here the level is that
of the samples and refers to full scale, so a quiet copy of a sound has a lower curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import Audio
from .signal import frame_times, mono_signal, require_frame_rate

__all__ = ["Dynamics", "dynamics", "level_curve", "smooth"]

FLOOR_DB = -80.0
WINDOW_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Dynamics:
    """A level over time."""

    db: Tensor
    """RMS in dB relative to full scale (a full-scale sine is -3), smoothed, `(N,)`; -80 or more."""
    frame_rate: float
    """Frames per second; frame n is centred on n / frame_rate seconds."""

    @property
    def times(self) -> Tensor:
        """Centres of the frames in seconds, float64 `(N,)`."""
        return frame_times(len(self.db), self.frame_rate)

    @property
    def range_db(self) -> float:
        """From the 5th to the 95th percentile, in dB; 0 for no frames."""
        if not len(self.db):
            return 0.0
        low, high = self.db.double().quantile(
            torch.tensor([0.05, 0.95]).double().to(self.db.device)
        )
        return float(high - low)


def dynamics(audio: Audio, *, frame_rate: float = 50.0, smoothing_seconds: float = 1.0) -> Dynamics:
    """Measure the level over time.

    Args:
        audio: any sound; the power is the mean over channels.
        frame_rate: frames per second, rounded so that frames are whole samples apart.
        smoothing_seconds: width of the smoothing; 0 keeps the level of 50 ms windows.

    Returns:
        `1 + T // hop` frames; no samples give none.

    Raises:
        ValueError: a sample is not finite, or `frame_rate` exceeds the sample rate.
    """
    hop = require_frame_rate(audio.sample_rate, frame_rate)
    mono_signal(audio)
    rate = audio.sample_rate / hop
    if not audio.samples.shape[1]:
        return Dynamics(db=audio.samples.new_zeros(0), frame_rate=rate)
    window = max(1, round(WINDOW_SECONDS * audio.sample_rate))
    db = level_curve(audio.samples, hop, window)
    # At -80 dB the line through the edge may dip lower.
    db = smooth(db, round(smoothing_seconds * rate)).clamp_min(FLOOR_DB)
    return Dynamics(db=db, frame_rate=rate)


def level_curve(x: Tensor, hop: int, window: int) -> Tensor:
    """RMS of rectangular windows in dB, `(..., C, T)` to `(..., 1 + T // hop)`; differentiable.

    Windows are centred on samples `n * hop`; at the edges only samples of the signal count.
    """
    count = 1 + x.shape[-1] // hop
    energy = F.pad(x.double().square().mean(-2).cumsum(-1), (1, 0))
    centre = torch.arange(count, device=x.device) * hop
    begin = (centre - window // 2).clamp(0, x.shape[-1] - 1)
    end = torch.maximum((centre + window - window // 2).clamp_max(x.shape[-1]), begin + 1)
    power = (energy[..., end] - energy[..., begin]) / (end - begin)
    return (10 * torch.log10(power.clamp_min(10 ** (FLOOR_DB / 10)))).to(x.dtype)


def smooth(curve: Tensor, width: int) -> Tensor:
    """Savitzky-Golay filter of order 1, `(..., N)` to `(..., N)`; differentiable.

    The least-squares line through a symmetric window passes its middle at the mean, so inside the
    filter is a moving average. In the first and last half window it is the line through the first
    and last whole window. An even width is raised by one, a width beyond the curve lowered to it.
    """
    count = curve.shape[-1]
    width = min(width + 1 - width % 2, count - 1 + count % 2)
    if width < 3:
        return curve
    half = width // 2
    means = curve.reshape(-1, 1, count)
    means = F.avg_pool1d(means, width, 1).reshape(*curve.shape[:-1], -1)
    at = torch.arange(-half, half + 1, device=curve.device, dtype=curve.dtype)

    def line(part: Tensor) -> Tensor:
        slope = (part * at).sum(-1, keepdim=True) / at.square().sum()
        return part.mean(-1, keepdim=True) + slope * at

    first, last = line(curve[..., :width]), line(curve[..., -width:])
    return torch.cat([first[..., :half], means, last[..., width - half :]], -1)
