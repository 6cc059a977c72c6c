"""EnCodec: a neural audio codec with residual vector quantisation, trained against a discriminator.

Defossez, Copet, Synnaeve, Adi, "High Fidelity Neural Audio Compression", 2022
(https://arxiv.org/abs/2210.13438); 32khz and 16khz are the codecs of MusicGen (Copet et al., 2023)
and AudioGen (Kreuk et al., 2022).

Differs from the papers: causal convolutions pad with zeros, so that they stream exactly; the
discriminator learns at evenly spaced steps; residuals are detached and dead codes judged relative
to the mean use; `small` and `debug` are ours, and let the discriminator join late.
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.encodec_config import (
    EnCodecConfig,
    encodec_16khz,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)
from ..discriminators import STFTDiscriminatorConfig
from ..networks.seanet import SEANetConfig
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "debug_codec", "small_codec"]

CARD = SystemCard(
    title="EnCodec",
    paper="High Fidelity Neural Audio Compression, https://arxiv.org/abs/2210.13438",
    authors="Defossez et al.",
    year=2022,
    summary=(
        "Compresses sound to a few thousand bits per second: a convolutional autoencoder whose "
        "latents are residual vector-quantised, trained with a spectrogram discriminator."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 4.0 M parameters, 1.5 kbit/s; 40 minutes on a laptop",
        "16khz": "16 kHz mono, 56.8 M parameters, 2.2 kbit/s, as in AudioGen",
        "24khz": "24 kHz mono, 14.9 M parameters, 1.5 to 24 kbit/s, streams",
        "32khz": "32 kHz mono, 56.9 M parameters, 2.2 kbit/s, as in MusicGen",
        "48khz": "48 kHz stereo, 14.9 M parameters, 3 to 24 kbit/s",
        "paper": "the same as 24khz",
    },
)


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 50 frames per second, 4 codebooks of 32."""
    model = EnCodecConfig(
        sample_rate=8_000,
        seanet=SEANetConfig(num_filters=4, latent_dim=16, ratios=(5, 4, 4, 2), num_lstm_layers=1),
        num_codebooks=4,
        codebook_size=32,
    )
    task = CodecTaskConfig(
        model=model,
        discriminator=STFTDiscriminatorConfig(filters=4, n_ffts=(256, 64)),
        adversarial_start=0.5,
        learning_rate=1e-3,
    )
    return Stage(task=task, train=debug_train(steps))


def small_codec(minutes: float = 40) -> Stage:
    """24 kHz mono, causal, 37.5 frames per second, 4 codebooks of 1024: 1.5 kbit/s.

    Sized by measurement for two CPU cores (docs/systems/encodec.md), and for the small language
    models behind it: eight seconds of music are 300 steps of 4 codes.

    An hour on a CPU is a few thousand steps. With the paper's losses the decoder spends the first
    thousands on the average spectrum and ignores the latents; DAC's mel distance (logarithms only)
    and a larger share for the waveform make it listen within hundreds. Short crops buy more steps.
    A step against the discriminator costs twice a step without it and teaches detail before the
    waveform is there (joining at 25 % left a worse codec): the first 60 % are distances alone.
    """
    model = EnCodecConfig(
        seanet=SEANetConfig(num_filters=16, ratios=(8, 5, 4, 4)),
        num_codebooks=4,
    )
    task = CodecTaskConfig(
        model=model,
        discriminator=STFTDiscriminatorConfig(filters=8, n_ffts=(1024, 512, 256)),
        weights=CodecLossWeights(waveform=0.5),
        mel_preset="dac",
        adversarial_start=0.6,
        learning_rate=1e-3,
        betas=(0.8, 0.99),
        schedule="cosine",
    )
    return Stage(task=task, train=small_train(minutes))


def _published(task: CodecTaskConfig, steps: int) -> Stage:
    """One-second crops, 64 of them a step."""
    train = TrainConfig(
        steps=steps,
        batch_size=64,
        crop_seconds=1.0,
        log_every=50,
        validate_every=2000,
        checkpoint_every=2000,
        workers=8,
    )
    return Stage(task=task, train=train)


def _codec_24khz() -> Stage:
    return _published(CodecTaskConfig(model=encodec_24khz()), steps=600_000)


def _codec_48khz() -> Stage:
    task = CodecTaskConfig(
        model=encodec_48khz(),
        weights=CodecLossWeights(adversarial=4.0, feature=4.0),
        discriminator_share=0.5,
    )
    return _published(task, steps=600_000)


def _codec_of_music_models(model: EnCodecConfig) -> Stage:
    """Losses, discriminator and averaging as in the public training code of MusicGen."""
    task = CodecTaskConfig(
        model=model,
        weights=CodecLossWeights(mel=2.0, adversarial=4.0, feature=4.0),
        discriminator_share=1.0,
    )
    stage = _published(task, steps=400_000)
    return replace(stage, train=replace(stage.train, ema_decay=0.99))


RECIPES = codec_recipes(
    "encodec",
    {
        "debug": debug_codec,
        "small": small_codec,
        "16khz": lambda: _codec_of_music_models(encodec_16khz()),
        "24khz": _codec_24khz,
        "32khz": lambda: _codec_of_music_models(encodec_32khz()),
        "48khz": _codec_48khz,
        "paper": _codec_24khz,
    },
)
