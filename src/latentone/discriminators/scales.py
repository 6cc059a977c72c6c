"""Multi-scale discriminator: the waveform itself, and averages of it at half and quarter rate.

Kumar et al., "MelGAN", 2019, section 2.2, whose judge SoundStream took over; widened in Kong et
al., "HiFi-GAN", 2020, section 2.3. Grouped convolutions with many taps see long stretches cheaply.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from ..nn.conv import PadMode, pad1d
from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = [
    "MultiScaleDiscriminator",
    "ScaleDiscriminatorConfig",
    "hifigan_scales",
    "melgan_scales",
]

Layer = tuple[int, int, int, int]
"""Channels, taps, stride, groups."""


@dataclass(frozen=True, kw_only=True)
class ScaleDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of a multi-scale waveform discriminator; the defaults are HiFi-GAN's."""

    scales: int = 3
    """Sample rates that are judged: the full one, half, a quarter, and so on."""
    layers: tuple[Layer, ...] = (
        (128, 15, 1, 1),
        (128, 41, 2, 4),
        (256, 41, 2, 16),
        (512, 41, 4, 16),
        (1024, 41, 4, 16),
        (1024, 41, 1, 16),
        (1024, 5, 1, 1),
    )
    """Hidden layers: channels, taps, stride and groups of each."""
    slope: float = 0.1
    """Of the leaky ReLU below zero."""
    pad_mode: PadMode = "constant"
    """What stands beyond the ends for the first layer; zeros for the others."""
    pool_padding: int = 2
    """Zeros on both sides of the average over 4 samples that halves the rate."""
    count_padding: bool = True
    """Whether these zeros count in the average."""
    spectral_first: bool = True
    """Whether the full rate is normalised by spectral norm; all else by weight norm."""

    def __post_init__(self) -> None:
        if self.scales < 1:
            raise ValueError(f"scales must be positive, got {self.scales}")
        if not self.layers:
            raise ValueError("layers must be one or more of (channels, taps, stride, groups)")
        width = None
        for layer in self.layers:
            channels, taps, _, groups = layer
            if min(layer) < 1 or taps % 2 == 0:
                raise ValueError(f"a layer needs positive numbers and odd taps, got {layer}")
            if channels % groups or (width is not None and width % groups):
                raise ValueError(f"{groups} groups must divide channels on both sides of {layer}")
            width = channels
        if self.layers[0][3] != 1:
            raise ValueError(f"the first layer sees audio: its groups must be 1, {self.layers[0]}")
        if self.pool_padding not in (0, 1, 2):
            raise ValueError(f"pool_padding must be 0, 1 or 2, got {self.pool_padding}")

    def build(self, channels: int = 1) -> MultiScaleDiscriminator:
        return MultiScaleDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return 2 ** (self.scales + 1)  # so that the slowest rate still averages some samples


def hifigan_scales() -> ScaleDiscriminatorConfig:
    """Three scales of eight layers, the full rate under spectral norm."""
    return ScaleDiscriminatorConfig()


def melgan_scales(filters: int = 16, largest: int = 1024) -> ScaleDiscriminatorConfig:
    """Three scales of seven layers, a factor 256 down; SoundStream's waveform judge too.

    Args:
        filters: channels of the first layer; every strided one has four times as many.
        largest: where they stop to grow.
    """
    wide = [min(largest, filters * 4**n) for n in range(5)]
    grouped = tuple((b, 41, 4, max(1, a // 4)) for a, b in pairwise(wide))
    return ScaleDiscriminatorConfig(
        layers=((filters, 15, 1, 1), *grouped, (wide[-1], 5, 1, 1)),
        slope=0.2,
        pad_mode="reflect",
        pool_padding=1,
        count_padding=False,
        spectral_first=False,
    )


class WaveformJudge(nn.Module):
    """One scale: 1-D convolutions over the waveform."""

    def __init__(self, config: ScaleDiscriminatorConfig, channels: int, *, spectral: bool) -> None:
        super().__init__()
        normalise = spectral_norm if spectral else weight_norm
        self.slope, self.pad_mode = config.slope, config.pad_mode
        self.layers = nn.ModuleList()
        width = channels
        for n, (outputs, taps, stride, groups) in enumerate(config.layers):
            padding = taps // 2 if n else 0
            conv = nn.Conv1d(width, outputs, taps, stride, padding, groups=groups)
            self.layers.append(normalise(conv))
            width = outputs
        self.edge = config.layers[0][1] // 2
        self.score = normalise(nn.Conv1d(width, 1, 3, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        z = pad1d(x, self.edge, self.edge, self.pad_mode)
        for layer in self.layers:
            z = F.leaky_relu(layer(z), self.slope)
            features.append(z)
        return self.score(z), features


class MultiScaleDiscriminator(Discriminator):
    """Judges the waveform at several rates; scores are `(B, 1, frames)`.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(self, config: ScaleDiscriminatorConfig | None = None, channels: int = 1) -> None:
        config = config or ScaleDiscriminatorConfig()
        super().__init__(config, channels)
        self.pool = nn.AvgPool1d(4, 2, config.pool_padding, count_include_pad=config.count_padding)
        self.scales = nn.ModuleList(
            WaveformJudge(config, channels, spectral=config.spectral_first and n == 0)
            for n in range(config.scales)
        )

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        judged = []
        for n, judge in enumerate(self.scales):
            x = self.pool(x) if n else x
            judged.append(judge(x))
        return Judgement([score for score, _ in judged], [features for _, features in judged])
