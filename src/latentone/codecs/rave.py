"""RAVE: a variational autoencoder over the bands of a filter bank, fast enough to play.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021, and the later versions of its public code. Differs: the KL penalty is in nats
(twice the published weight asks for the same), discrete models quantise from the first step on,
and reconstructions are aligned to the sample, where the published bank ends one band value late.
See also `networks/rave_layers.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import AudioSource
from ..dsp.pqmf import PQMF
from ..networks.rave import RAVEDecoder, RAVEEncoder
from ..nn.bottlenecks import Bottleneck, KLBottleneck, MMDBottleneck, SphereBottleneck
from ..nn.residual import ResidualVQ
from ..nn.weight_norm import fold_weight_norm
from .base import Codec, CodecOutput
from .rave_config import RAVEConfig, Regularizer
from .rave_distance import RAVEDistance

__all__ = ["RAVE"]

BOTTLENECKS: dict[Regularizer, type[Bottleneck]] = {
    "variational": KLBottleneck,
    "wasserstein": MMDBottleneck,
    "spherical": SphereBottleneck,
    "discrete": Bottleneck,
}


class RAVE(Codec):
    """Filter bank, encoder, regulariser, decoder, filter bank.

    Its own penalties are `distance/full` and `distance/bands`, the spectral distance of the sound
    and of its bands, and that of the regulariser: `latent/kl`, `latent/mmd`, `vq/commitment` or
    none. Codecs with a noise branch or noise channels decode with chance; `decoder.noisy = False`
    takes it away.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)`, codes `(B, K, F)` when discrete.
    """

    config_class = RAVEConfig
    config: RAVEConfig

    def __init__(self, config: RAVEConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.sample_rate, channels=config.channels)
        network, channels = config.network, config.channels
        ends: dict[str, Any] = {
            "channels": channels,
            "hop_length": config.hop_length,
            "causal": network.causal,
        }
        bank = PQMF(config.num_bands, config.attenuation_db, causal=network.causal)
        bottleneck = BOTTLENECKS[config.regularizer]()
        self.encoder = RAVEEncoder(
            bank,
            network.encoder(channels * config.num_bands, config.latent_dim, bottleneck.expansion),
            bottleneck,
            **ends,
        )
        self.quantizer: ResidualVQ | None = None
        if config.regularizer == "discrete":
            self.quantizer = ResidualVQ(
                config.num_codebooks, config.codebook_size, config.latent_dim
            )
        self.decoder = RAVEDecoder(
            bank if config.up_bands > 1 else PQMF(1),
            network.decoder(config.latent_dim + config.noise_channels, channels * config.up_bands),
            noise_channels=config.noise_channels,
            **ends,
        )
        self.distance = RAVEDistance(epsilon=config.log_epsilon)

    @property
    def frame_rate(self) -> float:
        return self.config.frame_rate

    @property
    def latent_dim(self) -> int:
        return self.config.latent_dim

    @property
    def vocab(self) -> tuple[int, ...]:
        if self.quantizer is None:
            return ()
        return (self.config.codebook_size,) * self.config.num_codebooks

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // self.config.hop_length)

    def num_samples(self, num_frames: int) -> int:
        return num_frames * self.config.hop_length

    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to latents `(B, D, num_frames(T))`: means, points on the sphere, or
        what is quantised.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        self._check(x)
        return self.encoder(x)

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`; all codebooks when None."""
        if self.quantizer is None:
            return super().quantize(latents, num_codebooks)
        return self.quantizer.encode(latents, num_codebooks)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, n, F)`, where n may be less than all codebooks."""
        return super().dequantize(codes) if self.quantizer is None else self.quantizer.decode(codes)

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode latents `(B, D, F)` to `(B, C, num_samples(F))`.

        Args:
            latents: of `encode` or `dequantize`.
            conditions: must be None: the decoder takes none.
            gain: must be None: nothing is normalised.
            rng: decides the noise of codecs that have some.

        Raises:
            ValueError: conditions or a gain, or latents of other channels.
        """
        if conditions or gain is not None:
            raise ValueError("RAVE decodes latents alone: give neither conditions nor gain")
        if latents.dim() != 3 or latents.shape[1] != self.latent_dim or not latents.shape[2]:
            raise ValueError(
                f"expected latents (B, {self.latent_dim}, F) with F at least 1, "
                f"got {tuple(latents.shape)}"
            )
        return self.decoder(latents, rng)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`; `rng` in the batch, if present, decides all chance."""
        x, rng = batch["x"], batch.get("rng")
        self._check(x)
        length, hop = x.shape[-1], self.config.hop_length
        # A causal bank gives the last samples only with what comes later: let it be silence.
        later = self.decoder.bank.inverse_latency if self.config.network.causal else 0
        padded = F.pad(x, (0, later + -(length + later) % hop))
        bands = self.encoder.bank(padded)
        hidden = self.encoder.network(bands)
        if self.quantizer is None:
            self.encoder.bottleneck.train(self.training)  # draws also behind a frozen encoder
            shaped = self.encoder.bottleneck(hidden, rng)
            latents = shaped.latents
            losses = {f"latent/{name}": value for name, value in shaped.losses.items()}
            metrics = {f"latent/{name}": value for name, value in shaped.metrics.items()}
        else:
            quantized = self.quantizer(hidden, rng)
            latents, losses = quantized.latents, {"vq/commitment": quantized.commitment}
            metrics = {f"vq/{name}": value for name, value in quantized.metrics.items()}
        made = self.decoder.bands(latents, rng)
        y = self.decoder.bank.inverse(made)
        if self.config.up_bands != self.config.num_bands:
            made = self.encoder.bank(y)
        y = y[..., :length]
        losses["distance/full"] = self.distance(y, x)
        if self.config.num_bands > 1:
            losses["distance/bands"] = self.distance(made, bands)
        kept = latents[..., : self.num_frames(length)]
        return CodecOutput(losses, metrics, kept, y)

    @property
    def context(self) -> int:
        return self.encoder.context

    @property
    def decode_context(self) -> int | None:
        """Frames on either side that take part in a frame's sound; None where chance does too."""
        noise = self.config.network.noise is not None or self.config.noise_channels > 0
        return None if noise and self.decoder.noisy else self.decoder.context

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """Encoder and codebooks, and the settings that shape them."""
        config = self.config
        settings = {
            "sample_rate": config.sample_rate,
            "channels": config.channels,
            "num_bands": config.num_bands,
            "attenuation_db": config.attenuation_db,
            "latent_dim": config.latent_dim,
            "regularizer": config.regularizer,
            "network": replace(config.network, noise=None, decoder_ratios=()),
        }
        return settings, [self.encoder] + ([] if self.quantizer is None else [self.quantizer])

    @classmethod
    def from_original(cls, path: str | Path, config: RAVEConfig) -> RAVE:
        """Read a `.ckpt` of the published code; see `rave_layouts.read_published`."""
        from .rave_layouts import read_published

        return read_published(path, config)

    def fold_weight_norm(self) -> Self:
        """Compute normalised weights once for faster inference; `train()` undoes it."""
        fold_weight_norm(self)
        return self

    def _check(self, x: Tensor) -> None:
        channels = self.config.channels
        if x.dim() != 3 or x.shape[1] != channels or x.shape[2] < 1:
            raise ValueError(
                f"expected audio (B, {channels}, T) with T at least 1, got {tuple(x.shape)}"
            )
