"""RAVE from audio to latents and back: a filter bank, a network, and both as streams.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021. Differs: filter bank and network of a causal model see nothing ahead, so the
encoder streams without delay and the whole delay of the bank is the decoder's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..dsp.pqmf import PQMF
from ..nn.bottlenecks import Bottleneck
from ..nn.conv import Conv1d, ConvTranspose1d

__all__ = ["RAVEDecoder", "RAVEEncoder"]


class RAVEEncoder(nn.Module):
    """Audio `(B, C, T)` to latents `(B, D, ceil(T / hop_length))`, without chance.

    Streams when causal, by multiples of `chunk = hop_length` samples, without delay.

    Args:
        bank: the filter bank.
        network: bands to what the bottleneck takes.
        bottleneck: gives the latents.
        channels: audio channels C.
        hop_length: samples per frame.
        causal: whether bank and network are.
    """

    chunk: int
    latency: int

    def __init__(
        self,
        bank: PQMF,
        network: nn.Module,
        bottleneck: Bottleneck,
        *,
        channels: int,
        hop_length: int,
        causal: bool,
    ) -> None:
        super().__init__()
        self.bank, self.network, self.bottleneck = bank, network, bottleneck
        self.channels, self.hop_length = channels, hop_length
        if causal:  # without these, it is no `Streamable`
            self.chunk, self.latency = hop_length, 0

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck.encode(self.hidden(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the bottleneck takes; silence completes the last frame."""
        hidden: Tensor = self.network(self.bank(F.pad(x, (0, -x.shape[-1] % self.hop_length))))
        return hidden

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk.

        Raises:
            ValueError: the network is not causal.
        """
        network: Any = self.network
        return network.initial_state(batch) + self.bank.initial_state(batch, self.channels)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Consume a multiple of `chunk` samples.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if x.shape[-1] % self.chunk:
            raise ValueError(f"a step takes a multiple of {self.chunk}, got {x.shape[-1]}")
        network: Any = self.network
        count = network.num_states
        bands, bank_state = self.bank.step(x, state[count:])
        hidden, network_state = network.step(bands, state[:count])
        return self.bottleneck.encode(hidden), network_state + bank_state

    @property
    def context(self) -> int:
        """Frames on either side that take part in a frame, or a few more."""
        reach, position = self.bank.num_taps, self.bank.num_bands
        for layer in self.network.modules():
            if isinstance(layer, Conv1d):
                reach += (layer.padding + layer.stride - 1) * position
                position *= layer.stride
        return -(-reach // self.hop_length)


class RAVEDecoder(nn.Module):
    """Latents `(B, D, F)` to audio `(B, C, F * hop_length)`.

    Streams when causal, by single frames, `latency` samples late: so long is the filter bank. What
    the last `latency` samples of a whole signal would take from frames behind the last, they take
    from its repetition.

    Args:
        bank: the filter bank.
        network: latents, and noise channels, to bands.
        noise_channels: channels of white noise beside the latents.
        channels: audio channels C.
        hop_length: samples per frame.
        causal: whether bank and network are.
    """

    chunk: int
    latency: int

    def __init__(
        self,
        bank: PQMF,
        network: nn.Module,
        *,
        noise_channels: int,
        channels: int,
        hop_length: int,
        causal: bool,
    ) -> None:
        super().__init__()
        self.bank, self.network, self.noise_channels = bank, network, noise_channels
        self.channels, self.hop_length, self.causal = channels, hop_length, causal
        self.noisy = True
        """False silences the noise branch and the noise channels: no chance is left."""
        if causal:
            self.chunk, self.latency = 1, bank.inverse_latency

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        frames = latents.shape[-1]
        if self.causal and self.latency:
            more = -(-self.latency // self.hop_length)
            latents = torch.cat([latents, latents[..., -1:].expand(-1, -1, more)], dim=-1)
        y = self.bank.inverse(self.bands(latents, rng))
        return y[..., : frames * self.hop_length]

    def bands(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What the filter bank joins, `(B, C * num_bands, F * hop_length / num_bands)`."""
        bands: Tensor = self.network(self._with_noise(latents, rng), rng, self.noisy)
        return bands

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk.

        Raises:
            ValueError: the network is not causal.
        """
        network: Any = self.network
        return network.initial_state(batch) + self.bank.inverse_initial_state(batch, self.channels)

    def step(self, latents: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Samples of some frames, `latency` samples late."""
        network: Any = self.network
        count = network.num_states
        latents = self._with_noise(latents, None)
        bands, network_state = network.step(latents, state[:count], self.noisy)
        y, bank_state = self.bank.inverse_step(bands, state[count:])
        return y, network_state + bank_state

    @property
    def context(self) -> int:
        """Frames on either side that take part in the sound of a frame, or a few more."""
        reach, step = 1.0 + self.bank.num_taps / self.hop_length, 1.0
        for layer in self.network.modules():
            if isinstance(layer, Conv1d):
                reach += (layer.padding + layer.stride - 1) * step
                step *= layer.stride
            elif isinstance(layer, ConvTranspose1d):
                reach += (1 + layer.surplus / layer.stride) * step
                step /= layer.stride
        return int(reach) + 1

    def _with_noise(self, latents: Tensor, rng: torch.Generator | None) -> Tensor:
        if not self.noise_channels:
            return latents
        shape = (latents.shape[0], self.noise_channels, latents.shape[-1])
        noise = latents.new_zeros(shape)
        if self.noisy:
            noise = (
                torch.randn_like(noise)
                if rng is None
                else torch.randn(shape, generator=rng, device=rng.device).to(noise)
            )
        return torch.cat([latents, noise], dim=1)
