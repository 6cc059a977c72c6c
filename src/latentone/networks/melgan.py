"""MelGAN's generator: features of sound, frame by frame, to the waveform.

Kumar et al., "MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis", 2019.
Kernels are twice their stride, and dilations grow as the powers of the kernel, so that no sample
is seen more often than its neighbours. Layers mirror the signal at its ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor, nn

from ..nn.conv import Conv1d, ConvTranspose1d

__all__ = ["MelGAN", "MelGANConfig"]

SLOPE = 0.2
"""Of the leaky ReLUs."""


@dataclass(frozen=True, kw_only=True)
class MelGANConfig:
    """The shape of the generator; the default is the published one."""

    ratios: tuple[int, ...] = (8, 8, 2, 2)
    """Steps up in rate; their product is the hop."""
    num_filters: int = 32
    """Channels behind the last step up; doubled by every step before."""
    num_residual_layers: int = 3
    """Residual units behind each step up; the dilation of the n-th is 3 ** n."""

    def __post_init__(self) -> None:
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError(f"ratios must be one or more positive numbers, got {self.ratios}")
        if self.num_filters < 1 or self.num_residual_layers < 0:
            raise ValueError(
                f"num_filters must be at least 1 and num_residual_layers at least 0, got "
                f"{self.num_filters} and {self.num_residual_layers}"
            )

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return prod(self.ratios)


class ResidualUnit(nn.Module):
    """`shortcut(x) + conv1(act(conv3(act(x))))`."""

    def __init__(self, dim: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.LeakyReLU(SLOPE),
            _conv(dim, dim, 3, dilation),
            nn.LeakyReLU(SLOPE),
            _conv(dim, dim, 1),
        )
        self.shortcut = _conv(dim, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.block(x)


class MelGAN(nn.Module):
    """Features `(B, dim, F)` to mono audio `(B, 1, F * hop_length)` in [-1, 1].

    Args:
        dim: channels of the input, 80 mel bands in the published generators.
        config: the shape.
    """

    def __init__(self, dim: int, config: MelGANConfig) -> None:
        super().__init__()
        channels = config.num_filters * 2 ** len(config.ratios)
        layers: list[nn.Module] = [_conv(dim, channels, 7)]
        for ratio in config.ratios:
            up = ConvTranspose1d(
                channels, channels // 2, 2 * ratio, stride=ratio, norm="weight_norm"
            )
            channels //= 2
            layers += [nn.LeakyReLU(SLOPE), up]
            layers += [ResidualUnit(channels, 3**n) for n in range(config.num_residual_layers)]
        layers += [nn.LeakyReLU(SLOPE), _conv(channels, 1, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _conv(in_channels: int, out_channels: int, taps: int, dilation: int = 1) -> Conv1d:
    return Conv1d(
        in_channels, out_channels, taps, dilation=dilation, pad_mode="reflect", norm="weight_norm"
    )
