"""Sound (and later text) as vectors that can be compared: what metrics stand on."""

from __future__ import annotations

from .base import Embedding, TextAudioEmbedding
from .cache import EmbeddingCache
from .clap import ClapEmbedding
from .classifier import ClassifierConfig, MusicClassifier
from .files import Embedded, embed_files
from .joint import JointConfig, JointEmbedding
from .labels import Head
from .latent import LatentStatistics
from .logmel import LogMelStatistics
from .shipped import SHIPPED, load_shipped
from .trained import TrainedEmbedding, TrainedEmbeddingConfig
from .vggish import VGGish

__all__ = [
    "SHIPPED",
    "ClapEmbedding",
    "ClassifierConfig",
    "Embedded",
    "Embedding",
    "EmbeddingCache",
    "Head",
    "JointConfig",
    "JointEmbedding",
    "LatentStatistics",
    "LogMelStatistics",
    "MusicClassifier",
    "TextAudioEmbedding",
    "TrainedEmbedding",
    "TrainedEmbeddingConfig",
    "VGGish",
    "embed_files",
    "load_shipped",
]
