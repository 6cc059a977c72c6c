"""RAVE from audio to latents and back: a filter bank, a network, and both as streams.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021. Differs: filter bank and network of a causal model see nothing ahead, so the
encoder streams without delay and the whole delay of the bank is the decoder's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..dsp.pqmf import PQMF
from ..nn.bottlenecks import Bottleneck
from .rave_mel import LatentGRU, MelFront
from .rave_reach import Span, front_reach, reach, synthesis_reach

__all__ = ["RAVEDecoder", "RAVEEncoder"]


class RAVEEncoder(nn.Module):
    """Audio `(B, C, T)` to latents `(B, D, ceil(T / hop_length))`, without chance.

    Streams when causal, by multiples of `chunk = hop_length` samples, without delay.

    Args:
        front: what the network hears of the audio: a filter bank, or a mel spectrogram.
        network: its frames to what the bottleneck takes.
        bottleneck: gives the latents.
        channels: audio channels C.
        hop_length: samples per frame.
        causal: whether front and network are.
    """

    chunk: int
    latency: int

    def __init__(
        self,
        front: PQMF | MelFront,
        network: nn.Module,
        bottleneck: Bottleneck,
        *,
        channels: int,
        hop_length: int,
        causal: bool,
    ) -> None:
        super().__init__()
        self.front, self.network, self.bottleneck = front, network, bottleneck
        self.channels, self.hop_length = channels, hop_length
        if causal:  # without these, it is no `Streamable`
            self.chunk, self.latency = hop_length, 0

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck.encode(self.hidden(x))

    def hidden(self, x: Tensor) -> Tensor:
        """What the bottleneck takes; silence completes the last frame."""
        hidden: Tensor = self.network(self.front(F.pad(x, (0, -x.shape[-1] % self.hop_length))))
        return hidden

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk.

        Raises:
            ValueError: the network is not causal.
        """
        network: Any = self.network
        return network.initial_state(batch) + self.front.initial_state(batch, self.channels)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Consume a multiple of `chunk` samples.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if x.shape[-1] % self.chunk:
            raise ValueError(f"a step takes a multiple of {self.chunk}, got {x.shape[-1]}")
        network: Any = self.network
        count = network.num_states
        heard, front_state = self.front.step(x, state[count:])
        hidden, network_state = network.step(heard, state[:count])
        return self.bottleneck.encode(hidden), network_state + front_state

    def reach(self, frames: Span) -> Span:
        """The first and the last sample that take part in frames `(first, last)`."""
        return front_reach(self.front, reach(self.network, frames))

    @property
    def context(self) -> int:
        """Frames on either side whose samples take part in a frame."""
        first, last = self.reach((0, 0))
        return max(-(first // self.hop_length), last // self.hop_length)


class RAVEDecoder(nn.Module):
    """Latents `(B, D, F)` to audio `(B, C, F * hop_length)`.

    Streams when causal, by single frames, `latency` samples late: so long is the filter bank. What
    the last `latency` samples of a whole signal would take from frames behind the last, they take
    from its repetition.

    Args:
        bank: the filter bank.
        network: latents, and noise channels, to bands.
        recurrent: what they pass first, or None.
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
        recurrent: LatentGRU | None = None,
        *,
        noise_channels: int,
        channels: int,
        hop_length: int,
        causal: bool,
    ) -> None:
        super().__init__()
        self.bank, self.network, self.recurrent = bank, network, recurrent
        self.noise_channels = noise_channels
        self.channels, self.hop_length, self.causal = channels, hop_length, causal
        self.noisy = True
        """False silences the noise branch and the noise channels: no chance is left."""
        if causal:
            self.chunk, self.latency = 1, bank.inverse_latency

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return self.sound(self.heard(latents, rng), rng)

    def sound(self, heard: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Audio of what `heard` gives, `(B, D + N, F)`."""
        frames = heard.shape[-1]
        if self.causal and self.latency:
            more = -(-self.latency // self.hop_length)
            heard = torch.cat([heard, heard[..., -1:].expand(-1, -1, more)], dim=-1)
        y = self.bank.inverse(self.network(heard, rng, self.noisy))
        return y[..., : frames * self.hop_length]

    def bands(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What the filter bank joins, `(B, C * num_bands, F * hop_length / num_bands)`."""
        bands: Tensor = self.network(self.heard(latents, rng), rng, self.noisy)
        return bands

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk.

        Raises:
            ValueError: the network is not causal.
        """
        network: Any = self.network
        state: list[Tensor] = network.initial_state(batch)
        state += self.bank.inverse_initial_state(batch, self.channels)
        return state if self.recurrent is None else state + self.recurrent.initial_state(batch)

    def step(self, latents: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Samples of some frames, `latency` samples late."""
        network: Any = self.network
        count = network.num_states
        heard, recurrent = self.with_noise(latents, None), list[Tensor]()
        if self.recurrent is not None:
            heard, recurrent = self.recurrent.step(heard, state[-1:])
            state = state[:-1]
        bands, network_state = network.step(heard, state[:count], self.noisy)
        y, bank_state = self.bank.inverse_step(bands, state[count:])
        return y, network_state + bank_state + recurrent

    def reach(self, samples: Span) -> Span:
        """The first and the last frame that take part in samples, the recurrent past aside."""
        return reach(self.network, synthesis_reach(self.bank, samples))

    @property
    def context(self) -> int:
        """Frames on either side that take part in a frame's sound, the recurrent past aside."""
        first, last = self.reach((0, self.hop_length - 1))
        return max(-first, last)

    def heard(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """What the network hears of latents `(B, D, F)`: with noise, and through the recurrence."""
        heard = self.with_noise(latents, rng)
        if self.recurrent is not None:
            heard = self.recurrent(heard)
        return heard

    def heard_long(
        self, pieces: Iterable[Tensor], rng: torch.Generator | None = None
    ) -> Iterator[Tensor]:
        """`heard` of consecutive pieces `(1, D, n)`, each from where the last one ended."""
        state = [] if self.recurrent is None else self.recurrent.initial_state(1)
        for latents in pieces:
            heard = self.with_noise(latents, rng)
            if self.recurrent is not None:
                heard, state = self.recurrent.step(heard, state)
            yield heard

    def with_noise(self, latents: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Latents `(B, D, F)`, and below them the noise channels, where there are some."""
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
