"""RAVE: a variational autoencoder over the bands of a filter bank, fast enough to play.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021, and the later versions of its public code. Differs: the KL penalty is in nats
(twice the published weight asks for the same), discrete models quantise from the first step on,
and reconstructions are aligned to the sample, where the published bank ends one band value late.
See also `networks/rave_layers.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import AudioSource
from ..dsp.pqmf import PQMF
from ..networks.rave import RAVEDecoder, RAVEEncoder
from ..networks.rave_mel import LatentGRU, MelFront
from ..nn.adain import AdaptiveInstanceNorm
from ..nn.bottlenecks import Bottleneck, KLBottleneck, MMDBottleneck, SphereBottleneck
from ..nn.residual import ResidualVQ
from ..nn.weight_norm import fold_weight_norm
from .base import Codec, CodecOutput
from .long import Reader, Streams, encode_whole
from .long_decode import decode_whole, decode_windows, latent_pieces
from .long_noise import noise_at
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
        front: PQMF | MelFront = bank
        rows = config.num_bands
        if config.mel is not None:
            front = MelFront(config.mel, config.sample_rate, causal=network.causal)
            rows = config.mel.n_mels
        self.encoder = RAVEEncoder(
            front,
            config.encoder_network.encoder(
                channels * rows, config.latent_dim, bottleneck.expansion
            ),
            bottleneck,
            **ends,
        )
        self.quantizer: ResidualVQ | None = None
        if config.regularizer == "discrete":
            self.quantizer = ResidualVQ(
                config.num_codebooks, config.codebook_size, config.latent_dim
            )
        heard = config.latent_dim + config.noise_channels
        self.bank = bank
        """Makes the bands that the distances compare, whatever the two ends work on."""
        self.decoder = RAVEDecoder(
            bank if config.up_bands > 1 else PQMF(1),
            network.decoder(heard, channels * config.up_bands),
            LatentGRU(heard, config.gru_layers) if config.gru_layers else None,
            noise_channels=config.noise_channels,
            **ends,
        )
        self.distance = RAVEDistance(epsilon=config.log_epsilon)

    def networks(self) -> dict[str, nn.Module]:
        return {"encoder": self.encoder.network, "decoder": self.decoder.network}

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

    @property
    def prior(self) -> Bottleneck:
        return self.encoder.bottleneck

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`.

        In the batch, `rng` decides all chance, and `inner`, a slice of `inner(T)`, what of the
        sound the distances compare; else it is all.
        """
        x, rng = batch["x"], batch.get("rng")
        self._check(x)
        length, hop = x.shape[-1], self.config.hop_length
        # A causal bank gives the last samples only with what comes later: let it be silence.
        later = self.decoder.bank.inverse_latency if self.config.network.causal else 0
        padded = F.pad(x, (0, later + -(length + later) % hop))
        hidden = self.encoder.network(self.encoder.front(padded))
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
        inner = batch.get("inner", slice(0, padded.shape[-1]))
        losses["distance/full"] = self.distance(y[..., :length][..., inner], x[..., inner])
        if (num_bands := self.config.num_bands) > 1:
            within = slice(inner.start // num_bands, inner.stop // num_bands)
            if self.config.up_bands == num_bands:
                made, bands = made[..., within], self.bank(padded)[..., within]
            else:
                made, bands = self.bank(y[..., inner]), self.bank(padded[..., inner])
            losses["distance/bands"] = self.distance(made, bands)
        kept = latents[..., : self.num_frames(length)]
        return CodecOutput(losses, metrics, kept, y[..., :length])

    def inner(self, num_samples: int) -> slice:
        """The frames of a reconstruction, as samples, that hear nothing but what was encoded.

        Frames nearer to an end also hear what is padded there. The past of recurrent layers and
        the statistics of batch normalisation do not count.

        Args:
            num_samples: T of the sound.

        Raises:
            ValueError: there are none; says how many samples one needs.
        """
        hop = self.config.hop_length
        first, last = self.encoder.reach(self.decoder.reach((0, hop - 1)))
        start, stop = -(first // hop), (num_samples - 1 - last) // hop + 1
        if stop <= start:
            raise ValueError(
                f"every frame of {num_samples} samples hears what pads them: take at least "
                f"{start * hop + last + 1}"
            )
        return slice(start * hop, stop * hop)

    @property
    def context(self) -> int:
        return self.encoder.context

    @property
    def decode_context(self) -> int | None:
        """Frames on either side that take part in a frame's sound; None where chance, or all
        before, does too."""
        return None if self._has_chance or self.config.gru_layers else self.decoder.context

    @property
    def _has_chance(self) -> bool:
        noise = self.config.network.noise is not None or self.config.noise_channels > 0
        return noise and self.decoder.noisy

    @property
    def encode_obstacle(self) -> str | None:
        """Adaptive instance normalisation, while it learns; with its statistics it is pointwise."""
        if any(m.learning for m in self.modules() if isinstance(m, AdaptiveInstanceNorm)):
            return "adaptive instance normalisation, which learns its statistics over all time"
        return None

    @property
    def decode_obstacle(self) -> str | None:
        return self.encode_obstacle

    def encode_long(self, read: Reader, num_samples: int, chunk_samples: int) -> Iterator[Streams]:
        """Encode by windows, or in one piece what learns from it; see `Codec.encode_long`."""
        if self.chunkable:
            yield from super().encode_long(read, num_samples, chunk_samples)
        else:
            yield encode_whole(self, read, num_samples)

    def decode_long(
        self,
        pieces: Iterable[Streams],
        num_frames: int,
        chunk_frames: int,
        rng: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Decode by windows that hear the same noise where they overlap; see `Codec.decode_long`.

        The noise branch draws frame by frame, as `decode` does with the same `rng` on a CPU. Noise
        channels are drawn for each piece, so their values differ from those of `decode`.
        """
        if not self.decode_chunkable:
            yield decode_whole(self, pieces, rng)
            return
        # The noise branch draws one number for each sample of each channel.
        at = noise_at(rng, self.config.channels * self.config.hop_length)
        draw = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=at(0))))
        sound = decode_windows(
            lambda heard, first: self.decoder.sound(heard, at(first)),
            self.decoder.heard_long(latent_pieces(self, pieces, chunk_frames), draw),
            num_frames,
            context=self.decoder.context,
            hop=self.config.hop_length,
        )
        for y in sound:
            yield y[0]

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """Encoder and codebooks, and the settings that shape them."""
        config = self.config
        settings: dict[str, Any] = {
            "sample_rate": config.sample_rate,
            "channels": config.channels,
            "num_bands": config.num_bands,
            "attenuation_db": config.attenuation_db,
            "latent_dim": config.latent_dim,
            "regularizer": config.regularizer,
            "network": replace(config.encoder_network, noise=None, decoder_ratios=()),
        }
        if config.mel is not None:
            settings["mel"] = [config.mel.n_fft, config.mel.hop_length, config.mel.n_mels]
        return settings, [self.encoder] + ([] if self.quantizer is None else [self.quantizer])

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a `.ckpt` of the published code whose sizes tell its config."""
        if not path.is_file() or path.suffix != ".ckpt":
            return None
        from .rave_published import read_unconfigured

        found = read_unconfigured(path)
        return found if isinstance(found, cls) else None

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
