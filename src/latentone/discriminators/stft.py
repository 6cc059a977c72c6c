"""Multi-scale complex STFT discriminator.

Defossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4. Each scale sees the
spectrogram of one window length as an image of time by frequency, its real and imaginary parts
stacked as channels: phase is judged too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from ..dsp.stft import STFT
from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = ["MultiScaleSTFTDiscriminator", "STFTDiscriminatorConfig"]


@dataclass(frozen=True, kw_only=True)
class STFTDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of a multi-scale STFT discriminator."""

    filters: int = 32
    """Channels of every hidden layer."""
    n_ffts: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    """Window lengths in samples, one scale each; the hop is a quarter."""
    dilations: tuple[int, ...] = (1, 2, 4)
    """Dilation in time of each layer that halves the frequency axis."""
    slope: float = 0.2
    """Of the leaky ReLU below zero."""

    def __post_init__(self) -> None:
        if self.filters < 1:
            raise ValueError(f"filters must be positive, got {self.filters}")
        if not self.n_ffts or any(n < 4 or n % 4 for n in self.n_ffts):
            raise ValueError(f"n_ffts must be one or more multiples of 4, got {self.n_ffts}")

    def build(self, channels: int = 1) -> MultiScaleSTFTDiscriminator:
        return MultiScaleSTFTDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return max(self.n_ffts)


class ScaleDiscriminator(nn.Module):
    """One scale: spectrogram, then 2-D convolutions that shrink frequency alone."""

    def __init__(self, config: STFTDiscriminatorConfig, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft, self.slope = n_fft, config.slope
        self.stft = STFT(n_fft, n_fft // 4, padding="none", normalized=True)
        filters = config.filters
        self.layers = nn.ModuleList([_conv(2 * channels, filters, (3, 9))])
        for dilation in config.dilations:
            self.layers.append(_conv(filters, filters, (3, 9), stride=2, dilation=dilation))
        self.layers.append(_conv(filters, filters, (3, 3)))
        self.score = _conv(filters, 1, (3, 3))

    def spectrogram(self, x: Tensor) -> Tensor:
        """Map `(B, C, T)` to `(B, 2 C, frames, bins)`, in fp32: first all real parts."""
        with torch.autocast(x.device.type, enabled=False):
            parts = torch.view_as_real(self.stft(x.float()))  # (B, C, bins, frames, 2)
        parts = parts.permute(0, 4, 1, 3, 2).flatten(1, 2)
        # Channels innermost: on CPUs that makes the backward convolutions up to twice as fast.
        return parts.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        z = self.spectrogram(x)
        for layer in self.layers:
            z = F.leaky_relu(layer(z), self.slope)
            features.append(z)
        return self.score(z), features


class MultiScaleSTFTDiscriminator(Discriminator):
    """Judges sound on several spectrograms at once.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(self, config: STFTDiscriminatorConfig | None = None, channels: int = 1) -> None:
        config = config or STFTDiscriminatorConfig()
        super().__init__(config, channels)
        self.scales = nn.ModuleList(
            [ScaleDiscriminator(config, n_fft, channels) for n_fft in config.n_ffts]
        )

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        judged = [scale(x) for scale in self.scales]
        return Judgement([score for score, _ in judged], [features for _, features in judged])


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1
) -> nn.Module:
    """A weight-normed convolution over (time, frequency) that keeps the time length."""
    padding = (kernel[0] - 1) * dilation // 2, (kernel[1] - 1) // 2
    conv = nn.Conv2d(inputs, outputs, kernel, (1, stride), padding, (dilation, 1))
    return weight_norm(conv)
