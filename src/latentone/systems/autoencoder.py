"""Autoencoder: a waveform through a narrow place and back, with nothing asked of the latents.

Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", 2006
(https://doi.org/10.1126/science.1127647). The plainest of the continuous codecs, against which the
others show what their bottleneck costs; `tanh` bounds its latents, `sphere` keeps their direction.

Differs from the paper: the networks are those of EnCodec at 24 kHz (Defossez et al., 2022), the
losses are spectral, and a discriminator listens in `paper`; all sizes are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..codecs.autoencoder import Autoencoder
from ..codecs.autoencoder_config import (
    AutoencoderConfig,
    LatentsConfig,
    PlainLatents,
    SphereLatents,
    TanhLatents,
)
from ..networks.seanet import SEANetConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "Autoencoder", "debug_stage", "paper_stage", "small_stage"]

CARD = SystemCard(
    title="Autoencoder",
    paper=(
        "Reducing the Dimensionality of Data with Neural Networks, "
        "https://doi.org/10.1126/science.1127647"
    ),
    authors="Hinton and Salakhutdinov",
    year=2006,
    summary=(
        "Squeezes sound through a few numbers per frame and rebuilds it, with a convolutional "
        "encoder and decoder and nothing in between."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 64 numbers at 37.5 Hz; for a laptop",
        "tanh": "the same as small, latents in [-1, 1]",
        "sphere": "the same as small, latents of length 1",
        "paper": "24 kHz mono, 64 numbers at 75 Hz, with a discriminator, streams",
    },
)


def debug_stage(
    latents: LatentsConfig, steps: int = 12, own: Mapping[str, float] | None = None
) -> Stage:
    """8 kHz, 50 frames of 16 numbers per second, trained in seconds on distances alone."""
    seanet = SEANetConfig(num_filters=4, latent_dim=16, ratios=(5, 4, 4, 2), num_lstm_layers=1)
    task = CodecTaskConfig(
        model=AutoencoderConfig(sample_rate=8_000, seanet=seanet, latents=latents),
        discriminator=None,
        own=dict(own or {}),
        learning_rate=1e-3,
    )
    return Stage(task=task, train=debug_train(steps))


def small_stage(
    latents: LatentsConfig, minutes: float = 40, own: Mapping[str, float] | None = None
) -> Stage:
    """24 kHz, 37.5 frames of 64 numbers per second, on distances alone.

    Losses, crops and learning rate are those with which EnCodec's `small` makes its decoder listen
    within a few thousand steps (docs/systems/encodec.md). There is no recurrence, so that any
    length is encoded and decoded exactly by windows.
    """
    seanet = SEANetConfig(num_filters=16, latent_dim=64, ratios=(8, 5, 4, 4), num_lstm_layers=0)
    task = CodecTaskConfig(
        model=AutoencoderConfig(seanet=seanet, latents=latents),
        discriminator=None,
        weights=CodecLossWeights(waveform=0.5),
        mel_preset="dac",
        own=dict(own or {}),
        learning_rate=1e-3,
        betas=(0.8, 0.99),
        schedule="cosine",
    )
    return Stage(task=task, train=small_train(minutes))


def paper_stage(latents: LatentsConfig, own: Mapping[str, float] | None = None) -> Stage:
    """EnCodec's networks, losses and budget at 24 kHz, 64 numbers per frame."""
    task = CodecTaskConfig(
        model=AutoencoderConfig(seanet=SEANetConfig(latent_dim=64), latents=latents),
        own=dict(own or {}),
    )
    train = TrainConfig(
        steps=600_000,
        batch_size=64,
        crop_seconds=1.0,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return Stage(task=task, train=train)


RECIPES = codec_recipes(
    "autoencoder",
    {
        "debug": lambda: debug_stage(PlainLatents()),
        "small": lambda: small_stage(PlainLatents()),
        "tanh": lambda: small_stage(TanhLatents()),
        "sphere": lambda: small_stage(SphereLatents()),
        "paper": lambda: paper_stage(PlainLatents()),
    },
)
