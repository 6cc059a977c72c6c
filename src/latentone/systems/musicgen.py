"""MusicGen: a language model over the interleaved codebooks of EnCodec, steered by text.

Copet, Kreuk, Gat, Remez, Kant, Synnaeve, Adi, Defossez, "Simple and Controllable Music
Generation", 2023 (https://arxiv.org/abs/2306.05284).

Differs from the paper: the last, delayed steps of an excerpt are trained too; captions are read
whole (no word dropout, no merging of metadata fields); AdamW at every size, where the public
configs have D-Adaptation; text enters a projection and a null that are learned. `small` and
`debug` are ours: they read text byte by byte with an encoder of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..conditioning import ByteTextConfig, T5Config
from ..generators.autoregressive import AutoregressiveConfig
from ..networks.transformer import TransformerConfig
from ..training.recipe import Recipe, Stage, TrainConfig
from ..training.tasks.language_model import LanguageModelConfig
from .card import SystemCard
from .encodec import RECIPES as CODECS
from .encodec import debug_codec, small_codec

__all__ = ["CARD", "RECIPES", "debug_generator", "published_network", "small_generator"]

CARD = SystemCard(
    title="MusicGen",
    paper="Simple and Controllable Music Generation, https://arxiv.org/abs/2306.05284",
    authors="Copet et al.",
    year=2023,
    summary=(
        "Writes music from a text or a beginning: a transformer over the four codebooks of "
        "EnCodec, each delayed by a step, so that a frame costs one pass."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 8 seconds at a time, 9.4 M parameters; 80 minutes on a laptop",
        "300m": "32 kHz mono, 30 seconds at a time, 419.6 M parameters beside T5",
        "1.5b": "32 kHz mono, 30 seconds at a time, 1837.6 M parameters beside T5",
        "3.3b": "32 kHz mono, 30 seconds at a time, 3255.4 M parameters beside T5",
        "paper": "the same as 300m",
    },
)

CAPTIONS = {"text": "caption"}


def debug_generator(steps: int = 12) -> Stage:
    """A generator that is trained in seconds."""
    model = AutoregressiveConfig(
        network=TransformerConfig(dim=32, num_layers=2, num_heads=2, ffn_dim=64),
        conditioners={"text": ByteTextConfig(dim=16, num_layers=1, num_heads=2)},
    )
    train = TrainConfig(
        steps=steps,
        batch_size=4,
        crop_seconds=0.8,
        log_every=2,
        validate_every=6,
        validate_items=8,
        checkpoint_every=6,
    )
    task = LanguageModelConfig(
        model=model, fields=CAPTIONS, learning_rate=1e-3, preview_seconds=0.5
    )
    return Stage(task=task, train=train)


def small_generator(minutes: float = 40) -> Stage:
    """Eight seconds of four codes at 37.5 frames per second, sized for two CPU cores."""
    model = AutoregressiveConfig(
        network=TransformerConfig(dim=256, num_layers=6, num_heads=4, ffn_dim=1024, dropout=0.1),
        conditioners={"text": ByteTextConfig()},
        condition_dropout=0.2,
    )
    train = TrainConfig(
        minutes=minutes,
        batch_size=8,
        crop_seconds=8.0,
        validate_every=200,
        checkpoint_every=200,
    )
    task = LanguageModelConfig(model=model, fields=CAPTIONS, learning_rate=1e-3)
    return Stage(task=task, train=train)


def published_network(size: str) -> TransformerConfig:
    """The transformer of a published size: 300m, 1.5b or 3.3b."""
    dim, layers, heads = {"300m": (1024, 24, 16), "1.5b": (1536, 48, 24), "3.3b": (2048, 48, 32)}[
        size
    ]
    return TransformerConfig(
        dim=dim, num_layers=layers, num_heads=heads, ffn_dim=4 * dim, dropout=0.1
    )


def _published_generator(size: str) -> Stage:
    """Batches of 192 excerpts for a million steps; T5-base reads the captions."""
    model = AutoregressiveConfig(
        network=published_network(size), conditioners={"text": T5Config()}, window_frames=1500
    )
    task = LanguageModelConfig(
        model=model, fields=CAPTIONS, learning_rate=1e-4, warmup=4000, floor=0.0
    )
    train = TrainConfig(
        steps=1_000_000,
        batch_size=192,
        crop_seconds=30.0,
        precision="bf16-mixed",
        # the public code averages by 0.99 every ten steps
        ema_decay=0.99**0.1,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return Stage(task=task, train=train)


def _debug() -> Recipe:
    return Recipe(system="musicgen", size="debug", codec=debug_codec(), generator=debug_generator())


def _small() -> Recipe:
    return Recipe(system="musicgen", size="small", codec=small_codec(), generator=small_generator())


def _published(network: str, size: str) -> Recipe:
    return Recipe(
        system="musicgen",
        size=size,
        codec=CODECS["32khz"]().codec,
        generator=_published_generator(network),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "debug": _debug,
    "small": _small,
    "300m": partial(_published, "300m", "300m"),
    "1.5b": partial(_published, "1.5b", "1.5b"),
    "3.3b": partial(_published, "3.3b", "3.3b"),
    "paper": partial(_published, "300m", "paper"),
}
