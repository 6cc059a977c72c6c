"""Codecs with nothing to learn: the waveform itself, or its mu-law integers.

Mu-law companding is that of ITU-T G.711, with the levels of van den Oord et al., "WaveNet", 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import Any

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..nn.streaming import Streamable
from .base import Codec, CodecConfig, CodecOutput
from .streaming import Around

__all__ = ["IdentityWaveform", "IdentityWaveformConfig", "MuLawWaveform", "MuLawWaveformConfig"]


@dataclass(frozen=True, kw_only=True)
class IdentityWaveformConfig(CodecConfig):
    """Samples as they are."""

    sample_rate: int = 16_000
    """Samples per second, which are the frames."""
    channels: int = 1
    """Audio channels, which are the latent channels."""


@dataclass(frozen=True, kw_only=True)
class MuLawWaveformConfig(CodecConfig):
    """Samples as companded integers."""

    sample_rate: int = 16_000
    """Samples per second, which are the frames."""
    channels: int = 1
    """Audio channels, which are the code rows."""
    levels: int = 256
    """Entries of a code row."""

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise ValueError(f"levels must be at least 2, got {self.levels}")


class _Waveform(Codec):
    """One frame per sample, one latent channel per audio channel."""

    virtual = True
    config: IdentityWaveformConfig | MuLawWaveformConfig

    def __init__(self, config: IdentityWaveformConfig | MuLawWaveformConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.sample_rate, channels=config.channels)

    @property
    def frame_rate(self) -> float:
        return float(self.config.sample_rate)

    @property
    def latent_dim(self) -> int:
        return self.config.channels

    @property
    def context(self) -> int:
        return 0

    @property
    def decode_context(self) -> int:
        return 0

    def num_frames(self, num_samples: int) -> int:
        return num_samples

    def num_samples(self, num_frames: int) -> int:
        return num_frames

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        return self.config, []

    def encoder_stream(self) -> Streamable:
        return Around(after=self.encode)

    def decoder_stream(self) -> Streamable:
        return Around(after=self.decode)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """Nothing to learn: no losses."""
        latents = self.encode(batch["x"])
        kept = self.dequantize(self.quantize(latents)) if self.vocab else latents
        return CodecOutput({}, {}, latents, self.decode(kept))

    def _check(self, x: Tensor, what: str) -> Tensor:
        if x.dim() != 3 or x.shape[1] != self.config.channels:
            raise ValueError(
                f"expected {what} (B, {self.config.channels}, T), got {tuple(x.shape)}"
            )
        return x


class IdentityWaveform(_Waveform):
    """Latents are the samples: `encode` and `decode` change nothing."""

    config_class = IdentityWaveformConfig

    def encode(self, x: Tensor) -> Tensor:
        """Return `x (B, C, T)`."""
        return self._check(x, "audio")

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Return the latents `(B, C, T)`."""
        return self._check(latents, "latents")


class MuLawWaveform(_Waveform):
    """Latents are companded samples in [-1, 1], codes their nearest of so many even levels."""

    config_class = MuLawWaveformConfig
    config: MuLawWaveformConfig

    @property
    def vocab(self) -> tuple[int, ...]:
        return (self.config.levels,) * self.config.channels

    def encode(self, x: Tensor) -> Tensor:
        """Compand: `sign(x) ln(1 + mu |x|) / ln(1 + mu)`, mu = levels - 1; clips to [-1, 1]."""
        mu = self.config.levels - 1
        x = self._check(x, "audio").clamp(-1, 1)
        return x.sign() * torch.log1p(mu * x.abs()) / log1p(mu)

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Round `(B, C, T)` to codes `0 ... levels - 1`, where 0 stands for -1.

        Raises:
            ValueError: fewer rows than channels are asked for: rows are channels here.
        """
        if num_codebooks not in (None, self.config.channels):
            raise ValueError(
                f"code rows are audio channels: all {self.config.channels} are needed, "
                f"got {num_codebooks}"
            )
        top = self.config.levels - 1
        latents = self._check(latents, "latents")
        return ((latents + 1) / 2 * top).round().clamp(0, top).long()

    def dequantize(self, codes: Tensor) -> Tensor:
        """Companded values of codes `(B, C, T)`."""
        return self._check(codes, "codes").float() * 2 / (self.config.levels - 1) - 1

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Expand `(B, C, T)`: the inverse of `encode` on [-1, 1]."""
        mu = self.config.levels - 1
        latents = self._check(latents, "latents")
        return latents.sign() * torch.expm1(latents.abs() * log1p(mu)) / mu
