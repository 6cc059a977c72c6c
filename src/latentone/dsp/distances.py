"""Spectral and sample-wise distances, used as losses and as metrics alike.

All take `(estimate, reference)` of shape `(..., T)`, are computed in fp32 (fp64 for fp64 input)
also under autocast, treat what lies outside the signals as silence, so that any length from one
sample on is defined, and are finite with finite gradients for silent signals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from .a_weighting import a_weighting
from .mel import Mel, MelSpec
from .stft import STFT

__all__ = [
    "MultiResolutionSTFT",
    "MultiScaleMel",
    "log_spectral_distance",
    "multi_resolution_stft",
    "multi_scale_mel",
    "si_sdr",
    "snr",
]

T = TypeVar("T")

LIMIT_DB = 100.0
TINY = 1e-30


@dataclass(frozen=True)
class MelScales:
    """What one published multi-scale mel distance fixes."""

    windows: tuple[int, ...]
    n_mels: tuple[int, ...]
    linear: float
    """Weight of the mean absolute difference of the bands."""
    log_l1: float
    """Weight of the mean absolute difference of their log10."""
    log_l2: float
    """Weight of the mean squared difference of their log10."""
    floor: Literal["add", "clamp"]
    """How 1e-5 keeps the logarithm finite."""
    mean: bool
    """Divide by the sum of the weights over all scales; else the scales are summed."""
    mel: dict[str, object]
    """Fields of `MelSpec`."""


MEL_SCALES = {
    # Défossez et al. 2022, eq. 3 with all alpha = 1 as in their experiments: mean absolute
    # difference of the bands plus mean squared difference of their logarithm, normalised STFT.
    "encodec": MelScales(
        windows=(32, 64, 128, 256, 512, 1024, 2048),
        n_mels=(64,) * 7,
        linear=1.0,
        log_l1=0.0,
        log_l2=1.0,
        floor="add",
        mean=True,
        mel={"scale": "htk", "norm": "none", "power": 2.0, "normalized": True, "padding": "same"},
    ),
    # Kumar et al. 2023, sec. 3.4 and the 44.1 kHz configuration: logarithms alone, summed.
    "dac": MelScales(
        windows=(32, 64, 128, 256, 512, 1024, 2048),
        n_mels=(5, 10, 20, 40, 80, 160, 320),
        linear=0.0,
        log_l1=1.0,
        log_l2=0.0,
        floor="clamp",
        mean=False,
        mel={"scale": "slaney", "norm": "slaney", "power": 1.0},
    ),
}

STFT_RESOLUTIONS = {
    # (n_fft, hop, window) of Yamamoto et al. 2020 (Parallel WaveGAN), the defaults of auraloss.
    "auraloss": ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)),
    # Powers of two with hop 1/4, as the stereo autoencoders of latent diffusion use.
    "octaves": tuple((n, n // 4, n) for n in (2048, 1024, 512, 256, 128, 64, 32)),
}


class MultiScaleMel(nn.Module):
    """Distance of mel spectrograms over several windows, hop a quarter of each.

    Args:
        sample_rate: of both signals, in Hz.
        preset: `encodec` (64 bands; |difference| of powers and squared difference of log10,
            mean over scales) or `dac` (5 to 320 bands, |difference| of log10, sum over scales).
            Short windows leave narrow bands empty; they add nothing to either side.
        reduction: `mean` gives a scalar, `none` one value for each signal.

    Shape:
        Inputs `(..., T)`; output scalar, or `(...)` with `none`. In [0, inf), 0 when equal;
        two silences are at distance 0.
    """

    def __init__(
        self,
        sample_rate: int,
        preset: str = "encodec",
        *,
        reduction: Literal["mean", "none"] = "mean",
    ) -> None:
        super().__init__()
        self.settings = _preset(MEL_SCALES, preset)
        self.reduction = reduction
        self.mels = nn.ModuleList(
            Mel(
                MelSpec(
                    sample_rate=sample_rate,
                    n_fft=window,
                    hop_length=window // 4,
                    n_mels=n_mels,
                    log="none",
                    **self.settings.mel,  # type: ignore[arg-type]
                )
            )
            for window, n_mels in zip(self.settings.windows, self.settings.n_mels, strict=True)
        )

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        estimate, reference = _pair(estimate, reference)
        s = self.settings
        with torch.autocast(estimate.device.type, enabled=False):
            total = estimate.new_zeros(estimate.shape[:-1])
            for mel in self.mels:
                a, b = mel(estimate), mel(reference)
                if s.linear:
                    total = total + s.linear * (a - b).abs().mean((-2, -1))
                difference = self._log(a) - self._log(b)
                if s.log_l1:
                    total = total + s.log_l1 * difference.abs().mean((-2, -1))
                if s.log_l2:
                    total = total + s.log_l2 * difference.square().mean((-2, -1))
            if s.mean:
                total = total / (len(self.mels) * (s.linear + s.log_l1 + s.log_l2))
            return total.mean() if self.reduction == "mean" else total

    def _log(self, mel: Tensor) -> Tensor:
        mel = mel + 1e-5 if self.settings.floor == "add" else mel.clamp_min(1e-5)
        return mel.log10()


class MultiResolutionSTFT(nn.Module):
    """Spectral convergence plus log-magnitude distance, mean over resolutions.

    For each resolution, with magnitudes floored at 1e-4 (power 1e-8):

        || |Y| - |X| ||_F / || |Y| ||_F  +  mean | ln|Y| - ln|X| |,   X estimate, Y reference

    The ratio is taken for each signal, so a batch is the mean of its items. With a silent
    reference the floor keeps it finite (large); two silences are at distance 0.

    Args:
        preset: `auraloss` (1024, 2048, 512) or `octaves` (2048 to 32).
        reduction: `mean` gives a scalar, `none` one value for each signal.
        a_weighting_rate: the sample rate in Hz where magnitudes, before they are floored, shall be
            weighed by the curve of `a_weighting`; None leaves them as they are.

    Shape:
        Inputs `(..., T)`; output scalar, or `(...)` with `none`. In [0, inf).
    """

    def __init__(
        self,
        preset: str = "auraloss",
        *,
        reduction: Literal["mean", "none"] = "mean",
        a_weighting_rate: int | None = None,
    ) -> None:
        super().__init__()
        self.reduction = reduction
        sizes = _preset(STFT_RESOLUTIONS, preset)
        self.stfts = nn.ModuleList(STFT(*size) for size in sizes)
        self.weighted = a_weighting_rate is not None
        for i, (n_fft, *_) in enumerate(sizes):
            if a_weighting_rate is not None:
                hertz = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * a_weighting_rate / n_fft
                gain = a_weighting(hertz).square().float()[:, None]
                self.register_buffer(f"gain{i}", gain, persistent=False)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        estimate, reference = _pair(estimate, reference)
        with torch.autocast(estimate.device.type, enabled=False):
            total = estimate.new_zeros(estimate.shape[:-1])
            for i, stft in enumerate(self.stfts):
                gain = getattr(self, f"gain{i}") if self.weighted else 1.0
                powers = (gain * _power(stft, s) for s in (estimate, reference))
                x, y = (power.clamp_min(1e-8).sqrt() for power in powers)
                error = torch.linalg.vector_norm(y - x, dim=(-2, -1))
                total = total + error / torch.linalg.vector_norm(y, dim=(-2, -1))
                total = total + (y.log() - x.log()).abs().mean((-2, -1))
            total = total / len(self.stfts)
            return total.mean() if self.reduction == "mean" else total


def multi_scale_mel(
    estimate: Tensor, reference: Tensor, sample_rate: int, preset: str = "encodec"
) -> Tensor:
    """Scalar `MultiScaleMel` of `(..., T)` signals; keep the Module to call it again."""
    return MultiScaleMel(sample_rate, preset).to(estimate.device)(estimate, reference)


def multi_resolution_stft(estimate: Tensor, reference: Tensor, preset: str = "auraloss") -> Tensor:
    """Scalar `MultiResolutionSTFT` of `(..., T)` signals; keep the Module to call it again."""
    return MultiResolutionSTFT(preset).to(estimate.device)(estimate, reference)


def si_sdr(estimate: Tensor, reference: Tensor, *, zero_mean: bool = True) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019), higher is better.

    The reference s is scaled to the projection of the estimate x on it:

        a = <x, s> / |s|^2,    10 log10(|a s|^2 / |x - a s|^2)

    so any gain on x (also a negative one) leaves the value as it is. Limited to [-100, 100]; two
    silences give 100, one alone -100; with `zero_mean` a constant counts as silence.

    Args:
        estimate: `(..., T)`.
        reference: `(..., T)`.
        zero_mean: remove the mean of both first.

    Shape:
        Output `(...)`, one value for each channel.
    """
    estimate, reference = _pair(estimate, reference)
    # What a mean leaves of a constant is rounding, some 1e-14 of its energy in fp32.
    floors = [1e-12 * x.square().sum(-1) + TINY for x in (estimate, reference)]
    if zero_mean:
        estimate = estimate - estimate.mean(-1, keepdim=True)
        reference = reference - reference.mean(-1, keepdim=True)
    energy = reference.square().sum(-1, keepdim=True)
    target = (estimate * reference).sum(-1, keepdim=True) / energy.clamp_min(TINY) * reference
    ratio = _decibels(target.square().sum(-1), (estimate - target).square().sum(-1))
    silent = [x.square().sum(-1) < f for x, f in zip((estimate, reference), floors, strict=True)]
    ratio = ratio.masked_fill(silent[0] | silent[1], -LIMIT_DB)
    return ratio.masked_fill(silent[0] & silent[1], LIMIT_DB)


def snr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Signal-to-noise ratio `10 log10(|s|^2 / |x - s|^2)` in dB, higher is better.

    A silent estimate of a sounding reference gives 0. Limited to [-100, 100]; two silences give
    100, a silent reference alone -100.

    Shape:
        Inputs `(..., T)`; output `(...)`, one value for each channel.
    """
    estimate, reference = _pair(estimate, reference)
    signal = reference.square().sum(-1)
    noise = (estimate - reference).square().sum(-1)
    ratio = _decibels(signal, noise)
    ratio = ratio.masked_fill(signal < TINY, -LIMIT_DB)
    return ratio.masked_fill(noise < TINY, LIMIT_DB)


def log_spectral_distance(
    estimate: Tensor, reference: Tensor, *, n_fft: int = 2048, hop_length: int = 512
) -> Tensor:
    """Log-spectral distance in dB (Gray and Markel 1976): mean over frames of the RMS over bins.

        d_t = sqrt(mean_f (10 log10 P_x - 10 log10 P_s)^2),   powers floored at 1e-8

    Shape:
        Inputs `(..., T)`; output `(...)` in [0, inf); two silences are at 0.
    """
    estimate, reference = _pair(estimate, reference)
    with torch.autocast(estimate.device.type, enabled=False):
        stft = STFT(n_fft, hop_length).to(estimate.device)
        x, s = (10 * _power(stft, y).clamp_min(1e-8).log10() for y in (estimate, reference))
        rms = torch.linalg.vector_norm(x - s, dim=-2) / x.shape[-2] ** 0.5
        return rms.mean(-1)


def _pair(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if estimate.shape != reference.shape or not estimate.shape[-1]:
        raise ValueError(
            f"expected two signals of one shape (..., T > 0), got {tuple(estimate.shape)} and "
            f"{tuple(reference.shape)}"
        )
    double = torch.float64 in (estimate.dtype, reference.dtype)
    dtype = torch.float64 if double else torch.float32
    return estimate.to(dtype), reference.to(dtype)


def _power(stft: nn.Module, x: Tensor) -> Tensor:
    return torch.view_as_real(stft(x)).square().sum(-1)


def _decibels(signal: Tensor, noise: Tensor) -> Tensor:
    ratio = 10 * (signal.clamp_min(TINY).log10() - noise.clamp_min(TINY).log10())
    return ratio.clamp(-LIMIT_DB, LIMIT_DB)


def _preset(presets: Mapping[str, T], name: str) -> T:
    if name not in presets:
        raise ValueError(f"preset must be one of {sorted(presets)}, got {name!r}")
    return presets[name]
