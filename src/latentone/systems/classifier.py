"""A music classifier: instruments, drum pattern, role in a track, tempo, key and genre.

Won, Ferraro, Bogdanov, Serra, "Evaluation of CNN-based Automatic Music Tagging Models", 2020
(https://arxiv.org/abs/2006.00751), the short-chunk CNN.

Differs from the paper: several questions share the network (the paper has 50 tags and sigmoids);
AdamW under half a cosine, where the paper changes from Adam to SGD; `small` and `debug` are ours,
with six layers and bands that reach 12 kHz. `paper` has the published sizes and input (16 kHz, 128
bands, 3.69 s).
"""

from __future__ import annotations

from collections.abc import Callable

from ..dsp.mel import MelSpec
from ..embeddings import ClassifierConfig, Head
from ..networks.short_chunk_cnn import ShortChunkCNNConfig
from ..training.recipe import Recipe, Stage, TrainConfig
from ..training.tasks.embedding import EmbeddingTaskConfig
from .card import SystemCard

__all__ = ["CARD", "RECIPES"]

CARD = SystemCard(
    title="Short-chunk CNN",
    paper=(
        "Evaluation of CNN-based Automatic Music Tagging Models, https://arxiv.org/abs/2006.00751"
    ),
    authors="Won et al.",
    year=2020,
    summary=(
        "Says what plays, in which role, pattern, tempo, key and genre; its vectors and answers "
        "judge generated music (Frechet distance, inception score)."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, windows of 4 s, 0.3 M parameters; the one that is shipped",
        "paper": "16 kHz mono, windows of 3.69 s, 3.7 M parameters and its answers",
    },
)

HEADS = {
    "instrument": Head(multiple=True),
    "drum_pattern": Head(),
    "role": Head(),
    "tempo": Head(classes=("very slow", "slow", "mid-tempo", "fast", "very fast")),
    "key": Head(),
    "genre": Head(),
}
"""Fields of the corpus; classes that are not named are those of the training items."""


def _debug() -> Recipe:
    model = ClassifierConfig(
        network=ShortChunkCNNConfig(channels=(4, 8), dim=8),
        mel=MelSpec(sample_rate=8000, n_fft=512, hop_length=200, n_mels=24, log="log10", power=2.0),
        window_seconds=0.5,
        hop_seconds=0.5,
        heads=HEADS,
    )
    train = TrainConfig(
        steps=12, batch_size=4, crop_seconds=0.5, log_every=2, validate_every=6, checkpoint_every=6
    )
    return _recipe("debug", model, train)


def _small() -> Recipe:
    model = ClassifierConfig(
        network=ShortChunkCNNConfig(channels=(16, 32, 64, 64, 128, 256), dim=128),
        heads=HEADS,
        dropout=0.3,
    )
    train = TrainConfig(
        minutes=60,
        batch_size=32,
        crop_seconds=model.window_seconds,
        draw_by="file",
        validate_every=500,
        validate_items=512,
        checkpoint_every=250,
    )
    return _recipe("small", model, train)


def _paper() -> Recipe:
    mel = MelSpec(
        sample_rate=16_000,
        n_fft=512,
        hop_length=256,
        n_mels=128,
        scale="htk",
        norm="none",
        power=2.0,
        log="log10",
    )
    seconds = 59_049 / 16_000
    model = ClassifierConfig(mel=mel, window_seconds=seconds, hop_seconds=seconds, heads=HEADS)
    train = TrainConfig(
        steps=200_000,
        batch_size=16,
        crop_seconds=seconds,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return _recipe("paper", model, train)


def _recipe(size: str, model: ClassifierConfig, train: TrainConfig) -> Recipe:
    stage = Stage(task=EmbeddingTaskConfig(model=model), train=train)
    return Recipe(system="classifier", size=size, embedding=stage)


RECIPES: dict[str, Callable[[], Recipe]] = {"debug": _debug, "small": _small, "paper": _paper}
