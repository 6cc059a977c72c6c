"""Mel spectrograms: `MelSpec` says everything that decides one, `Mel` computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor, nn

from .stft import STFT, Padding

__all__ = ["Mel", "MelSpec", "hz_to_mel", "mel_filterbank", "mel_to_hz"]

Scale = Literal["htk", "slaney"]


@dataclass(frozen=True, kw_only=True)
class MelSpec:
    """All settings of a mel spectrogram, kept with whatever was trained on it."""

    sample_rate: int
    """Of the audio, in Hz."""
    n_fft: int = 1024
    """Length of the Fourier transform."""
    hop_length: int = 256
    """Samples between frames."""
    win_length: int | None = None
    """Length of the Hann window; `n_fft` when None."""
    n_mels: int = 80
    """Mel bands."""
    f_min: float = 0.0
    """Lower edge of the lowest band in Hz."""
    f_max: float | None = None
    """Upper edge of the highest band in Hz; half the sample rate when None."""
    scale: Scale = "slaney"
    """slaney is linear below 1 kHz and logarithmic above; htk is 2595 log10(1 + f / 700)."""
    norm: Literal["none", "slaney"] = "slaney"
    """slaney divides each triangle by half its width in Hz, so that all have equal area."""
    power: float = 1.0
    """Bands sum magnitudes (1) or powers (2)."""
    log: Literal["none", "natural", "log10"] = "natural"
    """Logarithm of the bands."""
    floor: float = 1e-5
    """Bands are clamped to this before the logarithm, so silence is `log(floor)`."""
    padding: Padding = "center"
    """Where frames sit, as in `STFT`."""
    pad_mode: Literal["constant", "reflect"] = "constant"
    """What lies outside the signal, as in `STFT`."""
    normalized: bool = False
    """Divide spectra by the root of the window's energy."""

    def __post_init__(self) -> None:
        top = self.sample_rate / 2 if self.f_max is None else self.f_max
        if not 0 <= self.f_min < top <= self.sample_rate / 2:
            raise ValueError(
                f"bands must lie in 0 <= f_min < f_max <= {self.sample_rate / 2:g} Hz, got "
                f"f_min={self.f_min}, f_max={self.f_max}"
            )
        for name in ("sample_rate", "n_fft", "hop_length", "n_mels", "power", "floor"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    def require(self, found: MelSpec, *, ours: str, theirs: str) -> None:
        """Refuse mel spectrograms that were computed otherwise.

        Args:
            found: the spec of what was handed over.
            ours: a name for the owner of this spec, for the message.
            theirs: a name for the owner of `found`.

        Raises:
            ValueError: the two differ; owners and fields are named.
        """
        differ = [f.name for f in fields(self) if getattr(self, f.name) != getattr(found, f.name)]
        if differ:
            expected = ", ".join(f"{name}={getattr(self, name)!r}" for name in differ)
            came = ", ".join(f"{name}={getattr(found, name)!r}" for name in differ)
            raise ValueError(
                f"{ours} was trained on mel spectrograms with {expected}, but {theirs} has {came}: "
                "compute them with the settings saved beside the model"
            )


class Mel(nn.Module):
    """Mel spectrogram of a `MelSpec`, in fp32 (or fp64 for fp64 input) also under autocast.

    Shape:
        Input `(..., T)`; output `(..., n_mels, num_frames(T))`.
    """

    filterbank: Tensor

    def __init__(self, spec: MelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stft = STFT(
            spec.n_fft,
            spec.hop_length,
            spec.win_length,
            padding=spec.padding,
            pad_mode=spec.pad_mode,
            normalized=spec.normalized,
        )
        self.register_buffer("filterbank", mel_filterbank(spec).float(), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Frames that `forward` gives for this many samples."""
        return self.stft.num_frames(num_samples)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            x = x if x.dtype == torch.float64 else x.float()
            spectra = self.stft(x)
            # |X| has no gradient where X = 0; one tiny power below every floor supplies one.
            power = spectra.real.square() + spectra.imag.square()
            if self.spec.power != 2:
                power = (power + 1e-20).pow(self.spec.power / 2)
            mel = self.filterbank.to(x.dtype) @ power
            if self.spec.log == "none":
                return mel
            mel = mel.clamp_min(self.spec.floor)
            return mel.log() if self.spec.log == "natural" else mel.log10()


def hz_to_mel(hz: Tensor, scale: Scale = "slaney") -> Tensor:
    """Map frequencies in Hz to mel.

    htk:    m = 2595 log10(1 + f / 700)
    slaney: m = 3 f / 200 up to 1 kHz, where m = 15; above, 27 more for every factor of 6.4
            (Slaney's Auditory Toolbox, 1998).
    """
    if scale == "htk":
        return 2595 * torch.log10(1 + hz / 700)
    return torch.where(
        hz < 1000, 3 * hz / 200, 15 + 27 * torch.log(hz.clamp_min(1) / 1000) / math.log(6.4)
    )


def mel_to_hz(mel: Tensor, scale: Scale = "slaney") -> Tensor:
    """Invert `hz_to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    return torch.where(mel < 15, 200 * mel / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))


def mel_filterbank(spec: MelSpec) -> Tensor:
    """Triangles over the bins of the transform, float64 `(n_mels, n_fft // 2 + 1)`.

    Band m rises from edge m to edge m + 1 and falls to edge m + 2; the edges are equally spaced
    in mel. A band narrower than the distance of two bins may hold none of them and stays zero.
    """
    f_max = spec.sample_rate / 2 if spec.f_max is None else spec.f_max
    with torch.device("cpu"):  # real numbers, also where a model is built on the meta device
        ends = torch.tensor([spec.f_min, f_max], dtype=torch.float64)
        steps = torch.linspace(0, 1, spec.n_mels + 2, dtype=torch.float64)
        bins = torch.arange(spec.n_fft // 2 + 1, dtype=torch.float64)
    low, high = hz_to_mel(ends, spec.scale)
    edges = mel_to_hz(low + (high - low) * steps, spec.scale)
    bins = bins * spec.sample_rate / spec.n_fft
    left, center, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - left) / (center - left), (right - bins) / (right - center)
    triangles = torch.minimum(rising, falling).clamp_min(0)
    return triangles * (2 / (right - left)) if spec.norm == "slaney" else triangles
