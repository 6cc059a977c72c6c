"""Excerpts changed by chance, so that a codec hears more than the recordings hold.

Levels and phase shifts are those that DAC trains with (Kumar et al. 2023); all-pass filters,
dither, silence, compression and gain those of RAVE (Caillon and Esling 2021, public code). Differs:
RAVE's compressor is sox's; ours is a plain one over the moving root mean square.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..dsp.loudness import integrated_loudness

__all__ = [
    "AugmentConfig",
    "all_pass",
    "augment",
    "compress",
    "dither",
    "level",
    "shift_phase",
]

POLE = 0.99
"""Radius of the poles of random all-pass filters, as in RAVE."""
WINDOW = 0.1
"""Seconds of the compressor's moving mean."""
SILENCE = 1e-6
"""Amplitude from which on a compressor hears sound."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """What happens to training excerpts, in this order; the default is nothing."""

    level_db: float | None = None
    """Loudness in LUFS that every excerpt gets, unless its peak forbids it; DAC has -16."""
    phase: bool = False
    """Whether all frequencies are turned by one random angle."""
    mangle: float = 0.0
    """Probability of a random all-pass filter; RAVE has 0.8."""
    mangle_hz: tuple[float, float] = (20.0, 2000.0)
    """Where the filter turns phases, drawn evenly in octaves."""
    compress: float = 0.0
    """Probability of a compressor."""
    compress_ratio: tuple[float, float] = (1.5, 4.0)
    """Range of its ratio; above -40 dB, levels rise so many times slower."""
    gain_db: tuple[float, float] | None = None
    """Range of a random gain, less where the peak would pass 1; None for none."""
    dither_bits: int | None = None
    """Uniform noise as wide as a step of so many bits; RAVE has 16; None for none."""
    mute: float = 0.0
    """Probability that an excerpt becomes silence; RAVE has 0.1."""

    def __post_init__(self) -> None:
        for name in ("mangle", "compress", "mute"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability in [0, 1], got {getattr(self, name)}")
        if not 0 < self.mangle_hz[0] <= self.mangle_hz[1]:
            raise ValueError(f"mangle_hz must be 0 < lowest <= highest, got {self.mangle_hz}")
        if not 1 <= self.compress_ratio[0] <= self.compress_ratio[1]:
            raise ValueError(
                f"compress_ratio must be 1 <= lowest <= highest, got {self.compress_ratio}"
            )
        if self.gain_db is not None and self.gain_db[0] > self.gain_db[1]:
            raise ValueError(f"gain_db must be lowest <= highest, got {self.gain_db}")
        if self.dither_bits is not None and not 1 <= self.dither_bits <= 24:
            raise ValueError(f"dither_bits must be in [1, 24], got {self.dither_bits}")


def augment(x: Tensor, sample_rate: int, config: AugmentConfig, rng: torch.Generator) -> Tensor:
    """Change an excerpt `x (C, T)` at `sample_rate` as `config` asks; `rng` decides all chance."""
    if config.level_db is not None:
        x = level(x, sample_rate, config.level_db)
    if config.phase:
        x = shift_phase(x, _uniform(-math.pi, math.pi, rng))
    if _happens(config.mangle, rng):
        low, high = (math.log(f) for f in config.mangle_hz)
        x = all_pass(x, sample_rate, math.exp(_uniform(low, high, rng)))
    if _happens(config.compress, rng):
        x = compress(x, sample_rate, _uniform(*config.compress_ratio, rng))
    if config.gain_db is not None:
        gain, peak = 10 ** (_uniform(*config.gain_db, rng) / 20), float(x.abs().max())
        x = x * (min(gain, max(1.0, 1 / peak)) if peak > 0 else gain)
    if config.dither_bits is not None:
        x = dither(x, config.dither_bits, rng)
    return torch.zeros_like(x) if _happens(config.mute, rng) else x


def level(x: Tensor, sample_rate: int, loudness_db: float) -> Tensor:
    """Give `x (C, T)` a loudness in LUFS, or less, so that its peak is at most 1.

    What is silent for the gate of BS.1770 (-70 LUFS) stays as it is.
    """
    found = float(integrated_loudness(x, sample_rate))
    if not math.isfinite(found):
        return x
    return x * min(10 ** ((loudness_db - found) / 20), 1 / float(x.abs().max()))


def shift_phase(x: Tensor, angle: float) -> Tensor:
    """Turn the phase of every frequency of `x (..., T)` by `angle` radians.

    With H the Hilbert transform, the real part of e^{i angle} (x + i H x). The excerpt counts as
    periodic.
    """
    spectrum = torch.fft.rfft(x)
    around = complex(math.cos(angle), math.sin(angle))
    turn = torch.full((spectrum.shape[-1],), around, dtype=spectrum.dtype)
    turn[0] = math.cos(angle)  # what has no counterpart at -f is real
    if x.shape[-1] % 2 == 0:
        turn[-1] = math.cos(angle)
    return torch.fft.irfft(spectrum * turn, x.shape[-1])


def all_pass(x: Tensor, sample_rate: int, hertz: float, pole: float = POLE) -> Tensor:
    """Filter `x (..., T)` with the all-pass of second order whose poles lie at `hertz`.

        H(z) = (r^2 - 2 r cos(w) z^-1 + z^-2) / (1 - 2 r cos(w) z^-1 + r^2 z^-2)

    has magnitude 1 everywhere and turns phases near w. Its response decays as r^n, so multiplying
    spectra of enough zeros more than T is filtering: what folds back is below 1e-12.

    Raises:
        ValueError: a frequency outside (0, half the rate), or a pole outside (0, 1).
    """
    if not 0 < hertz < sample_rate / 2 or not 0 < pole < 1:
        raise ValueError(
            f"expected a frequency in (0, {sample_rate / 2}) and a pole in (0, 1), got {hertz} Hz "
            f"and {pole}"
        )
    n = x.shape[-1] + math.ceil(math.log(1e-12) / math.log(pole))
    delay = torch.exp(-2j * math.pi * torch.arange(n // 2 + 1, dtype=torch.float64) / n)
    middle = -2 * pole * math.cos(2 * math.pi * hertz / sample_rate)
    top = pole**2 + middle * delay + delay**2
    response = top / (1 + middle * delay + pole**2 * delay**2)
    made = torch.fft.irfft(torch.fft.rfft(x.double(), n) * response, n)
    return made[..., : x.shape[-1]].to(x.dtype)


def compress(x: Tensor, sample_rate: int, ratio: float, threshold_db: float = -40.0) -> Tensor:
    """Make loud and soft more alike; the peak of `x (C, T)` stays.

    Where the root mean square of all channels over 0.1 s is L dB above the threshold, the sound is
    turned down by L (1 - 1 / ratio) dB.

    Raises:
        ValueError: a ratio below 1.
    """
    if ratio < 1:
        raise ValueError(f"a compressor's ratio must be 1 or more, got {ratio}")
    width = max(1, round(WINDOW * sample_rate)) | 1
    power = x.square().mean(0, keepdim=True)[None]
    # Beside the excerpt there is nothing to hear: the mean is over what is there.
    mean = F.avg_pool1d(power, width, 1, width // 2, count_include_pad=False)[0]
    above = (10 * mean.clamp_min(SILENCE**2).log10() - threshold_db).clamp_min(0)
    made = x * 10 ** (above * (1 / ratio - 1) / 20)
    peak = made.abs().max()
    return made * (x.abs().max() / peak) if peak > 0 else x


def dither(x: Tensor, bits: int, rng: torch.Generator) -> Tensor:
    """Add uniform noise as wide as one step of `bits` bits over [-1, 1), with mean 0."""
    noise = torch.rand(x.shape, generator=rng, dtype=x.dtype) - 0.5
    return x + noise * 2.0 ** (1 - bits)


def _happens(probability: float, rng: torch.Generator) -> bool:
    return probability > 0 and float(torch.rand((), generator=rng)) < probability


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng, dtype=torch.float64))
