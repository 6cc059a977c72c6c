"""VQGAN: mel spectrograms as small pictures of codes, drawn sharp against a patch discriminator.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", 2021
(https://arxiv.org/abs/2012.09841); over mel spectrograms Iashin and Rahtu, "Taming Visually Guided
Sound Generation", 2021 (https://arxiv.org/abs/2110.08791). The transformer over the codes is the
system `vqgan_transformer`.

Differs from the papers: see `codecs/vqgan.py` and `training/tasks/spectrogram.py`; the adaptive
weight is taken at the decoder's output, and so is the same for all pixels; Griffin-Lim makes the
sound. `paper` has the networks, codes, weights and learning rate of the first paper's code, looked
up in copies of its settings; the spectrograms are HiFi-GAN's, and how many excerpts and steps is
ours, as are `small` and `debug`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..codecs.autoencoder_config import GradientCodes
from ..codecs.mel_autoencoder import MelAutoencoderConfig
from ..codecs.mel_config import hifigan_mel
from ..codecs.vqgan import VQGANConfig
from ..discriminators import PictureDiscriminatorConfig
from ..dsp.mel import MelSpec
from ..networks.autoencoder_2d import Autoencoder2dConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights
from ..training.tasks.spectrogram import SpectrogramTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "published_codec", "small_codec", "spectrogram_task"]

CARD = SystemCard(
    title="VQGAN",
    paper=(
        "Taming Transformers for High-Resolution Image Synthesis, https://arxiv.org/abs/2012.09841"
    ),
    authors="Esser, Rombach, Ommer",
    year=2021,
    summary=(
        "Turns mel spectrograms into a few rows of codes, of which a transformer writes new ones, "
        "and paints what the codes leave out against a discriminator."
    ),
    sizes={
        "debug": "8 kHz mono, 4 rows of 32 codes at 15.6 Hz, seconds on two CPU cores; for tests",
        "small": "16 kHz mono, 8 rows of 512 codes at 12.5 Hz; for a laptop",
        "paper": "22 kHz mono, 5 rows of 1024 codes at 5.4 Hz",
    },
)

MEAN, STD = -5.0, 3.0
"""About those of natural log-mel values (-5.5 and 3.0 over the sounds of Sonic Pi, at 16 kHz), so
that pictures have the range of images."""


def spectrogram_task(
    model: MelAutoencoderConfig,
    discriminator: PictureDiscriminatorConfig,
    *,
    own: Mapping[str, float],
    adversarial: float,
    learning_rate: float,
    adversarial_start: float,
) -> SpectrogramTaskConfig:
    """Losses of VQGAN and latent diffusion: pixels, the codec's own, and an adversary.

    Args:
        model: the codec.
        discriminator: joins late.
        own: factors of the codec's own penalties.
        adversarial: norm of the discriminator's gradient, relative to that of the pixels'.
        learning_rate: of both.
        adversarial_start: share of all steps after which the discriminator joins.
    """
    return SpectrogramTaskConfig(
        model=model,
        discriminator=discriminator,
        weights=CodecLossWeights(waveform=0, mel=1, adversarial=adversarial, feature=0),
        balanced=False,
        adaptive=True,
        adversarial="linear_hinge",
        adversarial_start=adversarial_start,
        discriminator_share=1.0,
        own=own,
        learning_rate=learning_rate,
    )


def _task(
    model: VQGANConfig, judge: PictureDiscriminatorConfig, learning_rate: float, start: float
) -> SpectrogramTaskConfig:
    return spectrogram_task(
        model,
        judge,
        own={"vq/commitment": 0.25, "vq/codebook": 1.0},
        adversarial=0.8,
        learning_rate=learning_rate,
        adversarial_start=start,
    )


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 4 rows of 32 codes, 15.6 frames per second."""
    mel = MelSpec(sample_rate=8_000, n_fft=512, hop_length=128, n_mels=16, padding="same")
    network = Autoencoder2dConfig(
        latent_channels=8, channels=8, multiples=(1, 2, 2), num_residual_blocks=1, num_groups=4
    )
    model = VQGANConfig(
        mel=mel,
        network=network,
        mel_mean=MEAN,
        mel_std=STD,
        codes=GradientCodes(codebook_size=32),
    )
    judge = PictureDiscriminatorConfig(bands=16, filters=8, num_layers=2)
    task = _task(model, judge, 1e-3, 0.5)
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """16 kHz, 64 bands, 8 rows of 512 codes, 12.5 frames per second."""
    network = Autoencoder2dConfig(
        latent_channels=32,
        channels=24,
        multiples=(1, 2, 2, 4),
        num_residual_blocks=1,
        num_groups=8,
    )
    model = VQGANConfig(
        network=network, mel_mean=MEAN, mel_std=STD, codes=GradientCodes(codebook_size=512)
    )
    judge = PictureDiscriminatorConfig(bands=64, filters=16)
    task = _task(model, judge, 3e-4, 0.5)
    return Stage(task=task, train=small_train(minutes, 0.64))


def published_codec() -> Stage:
    """Pictures of 80 bands and 848 frames, 9.8 seconds."""
    network = Autoencoder2dConfig(
        latent_channels=256, multiples=(1, 1, 2, 2, 4), lowest_attention=True
    )
    mel = hifigan_mel(f_max=None)
    model = VQGANConfig(mel=mel, network=network, mel_mean=MEAN, mel_std=STD)
    train = TrainConfig(
        steps=500_000,
        batch_size=12,
        crop_seconds=848 * mel.hop_length / mel.sample_rate,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=4,
    )
    rate = 4.5e-6 * train.batch_size  # for each item of a batch
    task = _task(model, PictureDiscriminatorConfig(bands=80), rate, 10_000 / 500_000)
    return Stage(task=task, train=train)


RECIPES = codec_recipes(
    "vqgan", {"debug": debug_codec, "small": small_codec, "paper": published_codec}
)
