"""Sound (and later text) as vectors that can be compared: what metrics stand on."""

from __future__ import annotations

from .base import Embedding
from .cache import EmbeddingCache
from .files import Embedded, embed_files
from .latent import LatentStatistics
from .logmel import LogMelStatistics

__all__ = [
    "Embedded",
    "Embedding",
    "EmbeddingCache",
    "LatentStatistics",
    "LogMelStatistics",
    "embed_files",
]
