"""Codes of several quantisers side by side: settings for an autoencoder's bottleneck.

Groups as in Yang et al., "HiFi-Codec: Group-residual Vector Quantization for High Fidelity Audio
Codec", 2023; a first code apart from the rest as in Defossez et al., "Moshi: a speech-text
foundation model for real-time dialogue", 2024 (Mimi).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from ..nn.grouped import GroupedVQ
from ..nn.split import SplitVQ
from .autoencoder_config import EMACodes, LatentsConfig

__all__ = ["GroupedCodes", "SplitCodes"]


@dataclass(frozen=True, kw_only=True)
class GroupedCodes(LatentsConfig):
    """As many chains of codebooks as there are groups, each over its share of the channels."""

    groups: int = 2
    """Groups; the latent channels must divide by them."""
    chain: EMACodes = field(default_factory=lambda: EMACodes(codebook_size=1024, num_codebooks=2))
    """The codebooks of each."""

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise ValueError(f"groups must be at least 1, got {self.groups}")

    def quantizer(self, dim: int) -> nn.Module | None:
        if dim % self.groups:
            raise ValueError(f"{dim} latent channels do not divide by {self.groups} groups")
        parts = [self.chain.quantizer(dim // self.groups) for _ in range(self.groups)]
        return GroupedVQ([part for part in parts if part is not None])


@dataclass(frozen=True, kw_only=True)
class SplitCodes(LatentsConfig):
    """A first chain apart from the rest, both of all channels, with projections of their own.

    What makes the first one semantic is a task that teaches it so, as Mimi's does; none here does.
    """

    semantic: EMACodes = field(default_factory=lambda: EMACodes(codebook_size=1024))
    """The chain that comes first."""
    acoustic: EMACodes = field(
        default_factory=lambda: EMACodes(codebook_size=1024, num_codebooks=3)
    )
    """The other."""
    inner_dim: int = 64
    """Channels in which both search."""

    def __post_init__(self) -> None:
        if self.inner_dim < 1:
            raise ValueError(f"inner_dim must be at least 1, got {self.inner_dim}")

    def quantizer(self, dim: int) -> nn.Module | None:
        first, rest = (codes.quantizer(self.inner_dim) for codes in (self.semantic, self.acoustic))
        assert first is not None and rest is not None
        return SplitVQ(first, rest, dim, self.inner_dim)
