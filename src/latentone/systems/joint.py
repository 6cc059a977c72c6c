"""A joint embedding of music and words, for how well a sound fits a text.

Huang et al., "MuLan: A Joint Embedding of Music Audio and Natural Language", 2022
(https://arxiv.org/abs/2208.12415): two towers to 128 dimensions, a contrastive loss with a learned
temperature.

Differs from the paper: both towers are small and begin from nothing (MuLan's begin from AudioSet
and BERT, and learn from 44 million clips), so there is no `paper` size; load CLAP for vectors of
that kind (docs/embeddings.md). Excerpts of one piece are no negatives of each other.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dsp.mel import MelSpec
from ..embeddings import JointConfig
from ..networks.short_chunk_cnn import ShortChunkCNNConfig
from ..training.recipe import Recipe, Stage, TrainConfig
from ..training.tasks.embedding import EmbeddingTaskConfig
from .card import SystemCard

__all__ = ["CARD", "RECIPES"]

CARD = SystemCard(
    title="Joint text-audio embedding",
    paper=(
        "MuLan: A Joint Embedding of Music Audio and Natural Language, "
        "https://arxiv.org/abs/2208.12415"
    ),
    authors="Huang et al.",
    year=2022,
    summary=(
        "Puts sounds and texts into one space, near where they fit; judges whether generated "
        "music is what was asked for."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, windows of 4 s, 0.9 M parameters; the one that is shipped",
    },
)


def _debug() -> Recipe:
    model = JointConfig(
        network=ShortChunkCNNConfig(channels=(4, 8), dim=8),
        mel=MelSpec(sample_rate=8000, n_fft=512, hop_length=200, n_mels=24, log="log10", power=2.0),
        window_seconds=0.5,
        hop_seconds=0.5,
        dim=8,
        text_dim=16,
        text_layers=1,
        text_heads=2,
    )
    train = TrainConfig(
        steps=12, batch_size=4, crop_seconds=0.5, log_every=2, validate_every=6, checkpoint_every=6
    )
    return _recipe("debug", model, train)


def _small() -> Recipe:
    model = JointConfig(network=ShortChunkCNNConfig(channels=(16, 32, 64, 64, 128, 256), dim=256))
    train = TrainConfig(
        minutes=60,
        batch_size=64,
        crop_seconds=model.window_seconds,
        draw_by="file",
        validate_every=250,
        validate_items=512,
        checkpoint_every=125,
    )
    return _recipe("small", model, train)


def _recipe(size: str, model: JointConfig, train: TrainConfig) -> Recipe:
    stage = Stage(task=EmbeddingTaskConfig(model=model), train=train)
    return Recipe(system="joint", size=size, embedding=stage)


RECIPES: dict[str, Callable[[], Recipe]] = {"debug": _debug, "small": _small}
