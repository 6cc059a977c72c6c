"""HiFi-GAN's generator: features of sound, frame by frame, to the waveform.

Kong, Kim, Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis", 2020. Every step up in rate is followed by the mean of residual blocks with different
kernels, so that each sees another stretch of sound. Differs: any number of input channels; a
surplus of taps must be even, as in all published sizes, so that F frames give exactly
F * hop_length samples; a causal generator, which nobody published, sees the past only, and streams.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.conv import Conv1d, ConvTranspose1d

__all__ = ["HiFiGAN", "HiFiGANConfig", "hifigan_v1", "hifigan_v2", "hifigan_v3"]

Run = Callable[[nn.Module, Tensor], Tensor]
"""How a convolution is applied: to the whole, or to one chunk with its state."""
LAST_SLOPE = 0.01
"""Slope of the last leaky ReLU, which in the published generators is not that of the others."""


@dataclass(frozen=True, kw_only=True)
class HiFiGANConfig:
    """The shape of the generator; the default is V1."""

    ratios: tuple[int, ...] = (8, 8, 2, 2)
    """Steps up in rate; their product is the hop."""
    kernel_sizes: tuple[int, ...] = (16, 16, 4, 4)
    """Taps of each step up: its ratio and an even number more."""
    num_filters: int = 512
    """Channels before the first step up; halved by every step."""
    residual_kernels: tuple[int, ...] = (3, 7, 11)
    """Taps of the residual blocks that run side by side."""
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    """Dilations inside each of these blocks."""
    paired: bool = True
    """Whether a second convolution, not dilated, follows each dilated one (V1, V2; not V3)."""
    slope: float = 0.1
    """Of the leaky ReLUs."""
    standardize: bool = False
    """Whether the input is shifted and scaled by statistics that are kept with the weights."""
    causal: bool = False
    """Whether a sample depends on past frames and its own only; causal generators can stream."""

    def __post_init__(self) -> None:
        if not self.ratios or len(self.ratios) != len(self.kernel_sizes):
            raise ValueError(
                f"expected a kernel for each of one or more ratios, got {self.ratios} and "
                f"{self.kernel_sizes}"
            )
        for ratio, taps in zip(self.ratios, self.kernel_sizes, strict=True):
            if ratio < 1 or taps < ratio or (taps - ratio) % 2:
                raise ValueError(
                    f"a step up by {ratio} needs {ratio} taps or an even number more, got {taps}"
                )
        if not self.residual_kernels or len(self.residual_kernels) != len(self.dilations):
            raise ValueError(
                f"expected dilations for each of one or more residual kernels, got "
                f"{self.residual_kernels} and {self.dilations}"
            )
        if any(taps % 2 == 0 for taps in self.residual_kernels):
            raise ValueError(f"residual_kernels must be odd, got {self.residual_kernels}")
        if self.num_filters < 1 or self.num_filters % 2 ** len(self.ratios):
            raise ValueError(
                f"num_filters is halved {len(self.ratios)} times, got {self.num_filters}"
            )

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return prod(self.ratios)


def hifigan_v1() -> HiFiGANConfig:
    """The best sounding."""
    return HiFiGANConfig()


def hifigan_v2() -> HiFiGANConfig:
    """V1 with a quarter of its channels."""
    return HiFiGANConfig(num_filters=128)


def hifigan_v3() -> HiFiGANConfig:
    """The fastest: fewer steps up, and residual blocks of single convolutions."""
    return HiFiGANConfig(
        ratios=(8, 8, 4),
        kernel_sizes=(16, 16, 8),
        num_filters=256,
        residual_kernels=(3, 5, 7),
        dilations=((1, 2), (2, 6), (3, 12)),
        paired=False,
    )


def _whole(conv: nn.Module, x: Tensor) -> Tensor:
    y: Tensor = conv(x)
    return y


class PairedBlock(nn.Module):
    """`x + conv2(act(conv1(act(x))))` for each dilation, which `conv1` has and `conv2` has not."""

    def __init__(
        self, dim: int, taps: int, dilations: tuple[int, ...], config: HiFiGANConfig
    ) -> None:
        super().__init__()
        self.slope, causal = config.slope, config.causal
        self.convs1 = nn.ModuleList(_conv(dim, dim, taps, d, causal=causal) for d in dilations)
        self.convs2 = nn.ModuleList(_conv(dim, dim, taps, causal=causal) for _ in dilations)

    def forward(self, x: Tensor, run: Run = _whole) -> Tensor:
        for conv1, conv2 in zip(self.convs1, self.convs2, strict=True):
            y = run(conv1, F.leaky_relu(x, self.slope))
            x = x + run(conv2, F.leaky_relu(y, self.slope))
        return x


class SingleBlock(nn.Module):
    """`x + conv(act(x))` for each dilation."""

    def __init__(
        self, dim: int, taps: int, dilations: tuple[int, ...], config: HiFiGANConfig
    ) -> None:
        super().__init__()
        self.slope, causal = config.slope, config.causal
        self.convs = nn.ModuleList(_conv(dim, dim, taps, d, causal=causal) for d in dilations)

    def forward(self, x: Tensor, run: Run = _whole) -> Tensor:
        for conv in self.convs:
            x = x + run(conv, F.leaky_relu(x, self.slope))
        return x


class Stage(nn.Module):
    """A step up in rate, then the mean of residual blocks side by side.

    Args:
        dim: channels of the input, of which half are left.
        ratio: of the rates.
        taps: of the step up.
        config: the shape of the blocks.
    """

    def __init__(self, dim: int, ratio: int, taps: int, config: HiFiGANConfig) -> None:
        super().__init__()
        self.slope = config.slope
        self.up = ConvTranspose1d(
            dim, dim // 2, taps, stride=ratio, causal=config.causal, norm="weight_norm"
        )
        block = PairedBlock if config.paired else SingleBlock
        self.blocks = nn.ModuleList(
            block(dim // 2, width, dilations, config)
            for width, dilations in zip(config.residual_kernels, config.dilations, strict=True)
        )

    def forward(self, x: Tensor, run: Run = _whole) -> Tensor:
        x = run(self.up, F.leaky_relu(x, self.slope))
        total = torch.zeros_like(x)
        for block in self.blocks:
            total = total + block(x, run)
        return total / len(self.blocks)


class HiFiGAN(nn.Module):
    """Features `(B, dim, F)` to mono audio `(B, 1, F * hop_length)` in [-1, 1].

    Streams when causal, by single frames, without delay.

    Args:
        dim: channels of the input, 80 mel bands in the published generators.
        config: the shape.
    """

    mean: Tensor
    scale: Tensor
    chunk: int
    latency: int

    def __init__(self, dim: int, config: HiFiGANConfig) -> None:
        super().__init__()
        if config.causal:  # without these, it is no `Streamable`
            self.chunk, self.latency = 1, 0
        self.standardize = config.standardize
        if config.standardize:
            self.register_buffer("mean", torch.zeros(dim))
            self.register_buffer("scale", torch.ones(dim))
        channels = config.num_filters
        self.conv_pre = _conv(dim, channels, 7, causal=config.causal)
        self.stages = nn.ModuleList()
        for ratio, taps in zip(config.ratios, config.kernel_sizes, strict=True):
            self.stages.append(Stage(channels, ratio, taps, config))
            channels //= 2
        self.conv_post = _conv(channels, 1, 7, causal=config.causal)

    def forward(self, x: Tensor, run: Run = _whole) -> Tensor:
        if self.standardize:
            x = (x - self.mean[:, None]) / self.scale[:, None]
        x = run(self.conv_pre, x)
        for stage in self.stages:
            x = stage(x, run)
        return torch.tanh(run(self.conv_post, F.leaky_relu(x, LAST_SLOPE)))

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of every convolution.

        Raises:
            ValueError: the generator is not causal.
        """
        return [tensor for conv in self._convolutions() for tensor in conv.initial_state(batch)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Samples `(B, 1, n * hop_length)` of frames `(B, dim, n)`."""
        place = {conv: i for i, conv in enumerate(self._convolutions())}
        after = list(state)

        def run(conv: Any, x: Tensor) -> Tensor:
            y: Tensor
            y, (after[place[conv]],) = conv.step(x, [state[place[conv]]])
            return y

        return self(x, run), after

    def _convolutions(self) -> list[Conv1d | ConvTranspose1d]:
        return [m for m in self.modules() if isinstance(m, Conv1d | ConvTranspose1d)]


def _conv(
    in_channels: int, out_channels: int, taps: int, dilation: int = 1, *, causal: bool
) -> Conv1d:
    return Conv1d(
        in_channels, out_channels, taps, dilation=dilation, causal=causal, norm="weight_norm"
    )
