"""Where notes and strokes begin: spectral flux and its peaks.

Böck and Widmer, *Maximum filter vibrato suppression for onset detection*, 2013 (SuperFlux), on a
mel scale: a band's rise is counted against the loudest of its neighbours just before, so that a
pitch that wobbles does not begin anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import Audio
from ..dsp.mel import Mel, MelSpec
from .signal import mono_signal, require_frame_rate

__all__ = ["OnsetStrength", "Onsets", "onset_strength", "onsets", "pick_peaks"]

WINDOW_SECONDS = 0.046
LAG_SECONDS = 0.02
"""What lies between the two spectra that are compared."""
SILENCE = 1e-5
"""Root mean square below which nothing begins (-100 dB)."""
FLOOR_DB = -50.0
"""Bands are heard down to here, relative to the loudest band of the sound."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OnsetStrength:
    """How much begins at every moment."""

    strength: Tensor
    """Mean rise of a band in dB, `(N,)`, 0 or more."""
    bands: Tensor
    """Rise of the low (under 200 Hz), middle and high (over 2 kHz) bands, `(3, N)`."""
    frame_rate: float
    """Frames per second; frame n is n / frame_rate seconds from the start."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Onsets:
    """The moments at which something begins."""

    times: Tensor
    """Seconds, ascending, float64 `(M,)`."""
    strength: Tensor
    """Rise in dB at each of them, `(M,)`."""


def onset_strength(audio: Audio, *, frame_rate: float = 100.0) -> OnsetStrength:
    """Measure spectral flux; independent of the level of the whole sound.

    Args:
        audio: any sound; channels are averaged.
        frame_rate: frames per second, rounded so that frames are whole samples apart.

    Returns:
        `1 + T // hop` frames; no samples give none, silence gives zeros.

    Raises:
        ValueError: a sample is not finite, or `frame_rate` exceeds the sample rate.
    """
    rate = audio.sample_rate
    hop = require_frame_rate(rate, frame_rate)
    x = mono_signal(audio)
    count = 1 + len(x) // hop if len(x) else 0
    if not len(x) or float(x.square().mean().sqrt()) < SILENCE:
        zero = x.new_zeros(count)
        return OnsetStrength(strength=zero, bands=x.new_zeros(3, count), frame_rate=rate / hop)
    levels, centres, n_fft = _levels(x, rate, hop)
    lag = max(1, round(LAG_SECONDS * rate / hop))
    before = F.max_pool1d(levels.T[None], 3, 1, 1)[0].T
    before = F.pad(before, (lag, 0), value=float(levels.min()))[:, : levels.shape[1]]
    rise = (levels - before).clamp_min(0)
    # Where the window reaches past the end, the end itself would sound like a stroke.
    rise[:, max(1, (len(x) - n_fft // 2) // hop) :] = 0
    low, high = centres < 200, centres > 2000
    parts = [rise[part].sum(0) / max(1, int(part.sum())) for part in (low, ~low & ~high, high)]
    return OnsetStrength(strength=rise.mean(0), bands=torch.stack(parts), frame_rate=rate / hop)


def _levels(x: Tensor, rate: int, hop: int) -> tuple[Tensor, Tensor, int]:
    """Levels of mel bands in dB below the loudest `(M, N)`, their centres in Hz, the window."""
    n_fft = 2 ** max(4, round(math.log2(WINDOW_SECONDS * rate)))
    n_fft = max(n_fft, 2 ** math.ceil(math.log2(hop)))
    spec = MelSpec(
        sample_rate=rate,
        n_fft=n_fft,
        hop_length=hop,
        n_mels=max(8, min(80, n_fft // 12)),
        f_min=min(30.0, rate / 8),
        f_max=min(16000.0, rate / 2),
        power=2.0,
        log="none",
        norm="none",
    )
    mel = Mel(spec)
    power = mel.to(x.device)(x)
    peak = mel.filterbank.argmax(1)
    used = mel.filterbank.sum(1) > 0
    power = power[used]
    levels = 10 * torch.log10(power / power.max().clamp_min(1e-30) + 10 ** (FLOOR_DB / 10))
    return levels, (peak * rate / n_fft)[used], n_fft


def onsets(audio: Audio, *, threshold: float = 0.5, frame_rate: float = 100.0) -> Onsets:
    """Find the moments at which notes and strokes begin.

    Args:
        audio: any sound; channels are averaged.
        threshold: how far a peak must stand above its surroundings, in dB of mean rise: less finds
            more.
        frame_rate: of the strength; the resolution of the result is a fraction of a frame.

    Raises:
        ValueError: see `onset_strength`.
    """
    measured = onset_strength(audio, frame_rate=frame_rate)
    return pick_peaks(measured.strength, measured.frame_rate, threshold=threshold)


def pick_peaks(
    strength: Tensor,
    frame_rate: float,
    *,
    threshold: float,
    around_seconds: float = 0.1,
    apart_seconds: float = 0.03,
) -> Onsets:
    """Peaks of a curve that stand out.

    A peak is the largest value within `apart_seconds` on both sides, and lies more than `threshold`
    above the mean of `around_seconds` on both sides. Its time is the vertex of the parabola through
    it and its neighbours.

    Args:
        strength: the curve, `(N,)`.
        frame_rate: its frames per second.
        threshold: in units of the curve.
        around_seconds: half the width of the mean.
        apart_seconds: the least distance of two peaks.
    """
    if not len(strength):
        return Onsets(times=strength.double(), strength=strength)
    around = max(1, round(around_seconds * frame_rate))
    apart = max(1, round(apart_seconds * frame_rate))
    curve = strength[None, None]
    largest = F.max_pool1d(curve, 2 * apart + 1, 1, apart)[0, 0]
    mean = F.avg_pool1d(curve, 2 * around + 1, 1, around, count_include_pad=False)[0, 0]
    peak = (strength >= largest) & (strength > mean + threshold)
    # Of a plateau the first frame counts.
    peak[1:] &= strength[1:] != strength[:-1]
    index = peak.nonzero()[:, 0]
    padded = F.pad(strength.double(), (1, 1))
    before, here, after = padded[index], padded[index + 1], padded[index + 2]
    curvature = (before - 2 * here + after).clamp(max=-1e-12)
    times = (index + (0.5 * (before - after) / curvature).clamp(-0.5, 0.5)) / frame_rate
    return Onsets(times=times.clamp_min(0), strength=strength[index])
