"""SoundStream's STFT discriminator: one complex spectrogram through a residual network.

Zeghidour et al., "SoundStream", 2021, section III-E, figure 4: window 1024, hop 256, six residual
units that halve time and frequency by turns, one score for each remaining frame. Differs: the bin
at half the sample rate is judged too, so that 9 bins and not 8 are left, and activations (leaky
ReLU, under weight norm, as in our other discriminators) stand before the convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from ..dsp.stft import STFT
from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = ["ResidualSTFTDiscriminator", "ResidualSTFTDiscriminatorConfig"]


@dataclass(frozen=True, kw_only=True)
class ResidualSTFTDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of SoundStream's STFT discriminator."""

    filters: int = 32
    """Channels after the first convolution."""
    n_fft: int = 1024
    """Window length in samples; the hop is a quarter."""
    widths: tuple[int, ...] = (2, 4, 4, 8, 8, 16)
    """Channels behind each residual unit, as a multiple of `filters`."""
    slope: float = 0.2
    """Of the leaky ReLU below zero."""

    def __post_init__(self) -> None:
        if self.filters < 1 or not self.widths or min(self.widths) < 1:
            raise ValueError(
                f"filters and widths must be positive, got {self.filters} and {self.widths}"
            )
        if self.n_fft < 4 or self.n_fft % 4:
            raise ValueError(f"n_fft must be a multiple of 4, got {self.n_fft}")

    def build(self, channels: int = 1) -> ResidualSTFTDiscriminator:
        return ResidualSTFTDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return self.n_fft


class ResidualUnit2d(nn.Module):
    """`shortcut(x) + strided(lrelu(conv3x3(lrelu(x))))`, over (time, frequency)."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int], slope: float) -> None:
        super().__init__()
        self.slope, self.stride = slope, stride
        self.first = weight_norm(nn.Conv2d(inputs, inputs, 3, padding=1))
        taps = stride[0] + 2, stride[1] + 2
        self.second = weight_norm(nn.Conv2d(inputs, outputs, taps, stride))
        self.shortcut = weight_norm(nn.Conv2d(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        z = F.leaky_relu(self.first(F.leaky_relu(x, self.slope)), self.slope)
        # Taps exceed the stride by 2: with one place before the first and the rest behind the last,
        # n places give ceil(n / stride), as in the shortcut.
        (height, width), (down, narrow) = z.shape[-2:], self.stride
        z = F.pad(z, (1, 1 + -width % narrow, 1, 1 + -height % down))
        return self.shortcut(x) + self.second(z)


class ResidualSTFTDiscriminator(Discriminator):
    """Judges one complex spectrogram; the score is `(B, 1, frames / 8)`.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(
        self, config: ResidualSTFTDiscriminatorConfig | None = None, channels: int = 1
    ) -> None:
        config = config or ResidualSTFTDiscriminatorConfig()
        super().__init__(config, channels)
        self.slope = config.slope
        self.stft = STFT(config.n_fft, config.n_fft // 4, padding="none", normalized=True)
        width = config.filters
        self.first = weight_norm(nn.Conv2d(2 * channels, width, 7, padding=3))
        self.units = nn.ModuleList()
        bins = config.n_fft // 2 + 1
        for n, multiple in enumerate(config.widths):
            outputs = multiple * config.filters
            stride = (1, 2) if n % 2 == 0 else (2, 2)
            self.units.append(ResidualUnit2d(width, outputs, stride, config.slope))
            width, bins = outputs, -(-bins // 2)
        self.score = weight_norm(nn.Conv2d(width, 1, (1, bins)))

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        with torch.autocast(x.device.type, enabled=False):
            parts = torch.view_as_real(self.stft(x.float()))  # (B, C, bins, frames, 2)
        image = parts.permute(0, 4, 1, 3, 2).flatten(1, 2)
        # Channels innermost: on CPUs that makes the backward convolutions up to twice as fast.
        z = self.first(image.contiguous(memory_format=torch.channels_last))
        features = [z]
        for unit in self.units:
            z = unit(z)
            features.append(z)
        score = self.score(F.leaky_relu(z, self.slope))[..., 0]
        return Judgement([score], [features])
