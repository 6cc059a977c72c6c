"""Descript Audio Codec: high-fidelity residual codes, trained against two kinds of discriminator.

Kumar, Seetharaman, Luebs, Kumar, Kumar, "High-Fidelity Audio Compression with Improved RVQGAN",
2023 (https://arxiv.org/abs/2306.06546).

Differs from the paper: what is decoded has whole frames for odd strides too; quantiser dropout is
drawn for each item; kinds of sources are the folders of the data, drawn by chance and not by turns.
`small` and `debug` are ours: narrow, with narrow discriminators that join late.
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.dac import DACConfig, dac_16khz, dac_24khz, dac_44khz, dac_44khz_16kbps
from ..data import AugmentConfig
from ..discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    PeriodDiscriminatorConfig,
)
from ..networks.dac import DACNetworkConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="Descript Audio Codec",
    paper=(
        "High-Fidelity Audio Compression with Improved RVQGAN, https://arxiv.org/abs/2306.06546"
    ),
    authors="Kumar et al.",
    year=2023,
    summary=(
        "Compresses full-band sound about ninetyfold: convolutions with periodic activations, a "
        "chain of low-dimensional codebooks learned by gradient, discriminators over periods and "
        "over bands of complex spectrograms."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 1.6 M parameters, 1.5 kbit/s; for a laptop",
        "16khz": "16 kHz mono, 74.2 M parameters, 6 kbit/s",
        "24khz": "24 kHz mono, 74.7 M parameters, 24 kbit/s",
        "44khz_16kbps": "44.1 kHz mono, 64.2 M parameters, 15.5 kbit/s",
        "44khz": "44.1 kHz mono, 76.7 M parameters, 7.75 kbit/s",
        "paper": "the same as 44khz",
    },
)

PENALTIES = {"vq/commitment": 0.25, "vq/codebook": 1.0}


def _judges(
    filters: tuple[int, ...] = (32, 128, 512, 1024),
    band_filters: int = 32,
    n_ffts: tuple[int, ...] = (2048, 1024, 512),
) -> CombinedDiscriminatorConfig:
    """Periods and bands, over sound whose mean is taken away and whose peak is 0.8."""
    return CombinedDiscriminatorConfig(
        parts=(
            PeriodDiscriminatorConfig(filters=filters),
            BandDiscriminatorConfig(filters=band_filters, n_ffts=n_ffts),
        ),
        center=True,
        peak=0.8,
    )


def _published_task(model: DACConfig) -> CodecTaskConfig:
    return CodecTaskConfig(
        model=model,
        discriminator=_judges(),
        weights=CodecLossWeights(waveform=0, mel=15, adversarial=1, feature=2),
        balanced=False,
        own=PENALTIES,
        adversarial="least_squares",
        relative_features=False,
        reduction="sum",
        discriminator_share=1.0,
        mel_preset="dac",
        optimizer="adamw",
        weight_decay=0.01,
        learning_rate=1e-4,
        betas=(0.8, 0.99),
        schedule="exponential",
        decay=0.999996,
        clip=1000.0,
        discriminator_clip=10.0,
    )


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 50 frames per second, 4 codebooks of 32."""
    network = DACNetworkConfig(
        latent_dim=16, encoder_width=4, decoder_width=4, strides=(4, 5, 8), multiples=(2, 4, 8)
    )
    model = DACConfig(
        sample_rate=8_000, network=network, num_codebooks=4, codebook_size=32, code_dim=4
    )
    task = replace(
        _published_task(model),
        discriminator=_judges(filters=(2, 4), band_filters=2, n_ffts=(256, 64)),
        adversarial_start=0.5,
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="constant",
        clip=None,
        discriminator_clip=None,
    )
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """24 kHz mono, 37.5 frames per second, 4 codebooks of 1024: 1.5 kbit/s, as EnCodec's `small`.

    Weights and judges are DAC's, these narrow; crops and the late discriminator those that were
    measured for EnCodec's `small` (docs/systems/encodec.md). The codes are placed by k-means, and
    dead ones restart: without it, all frames had one code after a thousand steps.
    """
    network = DACNetworkConfig(
        latent_dim=128,
        encoder_width=12,
        decoder_width=12,
        strides=(4, 4, 5, 8),
        multiples=(2, 4, 8, 16),
    )
    model = DACConfig(
        sample_rate=24_000,
        network=network,
        num_codebooks=4,
        kmeans_iterations=50,
        restart_below=0.1,
    )
    task = replace(
        _published_task(model),
        discriminator=_judges(filters=(8, 16, 32, 64), band_filters=8, n_ffts=(1024, 512, 256)),
        adversarial_start=0.6,
        discriminator_share=2 / 3,
        learning_rate=3e-4,
        optimizer="adam",
        weight_decay=0.0,
        schedule="cosine",
    )
    return Stage(task=task, train=small_train(minutes))


def _published(model: DACConfig) -> Stage:
    """72 excerpts of 0.38 s a step, 400 000 steps; both sides learn at each."""
    train = TrainConfig(
        steps=400_000,
        batch_size=72,
        crop_seconds=0.38,
        log_every=50,
        validate_every=1000,
        validate_items=250,
        checkpoint_every=1000,
        preview_every=10,
        draw_by="folder",
        salient_db=-40.0,
        augment=AugmentConfig(level_db=-16.0, phase=True),
        workers=8,
    )
    return Stage(task=_published_task(model), train=train)


RECIPES = codec_recipes(
    "dac",
    {
        "debug": debug_codec,
        "small": small_codec,
        "16khz": lambda: _published(dac_16khz()),
        "24khz": lambda: _published(dac_24khz()),
        "44khz_16kbps": lambda: _published(dac_44khz_16kbps()),
        "44khz": lambda: _published(dac_44khz()),
        "paper": lambda: _published(dac_44khz()),
    },
)
