"""The settings of a waveform autoencoder: its networks, and what stands between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from torch import nn

from ..networks.seanet import SEANetConfig
from ..nn.bottlenecks import (
    Bottleneck,
    KLBottleneck,
    MMDBottleneck,
    SphereBottleneck,
    TanhBottleneck,
)
from ..nn.fsq import FSQ
from ..nn.gradient_vq import GradientPass, GradientVQ
from ..nn.residual import ResidualVQ
from .base import CodecConfig

__all__ = [
    "AutoencoderConfig",
    "EMACodes",
    "FSQCodes",
    "GradientCodes",
    "KLLatents",
    "LatentsConfig",
    "MMDLatents",
    "PlainLatents",
    "SphereLatents",
    "TanhLatents",
]


@dataclass(frozen=True, kw_only=True)
class LatentsConfig(ABC):
    """What stands between encoder and decoder: a bottleneck, and a quantiser or none."""

    def bottleneck(self) -> Bottleneck:
        """What makes latents of the encoder's output."""
        return Bottleneck()

    @abstractmethod
    def quantizer(self, dim: int) -> nn.Module | None:
        """What makes codes of latents with `dim` channels; None where latents stay continuous."""


@dataclass(frozen=True, kw_only=True)
class PlainLatents(LatentsConfig):
    """Nothing in between."""

    def quantizer(self, dim: int) -> nn.Module | None:
        return None


@dataclass(frozen=True, kw_only=True)
class KLLatents(PlainLatents):
    """A normal distribution per frame (VAE); the penalty is `latent/kl`."""

    def bottleneck(self) -> Bottleneck:
        return KLBottleneck()


@dataclass(frozen=True, kw_only=True)
class MMDLatents(PlainLatents):
    """Free latents, normal as a whole (Wasserstein autoencoder); the penalty is `latent/mmd`."""

    def bottleneck(self) -> Bottleneck:
        return MMDBottleneck()


@dataclass(frozen=True, kw_only=True)
class SphereLatents(PlainLatents):
    """Latents of length 1."""

    def bottleneck(self) -> Bottleneck:
        return SphereBottleneck()


@dataclass(frozen=True, kw_only=True)
class TanhLatents(PlainLatents):
    """Latents in [-1, 1]."""

    def bottleneck(self) -> Bottleneck:
        return TanhBottleneck()


@dataclass(frozen=True, kw_only=True)
class EMACodes(LatentsConfig):
    """Codes that follow running averages; the penalty is `vq/commitment`."""

    codebook_size: int = 512
    """Entries of each codebook."""
    num_codebooks: int = 1
    """Codebooks in the residual chain; a VQ-VAE has one."""
    decay: float = 0.99
    """Of the running averages."""
    restart_below: float = 0.1
    """Fraction of the mean use under which a code restarts from a random latent."""
    kmeans_iterations: int = 50
    """K-means iterations that place the codes on the first training batch."""

    def __post_init__(self) -> None:
        _check_codebooks(self.codebook_size, self.num_codebooks)

    def quantizer(self, dim: int) -> nn.Module | None:
        return ResidualVQ(
            self.num_codebooks,
            self.codebook_size,
            dim,
            decay=self.decay,
            restart_below=self.restart_below,
            kmeans_iterations=self.kmeans_iterations,
        )


@dataclass(frozen=True, kw_only=True)
class GradientCodes(LatentsConfig):
    """Codes that are weights; the penalties are `vq/commitment` and `vq/codebook`."""

    codebook_size: int = 512
    """Entries of each codebook."""
    num_codebooks: int = 1
    """Codebooks in the residual chain; a VQ-VAE has one."""
    normalized: bool = False
    """Whether the nearest code is that of the nearest direction."""
    gradient: GradientPass = "straight"
    """How gradients come past the quantiser."""
    restart_below: float = 0.1
    """Fraction of the mean use under which a code restarts; 0 never."""
    kmeans_iterations: int = 50
    """K-means iterations that place the codes on the first training batch; 0 for none."""

    def __post_init__(self) -> None:
        _check_codebooks(self.codebook_size, self.num_codebooks)

    def quantizer(self, dim: int) -> nn.Module | None:
        return GradientVQ(
            self.codebook_size,
            dim,
            num_codebooks=self.num_codebooks,
            normalized=self.normalized,
            gradient=self.gradient,
            kmeans_iterations=self.kmeans_iterations,
            restart_below=self.restart_below,
        )


@dataclass(frozen=True, kw_only=True)
class FSQCodes(LatentsConfig):
    """Scalars rounded to a few levels; there is no penalty."""

    levels: tuple[int, ...] = (8, 5, 5, 5)
    """Of each scalar; their product is the number of codes."""
    noise_dropout: float = 0.0
    """Probability in training that a scalar is moved by noise instead of rounded."""

    def __post_init__(self) -> None:
        if not self.levels or min(self.levels) < 2:
            raise ValueError(f"levels must be 2 or more for each scalar, got {self.levels}")
        if not 0 <= self.noise_dropout <= 1:
            raise ValueError(f"noise_dropout must be in [0, 1], got {self.noise_dropout}")

    def quantizer(self, dim: int) -> nn.Module | None:
        return FSQ(self.levels, dim, noise_dropout=self.noise_dropout)


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig(CodecConfig):
    """A waveform autoencoder."""

    sample_rate: int = 24_000
    """Samples per second."""
    seanet: SEANetConfig = field(default_factory=SEANetConfig)
    """Encoder and decoder; `latent_dim` is that of the latents, whatever the encoder must give."""
    latents: LatentsConfig = field(default_factory=PlainLatents)
    """What stands between them."""

    def __post_init__(self) -> None:
        if self.sample_rate < 1:
            raise ValueError(f"sample_rate must be at least 1, got {self.sample_rate}")

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.seanet.hop_length


def _check_codebooks(size: int, count: int) -> None:
    if size < 2 or count < 1:
        raise ValueError(
            f"expected at least 1 codebook of at least 2 entries, got {count} codebooks of {size}"
        )
