"""Noisy sound for a codec with a switch: what it hears, and what it shall give.

Zeghidour et al., "SoundStream", 2021, section III-F. With the switch off the codec is to keep all
that it heard, with it on to leave out the noise. Differs: the noise is made, between white and
brown, where the paper takes recordings.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..task import Batch

__all__ = ["coloured_noise", "noisy_batch"]


def noisy_batch(
    batch: Batch, snr_db: tuple[float, float], rng: torch.Generator | None = None
) -> tuple[Batch, Tensor]:
    """Mix noise into a batch and throw each item's switch.

    Args:
        batch: with clean `x (B, C, T)`.
        snr_db: lowest and highest ratio of sound to noise in dB, drawn evenly for each item.
        rng: decides the noise, its level and the switch.

    Returns:
        The batch with noisy `x` and `denoise (B,)` of 0 and 1, and the target `(B, C, T)`: clean
        where the switch is on.
    """
    clean = batch["x"]
    draws = _uniform(clean, (2, len(clean)), rng)
    low, high = snr_db
    ratio = low + (high - low) * draws[0]
    noise = coloured_noise(clean, rng)
    levels = [x.square().mean(dim=(1, 2), keepdim=True).sqrt() for x in (clean, noise)]
    gain = levels[0] / (levels[1] + 1e-12) * 10 ** (-ratio[:, None, None] / 20)
    heard = clean + gain * noise
    denoise = (draws[1] < 0.5).to(clean.dtype)
    target = torch.where(denoise[:, None, None] > 0, clean, heard)
    return {**batch, "x": heard, "denoise": denoise}, target


def coloured_noise(like: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Gaussian noise `(B, C, T)` whose power falls as f ** -a, a even in [0, 2] for each item."""
    shape = tuple(like.shape)
    device = like.device if rng is None else rng.device
    white = torch.randn(shape, generator=rng, device=device).to(like)
    spectra = torch.fft.rfft(white)
    bins = torch.arange(spectra.shape[-1], device=like.device).clamp_min(1)
    fall = _uniform(like, (shape[0], 1, 1), rng)  # half of a: on amplitudes, not powers
    return torch.fft.irfft(spectra * bins ** (-fall), n=shape[-1])


def _uniform(like: Tensor, shape: tuple[int, ...], rng: torch.Generator | None) -> Tensor:
    device = like.device if rng is None else rng.device
    return torch.rand(shape, generator=rng, device=device).to(like)
