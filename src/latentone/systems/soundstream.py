"""SoundStream: one model for many bit rates, by codebooks that training leaves out at random.

Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, "SoundStream: An End-to-End Neural Audio Codec",
2021 (https://arxiv.org/abs/2107.03312).

Differs from the paper: the mel distance is EnCodec's, a mean where the paper sums, with windows
from 32 samples on; the number of codebooks is drawn for a batch, not for each excerpt; noise for
the switch is synthetic; steps, batch and rate of the published size are ours, and so are `small`
and `debug`, which balance their losses and let the discriminator join late.
"""

from __future__ import annotations

from ..codecs.soundstream import SoundStreamConfig
from ..discriminators import (
    CombinedDiscriminatorConfig,
    ResidualSTFTDiscriminatorConfig,
    melgan_scales,
)
from ..networks.seanet import SoundStreamNetConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="SoundStream",
    paper="SoundStream: An End-to-End Neural Audio Codec, https://arxiv.org/abs/2107.03312",
    authors="Zeghidour et al.",
    year=2021,
    summary=(
        "Compresses sound at any of many bit rates with one model: a causal convolutional "
        "autoencoder whose chain of codebooks is cut short at random in training; streams."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 2.6 M parameters, 0.375 to 3 kbit/s; 40 minutes on a laptop",
        "24khz": "24 kHz mono, 9.8 M parameters, 0.75 to 18 kbit/s",
        "denoising": "24khz with a switch that leaves noise out",
        "paper": "the same as 24khz",
    },
)


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 50 frames per second, 4 codebooks of 32."""
    model = SoundStreamConfig(
        sample_rate=8_000,
        seanet=SoundStreamNetConfig(num_filters=4, latent_dim=16, ratios=(5, 4, 4, 2)),
        num_codebooks=4,
        codebook_size=32,
        codebook_choices=(1, 2, 3, 4),
        denoising=True,
    )
    judge = CombinedDiscriminatorConfig(
        parts=(ResidualSTFTDiscriminatorConfig(filters=2, n_fft=256), melgan_scales(2, 16))
    )
    task = CodecTaskConfig(
        model=model,
        discriminator=judge,
        adversarial_start=0.5,
        learning_rate=1e-3,
        noise_db=(0.0, 20.0),
    )
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """24 kHz mono, causal, 37.5 frames per second, 1 to 8 codebooks of 1024: up to 3 kbit/s.

    Losses and schedule are those of EnCodec's `small`, which says why.
    """
    model = SoundStreamConfig(
        seanet=SoundStreamNetConfig(num_filters=16, ratios=(8, 5, 4, 4)),
        num_codebooks=8,
        codebook_choices=tuple(range(1, 9)),
    )
    judge = CombinedDiscriminatorConfig(
        parts=(ResidualSTFTDiscriminatorConfig(filters=4), melgan_scales(8, 128))
    )
    task = CodecTaskConfig(
        model=model,
        discriminator=judge,
        weights=CodecLossWeights(waveform=0.5),
        mel_preset="dac",
        adversarial_start=0.6,
        learning_rate=1e-3,
        betas=(0.8, 0.99),
        schedule="cosine",
    )
    return Stage(task=task, train=small_train(minutes))


def _codec_24khz(*, denoising: bool = False) -> Stage:
    judge = CombinedDiscriminatorConfig(parts=(ResidualSTFTDiscriminatorConfig(), melgan_scales()))
    task = CodecTaskConfig(
        model=SoundStreamConfig(denoising=denoising),
        discriminator=judge,
        weights=CodecLossWeights(waveform=0, mel=1.0, adversarial=1.0, feature=100.0),
        balanced=False,
        relative_features=False,
        discriminator_share=1.0,
        learning_rate=1e-4,
        noise_db=(0.0, 20.0) if denoising else None,
    )
    train = TrainConfig(
        steps=1_000_000,
        batch_size=64,
        crop_seconds=1.0,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return Stage(task=task, train=train)


RECIPES = codec_recipes(
    "soundstream",
    {
        "debug": debug_codec,
        "small": small_codec,
        "24khz": _codec_24khz,
        "denoising": lambda: _codec_24khz(denoising=True),
        "paper": _codec_24khz,
    },
)
