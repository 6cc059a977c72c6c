"""Patch discriminator: a spectrogram as a picture, judged in overlapping patches.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", 2017, section 3.2,
as in VQGAN (Esser et al., 2021) and its spectrogram descendants: a score of one place sees 70 by 70
pixels. Differs: weight norm where they normalise over the batch, so that items are judged alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from ..dsp.stft import STFT
from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = ["PatchDiscriminator", "PatchDiscriminatorConfig", "PatchJudge"]


@dataclass(frozen=True, kw_only=True)
class PatchDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of a patch discriminator over log-magnitude spectrograms."""

    filters: int = 64
    """Channels of the first layer; doubled by each further one, up to eight times."""
    num_layers: int = 3
    """Layers that halve both axes."""
    n_fft: int = 1024
    """Window length in samples."""
    hop_length: int = 256
    """Samples between frames."""
    floor: float = 1e-5
    """Magnitudes are clamped to this before the logarithm."""
    slope: float = 0.2
    """Of the leaky ReLU below zero."""

    def __post_init__(self) -> None:
        for name in ("filters", "num_layers", "n_fft", "hop_length", "floor"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.hop_length > self.n_fft:
            raise ValueError(
                f"hop_length must be at most n_fft={self.n_fft}, got {self.hop_length}"
            )
        if self.n_fft // 2 + 1 < self.min_pixels:
            raise ValueError(
                f"{self.num_layers} layers need {self.min_pixels} bins, got n_fft={self.n_fft}"
            )

    @property
    def min_pixels(self) -> int:
        """The shortest side of a picture that leaves one score."""
        # A strided layer (4 taps, one zero on either side) halves, rounding down; each of the two
        # behind them takes one pixel.
        return 3 * 2**self.num_layers

    def build(self, channels: int = 1) -> PatchDiscriminator:
        return PatchDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return (self.min_pixels - 1) * self.hop_length + 1


class PatchJudge(nn.Module):
    """Judges pictures `(B, C, H, W)` of any size from 3 * 2 ** num_layers pixels a side on.

    Args:
        channels: of the picture.
        filters: channels of the first layer.
        num_layers: layers that halve both axes.
        slope: of the leaky ReLU below zero.
    """

    def __init__(
        self, channels: int, filters: int = 64, num_layers: int = 3, slope: float = 0.2
    ) -> None:
        super().__init__()
        self.slope = slope
        widths = [channels, *(filters * min(8, 2**n) for n in range(num_layers + 1))]
        self.layers = nn.ModuleList(
            _conv(a, b, stride=2 if n < num_layers else 1)
            for n, (a, b) in enumerate(pairwise(widths))
        )
        self.score = _conv(widths[-1], 1, stride=1)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores `(B, 1, h, w)` and the features of every hidden layer."""
        features = []
        z = image
        for layer in self.layers:
            z = F.leaky_relu(layer(z), self.slope)
            features.append(z)
        return self.score(z), features


class PatchDiscriminator(Discriminator):
    """Judges the log-magnitude spectrogram of sound; scores are `(B, 1, h, w)`.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(self, config: PatchDiscriminatorConfig | None = None, channels: int = 1) -> None:
        config = config or PatchDiscriminatorConfig()
        super().__init__(config, channels)
        self.floor = config.floor
        self.stft = STFT(config.n_fft, config.hop_length, padding="same")
        self.patches = PatchJudge(channels, config.filters, config.num_layers, config.slope)

    def spectrogram(self, x: Tensor) -> Tensor:
        """Map `(B, C, T)` to natural logarithms of magnitudes `(B, C, bins, frames)`, in fp32."""
        with torch.autocast(x.device.type, enabled=False):
            power = torch.view_as_real(self.stft(x.float())).square().sum(-1)
            return power.clamp_min(self.floor**2).log() / 2

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        score, features = self.patches(self.spectrogram(x))
        return Judgement([score], [features])


def _conv(inputs: int, outputs: int, *, stride: int) -> nn.Module:
    return weight_norm(nn.Conv2d(inputs, outputs, 4, stride, padding=1))
