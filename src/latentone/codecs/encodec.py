"""EnCodec: a SEANet autoencoder with residual vector quantisation.

Defossez, Copet, Synnaeve, Adi, "High Fidelity Neural Audio Compression", 2022; the 32 kHz and
16 kHz variants come from MusicGen (Copet et al., 2023) and AudioGen (Kreuk et al., 2022). Differs:
the residual is detached (see `nn/residual.py`), dead codes are judged relative to the mean use
(`nn/quantize.py`), and a redundant last segment is not made (`segments.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..config import to_dict
from ..networks.seanet import SEANetDecoder, SEANetEncoder
from ..nn.residual import ResidualVQ
from ..nn.streaming import Streamable
from ..nn.weight_norm import fold_weight_norm
from ..spec import LatentSpec
from .base import Codec, CodecOutput
from .encodec_config import EnCodecConfig
from .long import Reader, Streams
from .long_decode import gain_of, keep_gains, latent_pieces
from .streaming import refuse

__all__ = ["EnCodec"]

TIME_GROUP_NORM = "group norm over time (`time_group_norm`), which averages over the whole sound"

SEGMENTS_AT_ONCE = 16
"""Segments of one batch row that run in parallel: bounds the memory for long audio."""


class EnCodec(Codec):
    """SEANet encoder, residual vector quantiser, SEANet decoder.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)`, codes `(B, K, F)`, gain `(B, S)`. With segments,
          F counts the frames of all of them one after the other.
    """

    config_class = EnCodecConfig
    config: EnCodecConfig

    def __init__(self, config: EnCodecConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.sample_rate, channels=config.seanet.channels)
        self.segments = config.segments
        self.encoder = SEANetEncoder(config.seanet)
        self.quantizer = ResidualVQ(
            config.num_codebooks,
            config.codebook_size,
            config.seanet.latent_dim,
            choices=config.codebook_choices,
            decay=config.ema_decay,
            restart_below=config.restart_below,
            kmeans_iterations=config.kmeans_iterations,
        )
        self.decoder = SEANetDecoder(config.seanet)

    @property
    def frame_rate(self) -> float:
        return self.config.frame_rate

    @property
    def latent_dim(self) -> int:
        return self.config.seanet.latent_dim

    @property
    def vocab(self) -> tuple[int, ...]:
        return (self.config.codebook_size,) * self.config.num_codebooks

    def num_frames(self, num_samples: int) -> int:
        if self.segments is not None:
            return self.segments.num_frames(num_samples)
        return -(-num_samples // self.config.seanet.hop_length)

    def num_samples(self, num_frames: int) -> int:
        if self.segments is not None:
            return self.segments.num_samples(num_frames)
        return num_frames * self.config.seanet.hop_length

    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to latents `(B, D, num_frames(T))`, before quantisation.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        pieces = self._cut(x)
        if self.config.normalize:
            pieces = [piece / _level(piece) for piece in pieces]
        return torch.cat(_side_by_side(self.encoder, pieces), dim=-1)

    def encoder_stream(self) -> Streamable:
        if self.config.normalize:
            raise refuse(self, "its encoder takes out the level of a whole segment (normalize)")
        if self.segments is not None:
            raise refuse(self, "its encoder takes segments that overlap (segment_seconds)")
        return super().encoder_stream()

    def gain(self, x: Tensor) -> Tensor | None:
        """Level of each segment `(B, S)` (S is 1 for audio in one piece), or None."""
        if not self.config.normalize:
            return None
        return torch.cat([_level(piece)[..., 0] for piece in self._cut(x)], dim=1)

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`; all codebooks when None."""
        return self.quantizer.encode(latents, num_codebooks)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, n, F)`, where n may be less than all codebooks."""
        return self.quantizer.decode(codes)

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
            gain: level of each segment `(B, S)`; None leaves a normalised codec's output at
                level 1.
            rng: unused, nothing here is random.

        Raises:
            ValueError: conditions, or a gain that does not fit the segments.
        """
        if conditions:
            raise ValueError(f"EnCodec decodes without conditions, got {sorted(conditions)}")
        pieces = [latents] if self.segments is None else latents.split(self.segments.frames, -1)
        decoded = _side_by_side(self.decoder, list(pieces))
        if gain is not None:
            expected = (latents.shape[0], len(decoded) if self.config.normalize else 0)
            if tuple(gain.shape) != expected:
                raise ValueError(
                    f"expected a gain of shape {expected} for {latents.shape[-1]} frames, "
                    f"got {tuple(gain.shape)}"
                )
            decoded = [y * g[:, None, None] for y, g in zip(decoded, gain.unbind(1), strict=True)]
        return decoded[0] if self.segments is None else self.segments.overlap_add(decoded)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`, as one segment each; in training codebooks learn.

        `rng` in the batch, if present, decides the chance in the quantiser.

        Raises:
            ValueError: the crops are longer than a segment, or have other channels.
        """
        x = batch["x"]
        self._check(x)
        if self.segments is not None and x.shape[-1] > self.segments.length:
            raise ValueError(
                f"expected crops of at most one segment ({self.segments.length} samples), "
                f"got {x.shape[-1]}"
            )
        level = _level(x) if self.config.normalize else None
        latents = self.encoder(x if level is None else x / level)
        quantized = self.quantizer(latents, batch.get("rng"))
        y = self.decoder(quantized.latents)[..., : x.shape[-1]]
        return CodecOutput(
            losses={"vq/commitment": quantized.commitment},
            metrics={f"vq/{name}": value for name, value in quantized.metrics.items()},
            latents=latents,
            reconstruction=y if level is None else y * level,
        )

    @property
    def encode_obstacle(self) -> str | None:
        """Group norm over time or, without segments, the level of the whole sound."""
        if self.decode_obstacle is None and self.segments is None and self.config.normalize:
            return "the normalisation, which divides by the level of the whole sound"
        return self.decode_obstacle

    @property
    def decode_obstacle(self) -> str | None:
        """Group norm over time, unless segments bound what it averages over."""
        if self.segments is None and self.config.seanet.norm == "time_group_norm":
            return TIME_GROUP_NORM
        return None

    def encode_long(self, read: Reader, num_samples: int, chunk_samples: int) -> Iterator[Streams]:
        """Encode a long recording segment by segment, or by windows around the LSTM's state.

        See `Codec.encode_long`.
        """
        if self.segments is not None:
            stride, length = self.segments.stride, self.segments.length
            for start in range(0, self.segments.count(num_samples) * stride, stride):
                x = read(start, min(length, num_samples - start))[None]
                yield {name: value[0] for name, value in self._segment_streams(x).items()}
        elif self.chunkable:
            hop = self.config.seanet.hop_length
            step = max(1, chunk_samples // hop) * hop
            pieces = (
                read(start, min(step, num_samples - start))[None]
                for start in range(0, num_samples, step)
            )
            for latents in self.encoder.run_long(pieces, num_samples):
                yield {"acoustic": self.quantize(latents)[0]}
        else:
            yield from super().encode_long(read, num_samples, chunk_samples)

    def decode_long(
        self,
        pieces: Iterable[Streams],
        num_frames: int,
        chunk_frames: int,
        rng: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Decode segment by segment, or by windows around the LSTM's state.

        See `Codec.decode_long`. A sound in one piece takes its level from the first value of
        `gain`; without that stream, a normalised codec's output stays at level 1.
        """
        if not self.decode_chunkable:
            yield from super().decode_long(pieces, num_frames, chunk_frames, rng)
            return
        gains: list[float] = []
        pieces = keep_gains(pieces, gains)
        if self.segments is None:
            latents = map(self._conditioned, latent_pieces(self, pieces, chunk_frames))
            decoded = self.decoder.run_long(latents, num_frames)
        else:
            latents = map(self._conditioned, latent_pieces(self, pieces, self.segments.frames))
            decoded = map(self.decoder, latents)
        levelled = (y * gain_of(gains, i if self.segments else 0) for i, y in enumerate(decoded))
        for y in levelled if self.segments is None else self.segments.join(levelled):
            yield y[0]

    def _conditioned(self, latents: Tensor) -> Tensor:
        """What the decoder's layers take in place of latents `(B, D, F)`, without conditions."""
        return latents

    def stream_specs(self) -> dict[str, LatentSpec]:
        """`acoustic` codes, and with normalisation `gain`, one value per segment."""
        specs = {"acoustic": self.latent}
        if self.config.normalize:
            rate = None
            if self.segments is not None:
                rate = self.config.sample_rate / self.segments.stride
            path = json.dumps(["gain", self.config.sample_rate, to_dict(self.segments)])
            specs["gain"] = LatentSpec(
                kind="continuous",
                shape=(1,),
                frame_rate=rate,
                fingerprint=hashlib.sha256(path.encode()).hexdigest(),
            )
        return specs

    def stream_frames(self, num_samples: int) -> dict[str, int]:
        """Frames of `acoustic`, and with normalisation the segments that `gain` is for."""
        frames = super().stream_frames(num_samples)
        if self.config.normalize:
            frames["gain"] = 1 if self.segments is None else self.segments.count(num_samples)
        return frames

    def streams(self, x: Tensor) -> dict[str, Tensor]:
        """Codes `acoustic (B, K, F)`, and `gain (B, 1, S)` when the codec normalises."""
        streams, gain = super().streams(x), self.gain(x)
        return streams if gain is None else {**streams, "gain": gain[:, None]}

    def _segment_streams(self, x: Tensor) -> dict[str, Tensor]:
        """Streams of one segment `(B, C, t)`, which `streams` would cut again."""
        if not self.config.normalize:
            return {"acoustic": self.quantize(self.encoder(x))}
        level = _level(x)
        return {"acoustic": self.quantize(self.encoder(x / level)), "gain": level}

    def decode_streams(
        self, streams: dict[str, Tensor], rng: torch.Generator | None = None
    ) -> Tensor:
        """Decode codes, with `gain` where there is one."""
        gain = streams.get("gain")
        latents = self.dequantize(streams["acoustic"])
        return self.decode(latents, gain=None if gain is None else gain[:, 0], rng=rng)

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """Encoder and codebooks, and the settings that shape them."""
        config = self.config
        settings = {
            "sample_rate": config.sample_rate,
            "seanet": config.seanet,
            "segments": config.segments,
            "normalize": config.normalize,
        }
        return settings, [self.encoder, self.quantizer]

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a folder in the transformers layout, or an original `.th` file."""
        from .encodec_layouts import is_transformers_layout, read_transformers

        if path.is_file() and path.suffix in (".th", ".pt"):
            return cls.from_original(path)
        if not is_transformers_layout(path):
            return None
        config, state = read_transformers(path)
        return cls._with_weights(config, state, path)

    @classmethod
    def from_original(cls, path: str | Path, config: EnCodecConfig | None = None) -> Self:
        """Read an original `.th` state dict (tensors only) in eval mode.

        Args:
            path: the file.
            config: what it was trained with; one of the published configs when None.

        Raises:
            ValueError: the file holds more than tensors, or does not fit the config.
        """
        from .encodec_layouts import read_original

        found, state = read_original(Path(path), config)
        return cls._with_weights(found, state, path)

    @classmethod
    def from_transformers(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
    ) -> Self:
        """Build from the config and state dict of a transformers `EncodecModel`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors.
            path: where they are from, for messages.

        Raises:
            ValueError: a setting that this EnCodec does not have, or weights that do not fit.
        """
        from .encodec_layouts import convert_transformers

        return cls._with_weights(*convert_transformers(config, weights, path), path)

    @classmethod
    def _with_weights(cls, config: EnCodecConfig, state: dict[str, Tensor], path: Any) -> Self:
        model = cls(config)
        try:
            model.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise ValueError(f"the weights in {path} do not fit its config: {error}") from error
        return model.eval()

    def fold_weight_norm(self) -> Self:
        """Compute normalised weights once for faster inference; `train()` undoes it."""
        fold_weight_norm(self)
        return self

    def _check(self, x: Tensor) -> None:
        channels = self.config.seanet.channels
        if x.dim() != 3 or x.shape[1] != channels or x.shape[2] < 1:
            raise ValueError(
                f"expected audio (B, {channels}, T) with T at least 1, got {tuple(x.shape)}"
            )

    def _cut(self, x: Tensor) -> list[Tensor]:
        self._check(x)
        return [x] if self.segments is None else self.segments.cut(x)


def _level(x: Tensor) -> Tensor:
    """Root mean square of the mono mix of `(B, C, T)`, `(B, 1, 1)`; never zero."""
    mono = x.mean(dim=1, keepdim=True)
    return mono.square().mean(dim=-1, keepdim=True).sqrt() + 1e-8


def _side_by_side(network: nn.Module, pieces: list[Tensor]) -> list[Tensor]:
    """Run pieces `(B, C, t)` of equal length in one call, at most `SEGMENTS_AT_ONCE` of them."""
    if len(pieces) == 1:
        return [network(pieces[0])]
    done: list[Tensor] = []
    while len(done) < len(pieces):
        group = pieces[len(done) : len(done) + SEGMENTS_AT_ONCE]
        group = [piece for piece in group if piece.shape == group[0].shape]
        done += network(torch.cat(group)).chunk(len(group))
    return done
