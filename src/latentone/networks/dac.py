"""The convolutional encoder and decoder of Descript Audio Codec, and of Stable Audio's VAE.

Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", 2023; Evans et al., "Fast
Timing-Conditioned Latent Audio Diffusion", 2024 (`Oobleck`), which differs in the activation
and in what stands at the end. Layer numbers are those of the published weights of both. Differs: a
decoder gives exactly `hop_length` samples per frame for odd strides too, where the originals lose a
sample at each; weights start as PyTorch's convolutions do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.conv import Conv1d, ConvTranspose1d
from ..nn.snake import Snake, SnakeBeta
from ..nn.streaming import StreamingResidual, StreamingSequential
from ..nn.windows import by_windows

__all__ = ["DACDecoder", "DACEncoder", "DACNetworkConfig"]

DILATIONS = (1, 3, 9)
"""Of the three residual units at each rate."""


@dataclass(frozen=True, kw_only=True)
class DACNetworkConfig:
    """The shape of both networks; the default is DAC's at 44.1 kHz."""

    channels: int = 1
    """Audio channels."""
    latent_dim: int = 1024
    """Channels of the latents."""
    moments: Literal[1, 2] = 1
    """Numbers the encoder gives for each latent: itself, or mean and scale."""
    encoder_width: int = 64
    """Channels behind the encoder's first convolution."""
    decoder_width: int = 96
    """Channels before the decoder's last convolution."""
    strides: tuple[int, ...] = (2, 4, 8, 8)
    """In the encoder's order; the decoder runs them backwards."""
    multiples: tuple[int, ...] = (2, 4, 8, 16)
    """Channels behind each stride of the encoder, as multiples of its width; the decoder's too."""
    activation: Literal["snake", "snake_beta"] = "snake"
    """See `nn/snake.py`."""
    final_bias: bool = True
    """Whether the decoder's last convolution has a bias."""
    final_tanh: bool = True
    """Whether the decoder ends in a tanh."""
    causal: bool = False
    """Whether a frame depends on the past only; causal networks can stream."""

    def __post_init__(self) -> None:
        for name in ("channels", "latent_dim", "encoder_width", "decoder_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.strides or min(self.strides) < 1:
            raise ValueError(f"strides must be one or more positive numbers, got {self.strides}")
        if len(self.multiples) != len(self.strides) or min(self.multiples) < 1:
            raise ValueError(
                f"multiples must be {len(self.strides)} positive numbers, one for each stride, "
                f"got {self.multiples}"
            )

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return prod(self.strides)


class ResidualUnit(StreamingResidual):
    """`x + conv1(snake(conv7(snake(x))))`, the wide convolution dilated."""

    def __init__(self, dim: int, dilation: int, config: DACNetworkConfig) -> None:
        super().__init__()
        self.layers = StreamingSequential(
            _activation(config, dim),
            _conv(config, dim, dim, 7, dilation=dilation),
            _activation(config, dim),
            _conv(config, dim, dim, 1),
        )

    @property
    def residual(self) -> tuple[None, StreamingSequential]:
        return None, self.layers


class _Block(nn.Module):
    """Layers in a row, numbered under the name `layers` like all others."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = StreamingSequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)

    @property
    def num_states(self) -> int:
        return self.layers.num_states

    def initial_state(self, batch: int) -> list[Tensor]:
        return self.layers.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return self.layers.step(x, state)


class _Network(_Block):
    """What encoder and decoder share: their streaming."""

    chunk: int
    latency: int

    def forward(self, x: Tensor) -> Tensor:
        return by_windows(self.layers, x)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Consume a multiple of `chunk`.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if x.shape[-1] % self.chunk:
            raise ValueError(f"a step takes a multiple of {self.chunk}, got {x.shape[-1]}")
        return super().step(x, state)


class DACEncoder(_Network):
    """Audio `(B, channels, T)` to `(B, moments * latent_dim, ceil(T / hop_length))`.

    An incomplete last frame is completed by zeros. Streams when causal, by multiples of
    `chunk = hop_length` samples, without delay.
    """

    def __init__(self, config: DACNetworkConfig) -> None:
        dim = config.encoder_width
        layers: list[nn.Module] = [_conv(config, config.channels, dim, 7)]
        for stride, multiple in zip(config.strides, config.multiples, strict=True):
            wider = config.encoder_width * multiple
            units = [ResidualUnit(dim, dilation, config) for dilation in DILATIONS]
            down = _conv(config, dim, wider, 2 * stride, stride=stride)
            layers.append(_Block(*units, _activation(config, dim), down))
            dim = wider
        latents = config.moments * config.latent_dim
        super().__init__(*layers, _activation(config, dim), _conv(config, dim, latents, 3))
        self.hop_length = config.hop_length
        if config.causal:  # without these, the network is no `Streamable`
            self.chunk, self.latency = config.hop_length, 0

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, -x.shape[-1] % self.hop_length)))


class DACDecoder(_Network):
    """Latents `(B, latent_dim, F)` to audio `(B, channels, F * hop_length)`; mirrors the encoder.

    Streams when causal, by single frames, without delay.
    """

    def __init__(self, config: DACNetworkConfig) -> None:
        widths = [config.decoder_width * multiple for multiple in (1, *config.multiples[:-1])]
        dim = config.decoder_width * config.multiples[-1]
        layers: list[nn.Module] = [_conv(config, config.latent_dim, dim, 7)]
        for stride, narrower in zip(reversed(config.strides), reversed(widths), strict=True):
            up = ConvTranspose1d(
                dim, narrower, 2 * stride, stride=stride, causal=config.causal, norm="weight_norm"
            )
            units = [ResidualUnit(narrower, dilation, config) for dilation in DILATIONS]
            layers.append(_Block(_activation(config, dim), up, *units))
            dim = narrower
        make = Conv1d if config.final_bias else _UnbiasedConv1d
        final = make(dim, config.channels, 7, causal=config.causal, norm="weight_norm")
        layers += [_activation(config, dim), final]
        super().__init__(*layers, *([nn.Tanh()] if config.final_tanh else []))
        if config.causal:
            self.chunk, self.latency = 1, 0


class _UnbiasedConv1d(Conv1d):
    """A convolution whose bias is zero, and no parameter."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, **kwargs: object):
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)  # type: ignore[arg-type]
        del self.bias
        self.register_buffer("bias", torch.zeros(out_channels), persistent=False)


def _activation(config: DACNetworkConfig, dim: int) -> nn.Module:
    return Snake(dim) if config.activation == "snake" else SnakeBeta(dim)


def _conv(
    config: DACNetworkConfig,
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
) -> Conv1d:
    return Conv1d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        dilation=dilation,
        causal=config.causal,
        norm="weight_norm",
    )
