"""HiFi-GAN: a mel codec whose decoder is trained against two discriminators.

Kong, Kim, Bae, "HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech
Synthesis", 2020 (https://arxiv.org/abs/2010.05646).

Differs from the paper: the learning rate falls by steps, not epochs, so that it does not depend on
the size of the data; recordings keep their level, where theirs are brought to a peak of 0.95;
`small` and `debug` are ours.
"""

from __future__ import annotations

from ..codecs.mel import MelCodecConfig
from ..codecs.mel_config import hifigan_mel
from ..discriminators import (
    CombinedDiscriminatorConfig,
    DiscriminatorConfig,
    PeriodDiscriminatorConfig,
    ScaleDiscriminatorConfig,
    hifigan_scales,
)
from ..dsp.mel import MelSpec
from ..networks.hifigan import HiFiGANConfig, hifigan_v1, hifigan_v2, hifigan_v3
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="HiFi-GAN",
    paper="HiFi-GAN: Generative Adversarial Networks for Efficient and High Fidelity Speech "
    "Synthesis, https://arxiv.org/abs/2010.05646",
    authors="Kong et al.",
    year=2020,
    summary=(
        "Makes sound of mel spectrograms: a convolutional vocoder, trained against discriminators "
        "that listen for what repeats and at several rates."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "22 kHz mono, 1.5 M parameters (V3), lighter discriminators; for a laptop",
        "v3": "22 kHz mono, 1.5 M parameters, the fastest",
        "v2": "22 kHz mono, 0.9 M parameters",
        "v1": "22 kHz mono, 13.9 M parameters, the best sounding",
        "paper": "the same as v1",
    },
)

STEPS_OF_AN_EPOCH = 809
"""Those of the paper: 12,950 recordings of LJ Speech, 16 a step, the rest left out."""


def _task(
    mel: MelSpec, decoder: HiFiGANConfig, discriminator: DiscriminatorConfig
) -> CodecTaskConfig:
    """Losses and optimisers of the paper, sections 2.3 and 3."""
    return CodecTaskConfig(
        model=MelCodecConfig(mel=mel, decoder=decoder),
        discriminator=discriminator,
        weights=CodecLossWeights(waveform=0.0, mel=45.0, adversarial=1.0, feature=2.0),
        balanced=False,
        adversarial="least_squares",
        discriminator_share=1.0,
        mel_preset="hifigan",
        relative_features=False,
        reduction="sum",
        optimizer="adamw",
        weight_decay=0.01,
        learning_rate=2e-4,
        betas=(0.8, 0.99),
        schedule="exponential",
        decay=0.999 ** (1 / STEPS_OF_AN_EPOCH),
    )


def debug_codec(steps: int = 12) -> Stage:
    """A vocoder that is trained in seconds: 8 kHz, 62.5 frames per second, 16 bands."""
    mel = MelSpec(
        sample_rate=8_000,
        n_fft=512,
        hop_length=128,
        n_mels=16,
        padding="same",
        pad_mode="reflect",
    )
    decoder = HiFiGANConfig(
        ratios=(8, 4, 4),
        kernel_sizes=(16, 8, 8),
        num_filters=16,
        residual_kernels=(3, 5),
        dilations=((1, 2), (2, 6)),
        paired=False,
    )
    scales = ScaleDiscriminatorConfig(scales=2, layers=((4, 15, 1, 1), (8, 41, 4, 4), (8, 5, 1, 1)))
    periods = PeriodDiscriminatorConfig(periods=(2, 3), filters=(4, 8))
    train = debug_train(steps)
    judges = CombinedDiscriminatorConfig(parts=(periods, scales))
    return Stage(task=_task(mel, decoder, judges), train=train)


def small_codec(minutes: float = 40) -> Stage:
    """V3 over all frequencies, against discriminators of a quarter of the channels.

    The published discriminators have 71 M parameters: on a CPU nearly all of a step is theirs.
    """
    periods = PeriodDiscriminatorConfig(filters=(8, 32, 128, 256))
    wide = hifigan_scales().layers
    layers = tuple((c // 4, taps, stride, max(1, g // 4)) for c, taps, stride, g in wide)
    judges = CombinedDiscriminatorConfig(parts=(periods, ScaleDiscriminatorConfig(layers=layers)))
    train = small_train(minutes, 8192 / 22_050)
    return Stage(task=_task(hifigan_mel(f_max=None), hifigan_v3(), judges), train=train)


def _published(decoder: HiFiGANConfig) -> Stage:
    """2.5 million steps of 16 crops of 8192 samples."""
    judges = CombinedDiscriminatorConfig(parts=(PeriodDiscriminatorConfig(), hifigan_scales()))
    train = TrainConfig(
        steps=2_500_000,
        batch_size=16,
        crop_seconds=8192 / 22_050,
        log_every=100,
        validate_every=5_000,
        checkpoint_every=5_000,
        workers=4,
    )
    return Stage(task=_task(hifigan_mel(), decoder, judges), train=train)


RECIPES = codec_recipes(
    "hifigan",
    {
        "debug": debug_codec,
        "small": small_codec,
        "v3": lambda: _published(hifigan_v3()),
        "v2": lambda: _published(hifigan_v2()),
        "v1": lambda: _published(hifigan_v1()),
        "paper": lambda: _published(hifigan_v1()),
    },
)
