"""Oobleck: the variational autoencoder in whose latents Stable Audio generates.

Evans, Carr, Taylor, Hawley, Pons, "Fast Timing-Conditioned Latent Audio Diffusion", 2024
(https://arxiv.org/abs/2402.04825); sizes and losses are those of the public configuration of
Stable Audio 2 and of Stable Audio Open.

Differs from it: spectra are A-weighted by the exact curve, where the original filters the sound
with 101 taps near it. How many excerpts and steps is not published. `small` and `debug` are ours:
narrow, and in `small` mono.
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.oobleck import OobleckConfig, oobleck_44khz, oobleck_network
from ..discriminators import STFTDiscriminatorConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="Oobleck (Stable Audio's VAE)",
    paper=(
        "Fast Timing-Conditioned Latent Audio Diffusion, https://arxiv.org/abs/2402.04825; "
        "Stable Audio Open, https://arxiv.org/abs/2407.14358"
    ),
    authors="Evans et al.",
    year=2024,
    summary=(
        "Turns stereo sound into a few continuous latents per second, near to normally "
        "distributed: a home for diffusion models."
    ),
    sizes={
        "debug": "8 kHz stereo, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 1.4 M parameters, 37.5 x 32 numbers per second; for a laptop",
        "paper": "44.1 kHz stereo, 156.1 M parameters, 21.5 x 64 numbers per second",
    },
)

KL = 2e-4
"""In nats per frame; Stable Audio's 1e-4 weighs twice the divergence."""


def _published_task(model: OobleckConfig) -> CodecTaskConfig:
    return CodecTaskConfig(
        model=model,
        discriminator=STFTDiscriminatorConfig(filters=64, n_ffts=(2048, 1024, 512, 256, 128)),
        weights=CodecLossWeights(waveform=0, mel=0, adversarial=0.1, feature=5, stft=1),
        balanced=False,
        own={"latent/kl": KL},
        relative_features=False,
        stft_preset="octaves",
        mid_side=True,
        a_weighted=True,
        discriminator_alone_every=2,
        optimizer="adamw",
        weight_decay=1e-3,
        learning_rate=1.5e-4,
        discriminator_learning_rate=3e-4,
        betas=(0.8, 0.99),
        schedule="inverse_power",
    )


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz stereo, 50 frames per second of 8 numbers."""
    network = oobleck_network((4, 5, 8), (1, 2, 4), latent_dim=8, width=4)
    task = replace(
        _published_task(OobleckConfig(sample_rate=8_000, network=network)),
        discriminator=STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64)),
        adversarial_start=0.5,
        learning_rate=1e-3,
        discriminator_learning_rate=None,
        weight_decay=0.0,
        schedule="constant",
    )
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """24 kHz mono, 37.5 frames per second of 32 numbers.

    Losses, balance, crops and the late discriminator are those that were measured for EnCodec's
    `small` (docs/systems/encodec.md).
    """
    network = oobleck_network((4, 4, 5, 8), (2, 4, 8, 16), channels=1, latent_dim=32, width=12)
    task = CodecTaskConfig(
        model=OobleckConfig(sample_rate=24_000, network=network),
        discriminator=STFTDiscriminatorConfig(filters=8, n_ffts=(1024, 512, 256)),
        weights=CodecLossWeights(waveform=0.5),
        own={"latent/kl": KL},
        mel_preset="dac",
        adversarial_start=0.6,
        learning_rate=1e-3,
        betas=(0.8, 0.99),
        schedule="cosine",
    )
    return Stage(task=task, train=small_train(minutes))


def _published() -> Stage:
    """Excerpts of 65 536 samples."""
    train = TrainConfig(
        steps=1_000_000,
        batch_size=32,
        crop_seconds=65_536 / 44_100,
        ema_decay=0.9999,
        ema_power=0.75,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return Stage(task=_published_task(oobleck_44khz()), train=train)


RECIPES = codec_recipes(
    "oobleck",
    {
        "debug": debug_codec,
        "small": small_codec,
        "paper": _published,
    },
)
