"""The second version of RAVE's networks: dilated residual units, a gated waveform.

As in the public code of Caillon and Esling, "RAVE", 2021, `v2` and its descendants; with Snake and
adaptive instance normalisation it is `v3`. See `rave_layers.py` for what differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..nn.adain import AdaptiveInstanceNorm
from ..nn.streaming import StreamingSequential
from .noise import NoiseBranch
from .rave_layers import Activation, RAVENetworkConfig, Residual, activation, conv, upsample

__all__ = ["DecoderV2", "EncoderV2", "RAVEv2Config"]


@dataclass(frozen=True, kw_only=True)
class RAVEv2Config(RAVENetworkConfig):
    """Sizes of both networks."""

    kernel_size: int = 3
    """Taps k of the units and at the latents; next to the bands they are 2 k + 1."""
    dilations: tuple[tuple[int, ...], ...] = ((1, 3, 9), (1, 3, 9), (1, 3, 9), (1, 3))
    """Of the residual units before each stride of the encoder, behind each of the decoder."""
    activation: Activation = "leaky_relu"
    """What stands between convolutions."""
    adain: bool = False
    """Whether statistics of each unit's input can be exchanged after training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.ratios) == len(self.up_ratios) == len(self.dilations):
            raise ValueError(
                f"expected as many groups of dilations as ratios, got {len(self.dilations)} for "
                f"{len(self.ratios)} down and {len(self.up_ratios)} up"
            )

    def encoder(self, in_channels: int, latent_dim: int, num_heads: int) -> EncoderV2:
        return EncoderV2(self, in_channels, latent_dim * num_heads)

    def decoder(self, latent_dim: int, out_channels: int) -> DecoderV2:
        return DecoderV2(self, latent_dim, out_channels)

    def units(self, dim: int, dilations: tuple[int, ...]) -> list[nn.Module]:
        """Residual units of so many channels, one for each dilation."""
        layers: list[nn.Module] = []
        for dilation in dilations:
            if self.adain:
                layers.append(AdaptiveInstanceNorm(dim))
            unit = Residual(
                activation(self.activation, dim),
                conv(dim, dim, self.kernel_size, dilation=dilation, causal=self.causal),
                activation(self.activation, dim),
                conv(dim, dim, 1, causal=self.causal),
            )
            layers.append(unit)
        return layers


class EncoderV2(StreamingSequential):
    """Bands `(B, in_channels, T)` to `(B, out_channels, ceil(T / prod(ratios)))`."""

    def __init__(self, config: RAVEv2Config, in_channels: int, out_channels: int) -> None:
        dim, causal = config.capacity, config.causal
        layers: list[nn.Module] = [
            conv(in_channels, dim, 2 * config.kernel_size + 1, causal=causal)
        ]
        for ratio, dilations in zip(config.ratios, config.dilations, strict=True):
            layers += config.units(dim, dilations)
            layers += [
                activation(config.activation, dim),
                conv(dim, 2 * dim, 2 * ratio, stride=ratio, causal=causal),
            ]
            dim *= 2
        layers += [
            activation(config.activation, dim),
            conv(dim, out_channels, config.kernel_size, causal=causal),
        ]
        super().__init__(*layers)


class DecoderV2(nn.Module):
    """Latents `(B, latent_dim, F)` to bands `(B, out_channels, F * prod(up_ratios))` in (-1, 1).

    The last convolution gives a wave and, for each of its channels, a gate; noise is added to the
    product, and tanh bounds the sum.
    """

    def __init__(self, config: RAVEv2Config, latent_dim: int, out_channels: int) -> None:
        super().__init__()
        causal = config.causal
        dim = config.capacity * 2 ** len(config.up_ratios)
        layers: list[nn.Module] = [conv(latent_dim, dim, config.kernel_size, causal=causal)]
        for ratio, dilations in zip(config.up_ratios[::-1], config.dilations[::-1], strict=True):
            layers += [
                activation(config.activation, dim),
                upsample(dim, dim // 2, ratio, causal=causal),
            ]
            dim //= 2
            layers += config.units(dim, dilations)
        layers.append(activation(config.activation, dim))
        self.body = StreamingSequential(*layers)
        self.wave = conv(dim, 2 * out_channels, 2 * config.kernel_size + 1, causal=causal)
        self.noise: NoiseBranch | None = None
        if config.noise is not None:
            self.noise = NoiseBranch(
                config.noise, dim, out_channels, causal=causal, kind=config.activation
            )

    def forward(
        self, latents: Tensor, rng: torch.Generator | None = None, noisy: bool = True
    ) -> Tensor:
        x = self.body(latents)
        y = _gate(self.wave(x))
        if self.noise is not None and noisy:
            y = y + self.noise(x, rng)
        return torch.tanh(y)

    @property
    def num_states(self) -> int:
        """Tensors in the state."""
        return sum(part.num_states for part in self._parts())

    def initial_state(self, batch: int) -> list[Tensor]:
        """The states of the body, the wave and the noise."""
        return [tensor for part in self._parts() for tensor in part.initial_state(batch)]

    def step(
        self, latents: Tensor, state: list[Tensor], noisy: bool = True
    ) -> tuple[Tensor, list[Tensor]]:
        """Run a chunk of frames."""
        first = self.body.num_states
        x, body = self.body.step(latents, state[:first])
        y, wave = self.wave.step(x, state[first : first + 1])
        y, noise = _gate(y), state[first + 1 :]
        if self.noise is not None and noisy:
            added, noise = self.noise.step(x, noise)
            y = y + added
        return torch.tanh(y), body + wave + noise

    def _parts(self) -> list[StreamingSequential]:
        parts = [self.body, self.wave] + ([] if self.noise is None else [self.noise])
        return cast(list[StreamingSequential], parts)


def _gate(x: Tensor) -> Tensor:
    wave, gate = x.chunk(2, dim=1)
    return wave * torch.sigmoid(gate)
