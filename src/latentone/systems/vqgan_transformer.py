"""A transformer over the codes of a VQGAN: free, by class, or along maps of harmony and rhythm.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", 2021
(https://arxiv.org/abs/2012.09841). The codes of a picture are written one by one: the rows of a
frame from low to high frequencies, then the next frame.

Differs from the paper: its segment maps, of which a second VQGAN makes codes that stand before the
sequence, are here chroma and onset maps along time, added to the steps that write their frame, so
that a code sees the map up to its own frame; classes and maps are dropped at times, for guidance;
every row has its own embeddings and head; positions are sinusoids, and attention and feed-forward
have no biases (`networks/transformer.py`). `paper` has the width, depth, heads, batch, optimiser
and rate of the public configs (16 by 16 codes there, 5 by 53 here); its number of steps is ours,
as are `small` and `debug`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

from ..conditioning import ChromaConfig, ConditionerConfig, LabelConfig, OnsetConfig
from ..generators.autoregressive import AutoregressiveConfig
from ..networks.transformer import TransformerConfig
from ..sampling.layouts import Flattened
from ..training.recipe import Recipe, Stage, TrainConfig
from ..training.tasks.language_model import LanguageModelConfig
from ._codecs import debug_train
from .card import SystemCard
from .vqgan import debug_codec, published_codec, small_codec

__all__ = ["CARD", "RECIPES", "debug_generator", "published_generator", "small_generator"]

Steering = Literal["free", "class", "map"]

CARD = SystemCard(
    title="VQGAN transformer",
    paper=(
        "Taming Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841"
    ),
    authors="Esser, Rombach, Ommer",
    year=2021,
    summary=(
        "Writes the codes of a VQGAN one by one: freely, by genre, or along the harmony and the "
        "strokes of another sound."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "debug_class": "the same, by the genre of the items",
        "debug_map": "the same, along a chroma and an onset map",
        "small": "16 kHz mono, 8 seconds at a time, 6.8 M parameters; for a laptop",
        "small_class": "the same, by the genre of the items",
        "small_map": "the same, along a chroma and an onset map",
        "paper": "22 kHz mono, 9.8 seconds at a time, 312.6 M parameters",
        "paper_class": "the same, by the genre of the items",
        "paper_map": "the same, along a chroma and an onset map",
    },
)


def steered(model: AutoregressiveConfig, steering: Steering) -> AutoregressiveConfig:
    """A generator with the conditions of a kind: none, `genre`, or `chroma` and `onset`."""
    conditioners: dict[Steering, dict[str, ConditionerConfig]] = {
        "free": {},
        "class": {"genre": LabelConfig(fields={"genre": ()})},
        "map": {"chroma": ChromaConfig(), "onset": OnsetConfig()},
    }
    prefix = ("genre",) if steering == "class" else ()
    return replace(model, conditioners=conditioners[steering], prefix=prefix)


def debug_generator(steering: Steering = "free", steps: int = 12) -> Stage:
    """A generator that is trained in seconds."""
    model = AutoregressiveConfig(
        layout=Flattened(),
        network=TransformerConfig(
            dim=32, num_layers=2, num_heads=2, ffn_dim=64, cross_attention=False
        ),
    )
    task = LanguageModelConfig(
        model=steered(model, steering), learning_rate=1e-3, preview_seconds=0.5
    )
    return Stage(task=task, train=debug_train(steps, 0.8))


def small_generator(steering: Steering = "free", minutes: float = 40) -> Stage:
    """Eight seconds of eight rows at 12.5 frames per second: 800 codes, for two CPU cores."""
    model = AutoregressiveConfig(
        layout=Flattened(),
        network=TransformerConfig(
            dim=256, num_layers=6, num_heads=4, ffn_dim=1024, cross_attention=False, dropout=0.1
        ),
        condition_dropout=0.1,
    )
    train = TrainConfig(
        minutes=minutes,
        batch_size=8,
        crop_seconds=8.0,
        validate_every=200,
        checkpoint_every=200,
    )
    task = LanguageModelConfig(model=steered(model, steering), learning_rate=1e-3)
    return Stage(task=task, train=train)


def published_generator(steering: Steering = "free") -> Stage:
    """24 blocks of width 1024 over the pictures of the codec, batches of 2."""
    model = AutoregressiveConfig(
        layout=Flattened(),
        network=TransformerConfig(
            dim=1024, num_layers=24, num_heads=16, ffn_dim=4096, cross_attention=False
        ),
        condition_dropout=0.1,
    )
    task = LanguageModelConfig(
        model=steered(model, steering),
        learning_rate=2 * 4.5e-6,
        weight_decay=0.01,
        warmup=0.0,
        floor=1.0,
    )
    train = TrainConfig(
        steps=500_000,
        batch_size=2,
        crop_seconds=published_codec().train.crop_seconds,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=4,
    )
    return Stage(task=task, train=train)


SIZES: dict[str, tuple[Callable[[], Stage], Callable[[Steering], Stage]]] = {
    "debug": (debug_codec, debug_generator),
    "small": (small_codec, small_generator),
    "paper": (published_codec, published_generator),
}


def _recipe(size: str, steering: Steering) -> Recipe:
    codec, generator = SIZES[size]
    name = size if steering == "free" else f"{size}_{steering}"
    return Recipe(
        system="vqgan_transformer", size=name, codec=codec(), generator=generator(steering)
    )


STEERINGS: tuple[Steering, ...] = ("free", "class", "map")

RECIPES: dict[str, Callable[[], Recipe]] = {
    size if steering == "free" else f"{size}_{steering}": partial(_recipe, size, steering)
    for size in SIZES
    for steering in STEERINGS
}
