"""MelGAN's generator: features of sound, frame by frame, to the waveform.

Kumar et al., "MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis", 2019.
Kernels are twice their stride, and dilations grow as the powers of the kernel, so that no sample
is seen more often than its neighbours. Layers mirror the signal at its ends; those of a causal
generator, which is ours, see zeros before the beginning and the past only.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import Tensor, nn

from ..nn.conv import Conv1d, ConvTranspose1d
from ..nn.streaming import StreamingResidual, StreamingSequential

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
    causal: bool = False
    """Whether a sample depends on past frames and its own only; causal generators can stream."""

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


class ResidualUnit(StreamingResidual):
    """`shortcut(x) + conv1(act(conv3(act(x))))`."""

    def __init__(self, dim: int, dilation: int, *, causal: bool) -> None:
        super().__init__()
        self.block = StreamingSequential(
            nn.LeakyReLU(SLOPE),
            _conv(dim, dim, 3, dilation, causal=causal),
            nn.LeakyReLU(SLOPE),
            _conv(dim, dim, 1, causal=causal),
        )
        self.shortcut = _conv(dim, dim, 1, causal=causal)

    @property
    def residual(self) -> tuple[nn.Module, StreamingSequential]:
        return self.shortcut, self.block


class MelGAN(nn.Module):
    """Features `(B, dim, F)` to mono audio `(B, 1, F * hop_length)` in [-1, 1].

    Streams when causal, by single frames, without delay.

    Args:
        dim: channels of the input, 80 mel bands in the published generators.
        config: the shape.
    """

    chunk: int
    latency: int

    def __init__(self, dim: int, config: MelGANConfig) -> None:
        super().__init__()
        causal = config.causal
        if causal:  # without these, it is no `Streamable`
            self.chunk, self.latency = 1, 0
        channels = config.num_filters * 2 ** len(config.ratios)
        layers: list[nn.Module] = [_conv(dim, channels, 7, causal=causal)]
        for ratio in config.ratios:
            up = ConvTranspose1d(
                channels,
                channels // 2,
                2 * ratio,
                stride=ratio,
                causal=causal,
                norm="weight_norm",
            )
            channels //= 2
            layers += [nn.LeakyReLU(SLOPE), up]
            layers += [
                ResidualUnit(channels, 3**n, causal=causal)
                for n in range(config.num_residual_layers)
            ]
        layers += [nn.LeakyReLU(SLOPE), _conv(channels, 1, 7, causal=causal), nn.Tanh()]
        self.layers = StreamingSequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of every convolution.

        Raises:
            ValueError: the generator is not causal.
        """
        return self.layers.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Samples `(B, 1, n * hop_length)` of frames `(B, dim, n)`."""
        return self.layers.step(x, state)


def _conv(
    in_channels: int, out_channels: int, taps: int, dilation: int = 1, *, causal: bool
) -> Conv1d:
    return Conv1d(
        in_channels,
        out_channels,
        taps,
        dilation=dilation,
        causal=causal,
        pad_mode="constant" if causal else "reflect",
        norm="weight_norm",
    )
