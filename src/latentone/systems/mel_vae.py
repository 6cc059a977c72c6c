"""The mel VAE of latent diffusion on audio, and the vocoder behind it.

Liu et al., "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models", 2023
(https://arxiv.org/abs/2301.12503); MusicLDM (Chen et al., 2023, https://arxiv.org/abs/2308.01546)
has the same. `vocoder` trains a HiFi-GAN on the pictures that `small` and `paper` share, and
`MelVAE.with_vocoder` joins the two; without it Griffin-Lim makes the sound.

Differs from the paper: see `codecs/mel_vae.py` and `training/tasks/spectrogram.py`; the adaptive
weight is taken at the decoder's output. `paper` has the network, weights and learning rate of the
published settings. `small`, `debug` and `vocoder` are ours.
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.mel import MelCodecConfig
from ..codecs.mel_autoencoder import audioldm_mel
from ..codecs.mel_vae import MelVAE, MelVAEConfig
from ..discriminators import PictureDiscriminatorConfig
from ..dsp.mel import MelSpec
from ..networks.autoencoder_2d import Autoencoder2dConfig
from ..networks.hifigan import hifigan_v3
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecTaskConfig
from ..training.tasks.spectrogram import SpectrogramTaskConfig
from . import hifigan
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard
from .vqgan import MEAN, STD, spectrogram_task

__all__ = [
    "CARD",
    "RECIPES",
    "MelVAE",
    "debug_codec",
    "published_codec",
    "small_codec",
    "vocoder_codec",
]

CARD = SystemCard(
    title="Mel VAE (AudioLDM's autoencoder)",
    paper=(
        "AudioLDM: Text-to-Audio Generation with Latent Diffusion Models, "
        "https://arxiv.org/abs/2301.12503"
    ),
    authors="Liu et al.",
    year=2023,
    summary=(
        "Turns mel spectrograms into small pictures of continuous numbers, near to normally "
        "distributed, in which latent diffusion paints."
    ),
    sizes={
        "debug": "8 kHz mono, 15.6 x (2, 4) numbers per second, seconds on two cores; for tests",
        "small": "16 kHz mono, 25 x (8, 16) numbers per second, 1.5 M parameters; for a laptop",
        "vocoder": "16 kHz mono, HiFi-GAN of 1.3 M parameters for the pictures of small and paper",
        "paper": "16 kHz mono, 25 x (8, 16) numbers per second, 55.4 M parameters",
    },
)

KL = 1000 / (1024 * 64 * 128)
"""In nats per frame beside the mean over pixels. AudioLDM's 1000 is the factor of a mean over the
latents beside a sum over pictures of 1024 by 64 pixels, and a frame has 128 latents."""


def _task(
    model: MelVAEConfig, judge: PictureDiscriminatorConfig, learning_rate: float, start: float
) -> SpectrogramTaskConfig:
    return spectrogram_task(
        model,
        judge,
        own={"latent/kl": KL},
        adversarial=0.5,
        learning_rate=learning_rate,
        adversarial_start=start,
    )


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 15.6 frames per second of (2, 4) numbers."""
    mel = MelSpec(sample_rate=8_000, n_fft=512, hop_length=128, n_mels=16, padding="same")
    network = Autoencoder2dConfig(
        latent_channels=2, channels=8, multiples=(1, 2, 2), num_residual_blocks=1, num_groups=4
    )
    model = MelVAEConfig(mel=mel, network=network, mel_mean=MEAN, mel_std=STD)
    judge = PictureDiscriminatorConfig(bands=16, filters=8, num_layers=2)
    task = _task(model, judge, 1e-3, 0.5)
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """AudioLDM's pictures and latents, and narrow networks."""
    network = Autoencoder2dConfig(channels=24, num_residual_blocks=1, num_groups=8)
    model = MelVAEConfig(network=network, mel_mean=MEAN, mel_std=STD)
    judge = PictureDiscriminatorConfig(filters=16)
    task = _task(model, judge, 3e-4, 0.5)
    return Stage(task=task, train=small_train(minutes, 0.64))


def vocoder_codec(minutes: float = 40) -> Stage:
    """HiFi-GAN V3 with the hop of the pictures, and the lighter judges of `hifigan`'s `small`."""
    stage = hifigan.small_codec(minutes)
    task = stage.task
    assert isinstance(task, CodecTaskConfig)
    decoder = replace(hifigan_v3(), ratios=(5, 8, 4), kernel_sizes=(11, 16, 8))
    model = MelCodecConfig(mel=audioldm_mel(), decoder=decoder)
    return Stage(task=replace(task, model=model), train=small_train(minutes, 8_000 / 16_000))


def published_codec() -> Stage:
    """Excerpts of 10.24 seconds, pictures of 1024 frames."""
    train = TrainConfig(
        steps=800_000,
        batch_size=4,
        crop_seconds=10.24,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=4,
    )
    task = _task(MelVAEConfig(), PictureDiscriminatorConfig(), 8e-6, 50_001 / 800_000)
    return Stage(task=task, train=train)


RECIPES = codec_recipes(
    "mel_vae",
    {
        "debug": debug_codec,
        "small": small_codec,
        "vocoder": vocoder_codec,
        "paper": published_codec,
    },
)
