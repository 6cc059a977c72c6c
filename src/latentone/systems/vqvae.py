"""VQ-VAE: an autoencoder over the waveform whose latents are entries of a codebook.

Van den Oord, Vinyals, Kavukcuoglu, "Neural Discrete Representation Learning", 2017
(https://arxiv.org/abs/1711.00937); `jukebox` has the codes of the middle level of Dhariwal et al.,
"Jukebox", 2020 (https://arxiv.org/abs/2005.00341).

Differs from the papers: the networks are SEANet, and so is the decoder where the VQ-VAE of sound
has a WaveNet; the distance is spectral; the first batch places the codes, and dead ones restart
relative to the mean use. `rotation` passes gradients by the rotation trick (Fifty et al., 2024),
`fsq` has no codebook (Mentzer et al., 2023).
"""

from __future__ import annotations

from dataclasses import replace

from ..codecs.autoencoder_config import (
    AutoencoderConfig,
    EMACodes,
    FSQCodes,
    GradientCodes,
    LatentsConfig,
)
from ..networks.seanet import SEANetConfig
from ..training.recipe import Stage
from ..training.tasks.codec import CodecTaskConfig
from ._codecs import codec_recipes
from .autoencoder import Autoencoder, debug_stage, paper_stage, small_stage
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "Autoencoder"]

CARD = SystemCard(
    title="VQ-VAE",
    paper="Neural Discrete Representation Learning, https://arxiv.org/abs/1711.00937",
    authors="van den Oord, Vinyals, Kavukcuoglu",
    year=2017,
    summary=(
        "Encodes sound to one integer per frame, the nearest of a learned set of vectors, for "
        "generators that write sound as they would write text."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 1024 codes by running averages at 150 Hz; for a laptop",
        "gradient": "the same as small, codes by gradient",
        "rotation": "the same as gradient, gradients turned with the codes",
        "fsq": "the same as small, 1000 codes of four rounded scalars",
        "paper": "16 kHz mono, 512 codes by gradient at 250 Hz, with a discriminator",
        "jukebox": "44.1 kHz mono, 2048 codes by running averages at 1378 Hz",
    },
)

EMA = {"vq/commitment": 0.25}
GRADIENT = {"vq/commitment": 0.25, "vq/codebook": 1.0}

DEBUG = EMACodes(codebook_size=32)
SMALL = SEANetConfig(num_filters=16, latent_dim=64, ratios=(5, 4, 4, 2), num_lstm_layers=0)
"""Four times the frames of the continuous `small`: an integer holds less than 64 numbers do."""
PAPER = SEANetConfig(latent_dim=64, ratios=(4, 4, 4), num_lstm_layers=0)
"""64 samples per frame."""
JUKEBOX = SEANetConfig(latent_dim=64, ratios=(4, 4, 2), num_residual_layers=4, num_lstm_layers=0)
"""32 samples per frame."""


def _with_network(
    stage: Stage, seanet: SEANetConfig, sample_rate: int = 24_000, judged: bool = True
) -> Stage:
    task = stage.task
    assert isinstance(task, CodecTaskConfig) and isinstance(task.model, AutoencoderConfig)
    model = replace(task.model, sample_rate=sample_rate, seanet=seanet)
    discriminator = task.discriminator if judged else None
    return replace(stage, task=replace(task, model=model, discriminator=discriminator))


def _small(latents: LatentsConfig, own: dict[str, float]) -> Stage:
    return _with_network(small_stage(latents, own=own), SMALL)


def _paper() -> Stage:
    return _with_network(paper_stage(GradientCodes(), own=GRADIENT), PAPER, 16_000)


def _jukebox() -> Stage:
    """Distances alone, as in the paper."""
    stage = paper_stage(EMACodes(codebook_size=2048), own={"vq/commitment": 0.02})
    return _with_network(stage, JUKEBOX, 44_100, judged=False)


RECIPES = codec_recipes(
    "vqvae",
    {
        "debug": lambda: debug_stage(DEBUG, own=EMA),
        "small": lambda: _small(EMACodes(codebook_size=1024), EMA),
        "gradient": lambda: _small(GradientCodes(codebook_size=1024), GRADIENT),
        "rotation": lambda: _small(
            GradientCodes(codebook_size=1024, gradient="rotation"), GRADIENT
        ),
        "fsq": lambda: _small(FSQCodes(), {}),
        "paper": _paper,
        "jukebox": _jukebox,
    },
)
