"""MelGAN: a mel codec whose decoder is trained against a discriminator of the waveform.

Kumar et al., "MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis", 2019
(https://arxiv.org/abs/1910.06711).

No distance of spectra takes part in training: the mel distance is reported alone. Differs from the
paper: no random gain on the recordings; `small` and `debug` are ours.
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.mel import MelCodecConfig
from ..codecs.mel_config import melgan_mel
from ..discriminators import DiscriminatorConfig, ScaleDiscriminatorConfig, melgan_scales
from ..dsp.mel import MelSpec
from ..networks.melgan import MelGANConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="MelGAN",
    paper="MelGAN: Generative Adversarial Networks for Conditional Waveform Synthesis, "
    "https://arxiv.org/abs/1910.06711",
    authors="Kumar et al.",
    year=2019,
    summary=(
        "Makes sound of mel spectrograms: a small convolutional vocoder that learns from a "
        "discriminator of the waveform at three rates, and from nothing else."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "22 kHz mono, 1.1 M parameters; for a laptop",
        "paper": "22 kHz mono, 4.3 M parameters",
    },
)

FEATURE_WEIGHT = 10 * (4 / 5) / 3
"""Factor of the sum over layers and scales. In the published code, 10 is multiplied by 4 / (4 + 1),
four being the layers that go down in rate, and by 1 / 3, three being the scales."""


def _task(
    mel: MelSpec, decoder: MelGANConfig, discriminator: DiscriminatorConfig
) -> CodecTaskConfig:
    """Losses and optimisers of the paper's code."""
    return CodecTaskConfig(
        model=MelCodecConfig(mel=mel, decoder=decoder),
        discriminator=discriminator,
        weights=CodecLossWeights(waveform=0.0, mel=0.0, adversarial=1.0, feature=FEATURE_WEIGHT),
        balanced=False,
        adversarial="linear_hinge",
        discriminator_share=1.0,
        mel_preset="hifigan",
        relative_features=False,
        reduction="sum",
        learning_rate=1e-4,
        betas=(0.5, 0.9),
    )


def debug_codec(steps: int = 12) -> Stage:
    """A vocoder that is trained in seconds: 8 kHz, 62.5 frames per second, 16 bands."""
    mel = MelSpec(
        sample_rate=8_000,
        n_fft=512,
        hop_length=128,
        n_mels=16,
        log="log10",
        padding="same",
        pad_mode="reflect",
    )
    decoder = MelGANConfig(ratios=(8, 4, 4), num_filters=2, num_residual_layers=2)
    judge = ScaleDiscriminatorConfig(scales=2, layers=((4, 15, 1, 1), (8, 41, 4, 4), (8, 5, 1, 1)))
    train = debug_train(steps)
    return Stage(task=_task(mel, decoder, judge), train=train)


def small_codec(minutes: float = 40) -> Stage:
    """Half of the channels in the generator, a quarter in the discriminator."""
    wide = melgan_scales()
    layers = tuple((c // 4, taps, stride, max(1, g // 4)) for c, taps, stride, g in wide.layers)
    train = small_train(minutes, 8192 / 22_050)
    task = _task(melgan_mel(), MelGANConfig(num_filters=16), replace(wide, layers=layers))
    return Stage(task=task, train=train)


def _published() -> Stage:
    """400 thousand steps of 16 crops of 8192 samples."""
    train = TrainConfig(
        steps=400_000,
        batch_size=16,
        crop_seconds=8192 / 22_050,
        log_every=100,
        validate_every=5_000,
        checkpoint_every=5_000,
        workers=4,
    )
    return Stage(task=_task(melgan_mel(), MelGANConfig(), melgan_scales()), train=train)


RECIPES = codec_recipes(
    "melgan",
    {
        "debug": debug_codec,
        "small": small_codec,
        "paper": _published,
    },
)
