"""A convolutional autoencoder over the waveform, with any bottleneck or quantiser.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006; with a
KL bottleneck the VAE of Kingma and Welling, 2013; with codes the VQ-VAE of van den Oord et al.,
"Neural Discrete Representation Learning", 2017. Differs: the networks are EnCodec's SEANet, where
the VQ-VAE for sound decodes with a WaveNet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..networks.seanet import SEANetConfig, SEANetDecoder, SEANetEncoder
from ..nn.bottlenecks import Bottleneck
from ..nn.weight_norm import fold_weight_norm
from ..nn.windows import context
from .autoencoder_config import AutoencoderConfig
from .base import Codec, CodecOutput
from .encodec import TIME_GROUP_NORM
from .long import Reader, Streams
from .long_decode import latent_pieces

__all__ = ["Autoencoder", "LatentEncoder"]


class LatentEncoder(nn.Module):
    """SEANet's encoder and the chance-free side of a bottleneck: audio to latents.

    Streams when causal, by multiples of `chunk` samples, since bottlenecks are pointwise in time.
    """

    def __init__(self, config: SEANetConfig, bottleneck: Bottleneck) -> None:
        super().__init__()
        self.bottleneck = bottleneck
        channels = bottleneck.expansion * config.latent_dim
        self.network = SEANetEncoder(replace(config, latent_dim=channels))
        if config.causal:  # without these, it is no `Streamable`
            self.chunk, self.latency = self.network.chunk, self.network.latency

    def forward(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to latents `(B, D, F)`."""
        return self.bottleneck.encode(self.network(x))

    def run_long(self, pieces: Iterator[Tensor], length: int) -> Iterator[Tensor]:
        """Encode audio that comes in pieces, in constant memory; see `SEANetEncoder.run_long`."""
        return map(self.bottleneck.encode, self.network.run_long(pieces, length))

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first chunk."""
        return self.network.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Encode a multiple of `chunk` samples."""
        hidden, state = self.network.step(x, state)
        return self.bottleneck.encode(hidden), state


class Autoencoder(Codec):
    """SEANet encoder, a bottleneck or a quantiser, SEANet decoder.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)`, codes `(B, K, F)`.
    """

    config_class = AutoencoderConfig
    config: AutoencoderConfig
    quantizer: Any
    """The quantiser, or None where latents are continuous."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.sample_rate, channels=config.seanet.channels)
        self.encoder = LatentEncoder(config.seanet, config.latents.bottleneck())
        self.quantizer = config.latents.quantizer(config.seanet.latent_dim)
        self.decoder = SEANetDecoder(config.seanet)

    @property
    def frame_rate(self) -> float:
        return self.config.frame_rate

    @property
    def latent_dim(self) -> int:
        return self.config.seanet.latent_dim

    @property
    def vocab(self) -> tuple[int, ...]:
        return () if self.quantizer is None else self.quantizer.vocab

    @property
    def context(self) -> int | None:
        return max(context(self.encoder)) if self._is_convolutional else None

    @property
    def decode_context(self) -> int | None:
        """Frames on either side that take part in a frame's sound; None = all of them."""
        return max(context(self.decoder)) if self._is_convolutional else None

    @property
    def _is_convolutional(self) -> bool:
        seanet = self.config.seanet
        return seanet.num_lstm_layers == 0 and seanet.norm != "time_group_norm"

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // self.config.seanet.hop_length)

    def num_samples(self, num_frames: int) -> int:
        return num_frames * self.config.seanet.hop_length

    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to latents `(B, D, num_frames(T))`: means, before quantisation.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        latents: Tensor = self.encoder(self._check(x))
        return latents

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`; all codebooks when None.

        Raises:
            TypeError: the latents are continuous.
        """
        if self.quantizer is None:
            return super().quantize(latents, num_codebooks)
        codes: Tensor = self.quantizer.encode(latents, num_codebooks)
        return codes

    def dequantize(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, n, F)`, where n may be less than all codebooks.

        Raises:
            TypeError: the latents are continuous.
        """
        if self.quantizer is None:
            return super().dequantize(codes)
        latents: Tensor = self.quantizer.decode(codes)
        return latents

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode latents `(B, D, F)` to `(B, C, num_samples(F))`; nothing here is random.

        Raises:
            ValueError: conditions or a gain: the decoder takes none.
        """
        if conditions or gain is not None:
            raise ValueError("an Autoencoder decodes without conditions and gain")
        y: Tensor = self.decoder(latents)
        return y

    @property
    def prior(self) -> Bottleneck | None:
        return self.encoder.bottleneck if self.quantizer is None else None

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`; `rng` in the batch, if present, decides all chance.

        Penalties are unweighted: `latent/kl`, `latent/mmd`, `vq/commitment`, `vq/codebook`, as the
        bottleneck or quantiser has them. `latents` of the output are what `encode` gives.
        """
        x, rng = self._check(batch["x"]), batch.get("rng")
        hidden = self.encoder.network(x)
        latents = self.encoder.bottleneck.encode(hidden)
        if self.quantizer is None:
            passed, kind = self.encoder.bottleneck(hidden, rng), "latent"
        else:
            passed, kind = self.quantizer(latents, rng), "vq"
        return CodecOutput(
            losses={f"{kind}/{name}": value for name, value in passed.losses.items()},
            metrics={f"{kind}/{name}": value for name, value in passed.metrics.items()},
            latents=latents,
            reconstruction=self.decoder(passed.latents)[..., : x.shape[-1]],
        )

    @property
    def encode_obstacle(self) -> str | None:
        return TIME_GROUP_NORM if self.config.seanet.norm == "time_group_norm" else None

    @property
    def decode_obstacle(self) -> str | None:
        return self.encode_obstacle

    def encode_long(self, read: Reader, num_samples: int, chunk_samples: int) -> Iterator[Streams]:
        """Encode a long recording by windows, around the LSTM's state; see `Codec.encode_long`."""
        if not self.chunkable:
            yield from super().encode_long(read, num_samples, chunk_samples)
            return
        hop = self.config.seanet.hop_length
        step = max(1, chunk_samples // hop) * hop
        pieces = (
            read(start, min(step, num_samples - start))[None]
            for start in range(0, num_samples, step)
        )
        for latents in self.encoder.run_long(pieces, num_samples):
            yield {"acoustic": (self.quantize(latents) if self.vocab else latents)[0]}

    def decode_long(
        self,
        pieces: Iterable[Streams],
        num_frames: int,
        chunk_frames: int,
        rng: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Decode by windows, around the LSTM's state; see `Codec.decode_long`."""
        if not self.decode_chunkable:
            yield from super().decode_long(pieces, num_frames, chunk_frames, rng)
            return
        latents = latent_pieces(self, pieces, chunk_frames)
        for y in self.decoder.run_long(latents, num_frames):
            yield y[0]

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """Encoder and quantiser, and the settings that shape them."""
        config = self.config
        settings = {
            "sample_rate": config.sample_rate,
            "seanet": config.seanet,
            "latents": config.latents,
        }
        modules = [self.encoder] if self.quantizer is None else [self.encoder, self.quantizer]
        return settings, modules

    def fold_weight_norm(self) -> Self:
        """Compute normalised weights once for faster inference; `train()` undoes it."""
        fold_weight_norm(self)
        return self

    def _check(self, x: Tensor) -> Tensor:
        channels = self.config.seanet.channels
        if x.dim() != 3 or x.shape[1] != channels or x.shape[2] < 1:
            raise ValueError(
                f"expected audio (B, {channels}, T) with T at least 1, got {tuple(x.shape)}"
            )
        return x
