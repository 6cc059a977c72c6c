"""RAVE: an autoencoder over sub-bands that is fast enough to play, trained in two phases.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021 (https://arxiv.org/abs/2111.05011), and the later versions of its public code;
low_latency after Caspe et al., "Designing Neural Synthesizers for Low-Latency Interaction", 2025.

First encoder and decoder learn from spectral distances alone; then the encoder stands still, and
the decoder learns from a discriminator too. Differs: judges have the published widths in our
layers; `debug`, `small` and the training of low_latency are ours.
"""

from __future__ import annotations

from typing import Any

from ..codecs.rave import RAVE
from ..codecs.rave_config import (
    RAVEConfig,
    rave_discrete,
    rave_hybrid,
    rave_low_latency,
    rave_onnx,
    rave_raspberry,
    rave_v1,
    rave_v2,
    rave_v2_raw,
    rave_v2_small,
    rave_v3,
)
from ..data import AugmentConfig
from ..discriminators import (
    BandDiscriminatorConfig,
    CombinedDiscriminatorConfig,
    DiscriminatorConfig,
    PeriodDiscriminatorConfig,
    ScaleDiscriminatorConfig,
    STFTDiscriminatorConfig,
)
from ..networks.rave_layers import NoiseConfig
from ..networks.rave_v2 import RAVEv2Config
from ..training.recipe import Stage, TrainConfig
from ..training.tasks.codec import CodecLossWeights, CodecTaskConfig
from ._codecs import codec_recipes, debug_train, small_train
from .card import SystemCard

__all__ = ["CARD", "RAVE", "RECIPES", "debug_codec"]

CARD = SystemCard(
    title="RAVE",
    paper="RAVE: A variational autoencoder for fast and high-quality neural audio synthesis, "
    "https://arxiv.org/abs/2111.05011",
    authors="Caillon and Esling",
    year=2021,
    summary=(
        "Encodes sound to some tens of smooth latent frames per second and back, many times "
        "faster than it plays: latents to be turned like knobs, timbre transfer, live use."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "44.1 kHz mono, v2_small, 7.8 M parameters; for a laptop",
        "low_latency": "44.1 kHz mono, causal, 345 frames/s, 9.1 ms late and what computing takes",
        "raspberry": "44.1 kHz mono, v1 of a quarter of the width, 1.4 M parameters",
        "onnx": "44.1 kHz mono, v1 of half the width, 4.8 M parameters",
        "v1": "44.1 kHz mono, 17.6 M parameters, 21.5 frames/s",
        "v2": "44.1 kHz mono, 31.5 M parameters, 21.5 frames/s",
        "v2_causal": "v2 that streams without a look ahead",
        "v2_spectral": "v2 judged by five spectrograms alone",
        "v2_small": "44.1 kHz mono, 7.8 M parameters, 86 frames/s",
        "v2_raw": "v2, narrower, whose decoder makes the waveform without a filter bank",
        "v3": "v2 with Snake, adaptive instance norm and DAC's discriminator, 31.6 M parameters",
        "discrete": "v2 with 16 codebooks at 43 frames/s, 6.9 kbit/s",
        "hybrid": "v2 from mel spectrograms, with two recurrent layers before the decoder",
        "wasserstein": "v2 with 16 latent channels, drawn to a normal distribution by MMD",
        "spherical": "v2 with 16 latent channels on a sphere",
        "paper": "the same as v1",
    },
)

STEPS = 3_000_000
"""Both phases of a published training."""
CROP = 131_072
"""Samples of an excerpt."""
RAMP = {"latent/kl": (2e-6, 20_000.0)}
"""How the weight of the divergence begins: in nats twice the published number."""
BESIDE: dict[str, Any] = {
    "discriminator_alone_every": 0,
    "discriminator_share": 0.5,
    "schedule": "cosine",
    "discriminator_schedule": None,
}
"""In short trainings the discriminator takes no steps away, and both rates fall together."""


def _periods() -> PeriodDiscriminatorConfig:
    return PeriodDiscriminatorConfig(filters=(64, 128, 256, 512), stride=4, slope=0.2)


def _scales() -> ScaleDiscriminatorConfig:
    layers = tuple((channels, 15, 4, 1) for channels in (64, 128, 256, 512))
    return ScaleDiscriminatorConfig(layers=layers, slope=0.2, spectral_first=False)


def _task(
    model: RAVEConfig,
    discriminator: DiscriminatorConfig,
    *,
    judges: int,
    feature: float = 20.0,
    every: int = 4,
    phase_1: float = 1 / 3,
    **changes: Any,
) -> CodecTaskConfig:
    """Two phases: losses are averaged over so many judges, and the adversarial one is a sum.

    In the second the discriminator has every `every`-th step to itself. The codec's rate falls to a
    tenth in the first.
    """
    settings: dict[str, Any] = {
        "weights": CodecLossWeights(waveform=0, mel=0, adversarial=judges, feature=feature),
        "balanced": False,
        "adversarial_start": phase_1,
        "freeze_encoder_after": phase_1,
        "discriminator_alone_every": every,
        "learning_rate": 1e-3,
        "discriminator_learning_rate": 1e-4,
        "schedule": "linear",
        "fall": phase_1,
        "discriminator_schedule": "constant",
    }
    return CodecTaskConfig(model=model, discriminator=discriminator, **{**settings, **changes})


def _v2_task(model: RAVEConfig, **changes: Any) -> CodecTaskConfig:
    judges = CombinedDiscriminatorConfig(parts=(_periods(), _scales()))
    settings = {"own": {"latent/kl": 0.1}, "ramps": RAMP, "inner_losses": True, **changes}
    return _task(model, judges, judges=8, **settings)


def _v1_task(model: RAVEConfig) -> CodecTaskConfig:
    own = {"latent/kl": 0.2}
    return _task(model, _scales(), judges=3, feature=10, every=2, own=own, relative_features=False)


def _spectral_task() -> CodecTaskConfig:
    judges = STFTDiscriminatorConfig()
    count, own = len(judges.n_ffts), {"latent/kl": 0.1}
    return _task(rave_v2(), judges, judges=count, own=own, ramps=RAMP, inner_losses=True)


def _v3_task() -> CodecTaskConfig:
    parts = (PeriodDiscriminatorConfig(), BandDiscriminatorConfig())
    judges = CombinedDiscriminatorConfig(parts=parts, center=True, peak=0.8)
    own = {"latent/kl": 0.1}
    return _task(rave_v3(), judges, judges=8, own=own, ramps=RAMP, inner_losses=True)


def _wasserstein_task() -> CodecTaskConfig:
    own = {"latent/mmd": 100.0, "distance/full": 2.0, "distance/bands": 2.0}
    weights = CodecLossWeights(waveform=0, mel=0, adversarial=16, feature=20)
    return _v2_task(
        rave_v2(regularizer="wasserstein"), phase_1=1 / 15, own=own, ramps={}, weights=weights
    )


def _published(task: CodecTaskConfig) -> Stage:
    """Crops of three seconds, eight of them a step."""
    train = TrainConfig(
        steps=STEPS,
        batch_size=8,
        crop_seconds=CROP / task.model.sample_rate,  # type: ignore[attr-defined]
        log_every=100,
        validate_every=10_000,
        checkpoint_every=10_000,
        augment=AugmentConfig(mangle=0.8, dither_bits=16),
        workers=8,
    )
    return Stage(task=task, train=train)


def _small(model: RAVEConfig, minutes: float = 40) -> Stage:
    """Short excerpts and narrow judges; the rate of learning falls little in a few thousand steps.

    As in `encodec`, the distances alone have the first 60 %.
    """
    periods = PeriodDiscriminatorConfig(filters=(16, 32, 64, 128), stride=4, slope=0.2)
    layers = tuple((channels, 15, 4, 1) for channels in (16, 32, 64, 128))
    scales = ScaleDiscriminatorConfig(layers=layers, slope=0.2, spectral_first=False)
    judges = CombinedDiscriminatorConfig(parts=(periods, scales))
    own = {"latent/kl": 0.02}
    task = _task(model, judges, judges=8, phase_1=0.6, own=own, **BESIDE, warmup=0.01)
    return Stage(task=task, train=small_train(minutes, 2**14 / model.sample_rate))


def debug_codec(steps: int = 12) -> Stage:
    """A codec that is trained in seconds: 8 kHz, 4 bands, 62.5 frames per second of 8 channels."""
    noise = NoiseConfig(hidden_dim=8, ratios=(2, 2))
    dilations = ((1, 3), (1, 3), (1,))
    network = RAVEv2Config(capacity=8, ratios=(4, 4, 2), dilations=dilations, noise=noise)
    model = RAVEConfig(
        sample_rate=8_000, num_bands=4, attenuation_db=60.0, latent_dim=8, network=network
    )
    layers = ((4, 15, 4, 1), (8, 15, 4, 1))
    judge = ScaleDiscriminatorConfig(scales=2, layers=layers, slope=0.2, spectral_first=False)
    task = _task(model, judge, judges=2, phase_1=0.5, every=2, own={"latent/kl": 0.02})
    return Stage(task=task, train=debug_train(steps, 0.512))


RECIPES = codec_recipes(
    "rave",
    {
        "debug": debug_codec,
        "small": lambda: _small(rave_v2_small()),
        "low_latency": lambda: _small(rave_low_latency()),
        "raspberry": lambda: _published(_v1_task(rave_raspberry())),
        "onnx": lambda: _published(_v1_task(rave_onnx())),
        "v1": lambda: _published(_v1_task(rave_v1())),
        "v2": lambda: _published(_v2_task(rave_v2())),
        "v2_causal": lambda: _published(_v2_task(rave_v2(causal=True))),
        "v2_spectral": lambda: _published(_spectral_task()),
        "v2_small": lambda: _published(
            _v2_task(rave_v2_small(), every=2, own={"latent/kl": 0.02}, ramps={})
        ),
        "v2_raw": lambda: _published(_v2_task(rave_v2_raw(), own={"latent/kl": 0.02}, ramps={})),
        "v3": lambda: _published(_v3_task()),
        "discrete": lambda: _published(
            _v2_task(rave_discrete(), phase_1=1 / 15, own={"vq/commitment": 1.6}, ramps={})
        ),
        "hybrid": lambda: _published(_v2_task(rave_hybrid())),
        "wasserstein": lambda: _published(_wasserstein_task()),
        "spherical": lambda: _published(
            _v2_task(rave_v2(regularizer="spherical"), phase_1=1 / 15, own={}, ramps={})
        ),
        "paper": lambda: _published(_v1_task(rave_v1())),
    },
)
