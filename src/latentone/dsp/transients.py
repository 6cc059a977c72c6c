"""What of a sound is transient: median filtering of spectrograms.

Fierro and Valimaki, "Enhanced Fuzzy Decomposition of Sound Into Sines, Transients, and Noise",
2023. In a spectrogram a steady tone is a line along time and a click one along frequency: a median
along the line keeps it, one across removes it.
"""

from __future__ import annotations

from math import pi

import torch
from scipy.ndimage import median_filter
from torch import Tensor

from .stft import STFT

__all__ = ["transients"]

TIME_SECONDS, BAND_HZ = 0.2, 500.0
"""Lengths of the medians along time and along frequency."""
TONAL, TRANSIENT = ((4096, 1024), (0.7, 0.8)), ((512, 128), (0.75, 0.85))
"""STFT size and hop of each round, and where its mask begins and is full."""


def transients(x: Tensor, sample_rate: int) -> Tensor:
    """The transient part of a signal.

    A first round takes away what is tonal, a second one with a short window keeps what is
    transient of the rest.

    Args:
        x: `(..., T)`.
        sample_rate: in Hz.

    Returns:
        Like `x`.
    """
    rest = x - _masked(x, sample_rate, *TONAL, tonal=True)
    return _masked(rest, sample_rate, *TRANSIENT, tonal=False)


def _masked(
    x: Tensor,
    sample_rate: int,
    sizes: tuple[int, int],
    bounds: tuple[float, float],
    *,
    tonal: bool,
) -> Tensor:
    stft = STFT(*sizes)
    spectra = stft(x)
    magnitude = spectra.abs()
    along_time = _median(magnitude, _odd(TIME_SECONDS * sample_rate / sizes[1]), axis=-1)
    along_band = _median(magnitude, _odd(BAND_HZ * sizes[0] / sample_rate), axis=-2)
    chosen = along_time if tonal else along_band
    share = chosen / (along_time + along_band).clamp_min(torch.finfo(x.dtype).tiny)
    low, high = bounds
    mask = (pi / 2 * ((share - low) / (high - low)).clamp(0, 1)).sin().square()
    return stft.inverse(mask * spectra, x.shape[-1])


def _odd(length: float) -> int:
    return 2 * (round(length) // 2) + 1


def _median(x: Tensor, length: int, axis: int) -> Tensor:
    size = [1] * x.ndim
    size[axis] = length
    return torch.from_numpy(median_filter(x.numpy(), size=size, mode="nearest"))
