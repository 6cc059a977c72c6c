"""The first version of RAVE's networks: strided convolutions, and three heads behind the decoder.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021. Differs: the noise is heard from the start of training on, where the published
code adds it in the second phase. See also `rave_layers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ..nn.streaming import StreamingSequential
from .noise import NoiseBranch, modified_sigmoid
from .rave_layers import RAVENetworkConfig, Residual, conv, upsample

__all__ = ["DecoderV1", "EncoderV1", "RAVEv1Config"]

DILATIONS = (1, 3, 5)
"""Of the first convolution in each residual unit; the second has none."""


@dataclass(frozen=True, kw_only=True)
class RAVEv1Config(RAVENetworkConfig):
    """Sizes of both networks; the decoder takes its strides in the encoder's order."""

    capacity: int = 64
    """Channels after the first convolution; doubled by every stride."""

    def encoder(self, in_channels: int, latent_dim: int, num_heads: int) -> EncoderV1:
        return EncoderV1(self, in_channels, latent_dim, num_heads)

    def decoder(self, latent_dim: int, out_channels: int) -> DecoderV1:
        return DecoderV1(self, latent_dim, out_channels)


class EncoderV1(StreamingSequential):
    """Bands `(B, in_channels, T)` to `(B, num_heads * latent_dim, ceil(T / prod(ratios)))`.

    Batch normalisation stands before each stride: in training a frame depends on the batch.
    """

    def __init__(
        self, config: RAVEv1Config, in_channels: int, latent_dim: int, num_heads: int
    ) -> None:
        dim, causal = config.capacity, config.causal
        layers: list[nn.Module] = [conv(in_channels, dim, 7, causal=causal, norm="none")]
        for ratio in config.ratios:
            layers += [
                nn.BatchNorm1d(dim),
                nn.LeakyReLU(0.2),
                conv(dim, 2 * dim, 2 * ratio + 1, stride=ratio, causal=causal, norm="none"),
            ]
            dim *= 2
        layers += [nn.LeakyReLU(0.2), Heads(dim, latent_dim, num_heads, causal=causal)]
        super().__init__(*layers)


class Heads(nn.Module):
    """Convolutions side by side, each over its share of the input channels."""

    def __init__(self, in_channels: int, out_channels: int, count: int, *, causal: bool) -> None:
        super().__init__()
        share = in_channels // count
        self.heads = nn.ModuleList(
            conv(share, out_channels, 5, causal=causal, norm="none") for _ in range(count)
        )
        self.num_states = count

    def forward(self, x: Tensor) -> Tensor:
        shares = x.chunk(len(self.heads), dim=1)
        return torch.cat([head(part) for head, part in zip(self.heads, shares, strict=True)], dim=1)

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of each."""
        heads = cast(list[StreamingSequential], list(self.heads))
        return [tensor for head in heads for tensor in head.initial_state(batch)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one chunk."""
        heads = cast(list[StreamingSequential], list(self.heads))
        shares = x.chunk(len(heads), dim=1)
        done = [h.step(part, [s]) for h, part, s in zip(heads, shares, state, strict=True)]
        return torch.cat([y for y, _ in done], dim=1), [tensor for _, new in done for tensor in new]


class DecoderV1(nn.Module):
    """Latents `(B, latent_dim, F)` to bands `(B, out_channels, F * prod(up_ratios))`.

    The bands are a wave in (-1, 1) times a loudness that they share, plus noise.
    """

    def __init__(self, config: RAVEv1Config, latent_dim: int, out_channels: int) -> None:
        super().__init__()
        causal = config.causal
        dim = config.capacity * 2 ** len(config.up_ratios)
        layers: list[nn.Module] = [conv(latent_dim, dim, 7, causal=causal)]
        for ratio in config.up_ratios:
            layers += [nn.LeakyReLU(0.2), upsample(dim, dim // 2, ratio, causal=causal)]
            dim //= 2
            for dilation in DILATIONS:
                unit = Residual(
                    nn.LeakyReLU(0.2),
                    conv(dim, dim, 3, dilation=dilation, causal=causal),
                    nn.LeakyReLU(0.2),
                    conv(dim, dim, 3, causal=causal),
                )
                layers.append(unit)
        self.body = StreamingSequential(*layers)
        self.wave = conv(dim, out_channels, 7, causal=causal)
        self.loudness = conv(dim, 1, 3, causal=causal)
        self.noise: NoiseBranch | None = None
        if config.noise is not None:
            self.noise = NoiseBranch(config.noise, dim, out_channels, causal=causal)

    def forward(
        self, latents: Tensor, rng: torch.Generator | None = None, noisy: bool = True
    ) -> Tensor:
        x = self.body(latents)
        y = torch.tanh(self.wave(x)) * modified_sigmoid(self.loudness(x))
        return y if self.noise is None or not noisy else y + self.noise(x, rng)

    @property
    def num_states(self) -> int:
        """Tensors in the state."""
        return sum(part.num_states for part in self._parts())

    def initial_state(self, batch: int) -> list[Tensor]:
        """The states of the body and the three heads."""
        return [tensor for part in self._parts() for tensor in part.initial_state(batch)]

    def step(
        self, latents: Tensor, state: list[Tensor], noisy: bool = True
    ) -> tuple[Tensor, list[Tensor]]:
        """Run a chunk of frames."""
        first = self.body.num_states
        x, body = self.body.step(latents, state[:first])
        wave, wave_state = self.wave.step(x, state[first : first + 1])
        loudness, loudness_state = self.loudness.step(x, state[first + 1 : first + 2])
        y, noise = torch.tanh(wave) * modified_sigmoid(loudness), state[first + 2 :]
        if self.noise is not None and noisy:
            added, noise = self.noise.step(x, noise)
            y = y + added
        return y, body + wave_state + loudness_state + noise

    def _parts(self) -> list[StreamingSequential]:
        parts = [self.body, self.wave, self.loudness]
        parts += [] if self.noise is None else [self.noise]
        return cast(list[StreamingSequential], parts)
