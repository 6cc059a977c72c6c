"""What the networks of all RAVE versions are made of, and the settings they share.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021. Convolutions have no bias. Centred ones lie as in the published models, so that
their weights fit. Differs: a causal network is causal in every layer and sees all of the hop that
it encodes, where the published one looks ahead in its transposed convolutions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from ..nn.conv import Conv1d, ConvTranspose1d, Norm, pad1d
from ..nn.snake import Snake
from ..nn.streaming import StreamingResidual, StreamingSequential

__all__ = [
    "Activation",
    "NoiseConfig",
    "RAVENetworkConfig",
    "Residual",
    "activation",
    "conv",
    "upsample",
]

Activation = Literal["leaky_relu", "snake"]
C = TypeVar("C", Conv1d, ConvTranspose1d)


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """The shape of the noise branch."""

    hidden_dim: int | None = 64
    """Channels inside; None for those of its input."""
    ratios: tuple[int, ...] = (2, 2, 2)
    """Strides; their product is the length of a stretch of noise with one filter."""
    num_bands: int = 5
    """Points at which the spectrum of a filter is given, from 0 to half the rate."""
    kernel_size: int | None = None
    """Taps of the convolutions; None for twice their stride."""

    def __post_init__(self) -> None:
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError(f"ratios must be one or more positive strides, got {self.ratios}")
        if self.num_bands < 2:
            raise ValueError(f"num_bands must be at least 2, got {self.num_bands}")

    @property
    def hop_length(self) -> int:
        """Input frames, and samples of noise, of one filter."""
        return prod(self.ratios)


@dataclass(frozen=True, kw_only=True)
class RAVENetworkConfig(ABC):
    """What encoder and decoder of any version have; both work on the bands of the filter bank."""

    capacity: int = 96
    """Channels after the first convolution; doubled by every stride."""
    ratios: tuple[int, ...] = (4, 4, 4, 2)
    """Strides of the encoder, in band values."""
    decoder_ratios: tuple[int, ...] = ()
    """Strides of the decoder, in the encoder's order; empty for those of the encoder."""
    noise: NoiseConfig | None = None
    """Branch that adds filtered noise to the bands; None for none."""
    causal: bool = False
    """Whether a frame depends on the past only; causal networks can stream."""

    def __post_init__(self) -> None:
        if self.capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {self.capacity}")
        for ratios in (self.ratios, self.up_ratios):
            if not ratios or min(ratios) < 1:
                raise ValueError(f"ratios must be one or more positive strides, got {ratios}")
        if self.noise is not None and prod(self.up_ratios) % self.noise.hop_length:
            raise ValueError(
                f"a frame of {prod(self.up_ratios)} band values holds no whole number of "
                f"stretches of noise of {self.noise.hop_length}: change noise.ratios"
            )

    @property
    def up_ratios(self) -> tuple[int, ...]:
        """Strides of the decoder, in the encoder's order."""
        return self.decoder_ratios or self.ratios

    @abstractmethod
    def encoder(self, in_channels: int, latent_dim: int, num_heads: int) -> nn.Module:
        """A streamable network from bands to `num_heads * latent_dim` channels."""

    @abstractmethod
    def decoder(self, latent_dim: int, out_channels: int) -> nn.Module:
        """A streamable network from latents to bands; `(latents, rng)` offline."""


class CentredConv1d(Conv1d):
    """Strided convolution whose windows lie around the first sample of each hop.

    Output n sees `(span - 1) // 2` samples before sample `n * stride` and `span // 2` behind it;
    the layer that it derives from centres them on the middle of the hop.
    """

    def forward(self, x: Tensor) -> Tensor:
        span = self.padding + self.stride
        right = max(0, span // 2 + 1 - self.stride) + -x.shape[-1] % self.stride
        return self._convolve(pad1d(x, (span - 1) // 2, right, self.pad_mode))


class Residual(StreamingResidual):
    """`x + layers(x)`, streaming if the layers do."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = StreamingSequential(*layers)

    @property
    def residual(self) -> tuple[None, StreamingSequential]:
        return None, self.layers


def conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    causal: bool,
    norm: Norm = "weight_norm",
) -> Conv1d:
    """A convolution without bias."""
    kind = Conv1d if causal or stride == 1 else CentredConv1d
    made = kind(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        dilation=dilation,
        causal=causal,
        norm=norm,
    )
    return _without_bias(made)


def upsample(in_channels: int, out_channels: int, ratio: int, *, causal: bool) -> nn.Module:
    """A transposed convolution without bias, of twice as many taps as its stride."""
    made = ConvTranspose1d(
        in_channels, out_channels, 2 * ratio, stride=ratio, causal=causal, norm="weight_norm"
    )
    return _without_bias(made)


def activation(kind: Activation, channels: int) -> nn.Module:
    """A fresh activation for so many channels."""
    return Snake(channels) if kind == "snake" else nn.LeakyReLU(0.2)


def _without_bias(layer: C) -> C:
    """Fix the bias at zero: a constant that is neither learned nor saved."""
    zeros: Any = torch.zeros_like(layer.bias.detach())
    del layer.bias
    layer.register_buffer("bias", zeros, persistent=False)
    return layer
