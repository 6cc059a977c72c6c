"""VAE: an autoencoder over the waveform whose latents are drawn to a distribution one can sample.

Kingma and Welling, "Auto-Encoding Variational Bayes", 2013 (https://arxiv.org/abs/1312.6114);
`mmd` is the Wasserstein autoencoder of Tolstikhin et al., 2017 (https://arxiv.org/abs/1711.01558),
with RAVE's kernel. `Autoencoder.sample_prior` draws from it.

Differs from the papers: convolutional networks of EnCodec, spectral losses in place of a
likelihood, so the weight of the KL divergence is a choice and not 1; all sizes are ours.
"""

from __future__ import annotations

from ..codecs.autoencoder_config import KLLatents, MMDLatents
from ._codecs import codec_recipes
from .autoencoder import Autoencoder, debug_stage, paper_stage, small_stage
from .card import SystemCard

__all__ = ["CARD", "RECIPES", "Autoencoder"]

CARD = SystemCard(
    title="Variational Autoencoder",
    paper="Auto-Encoding Variational Bayes, https://arxiv.org/abs/1312.6114",
    authors="Kingma and Welling",
    year=2013,
    summary=(
        "Encodes sound to distributions near the standard normal one, so that frames drawn from "
        "that one decode to sound too, and a generator finds smooth latents."
    ),
    sizes={
        "debug": "8 kHz mono, seconds on two CPU cores; for tests",
        "small": "24 kHz mono, 64 numbers at 37.5 Hz; for a laptop",
        "mmd": "the same as small, a Wasserstein autoencoder: nothing is drawn in training",
        "paper": "24 kHz mono, 64 numbers at 75 Hz, with a discriminator, streams",
    },
)

KL = {"latent/kl": 1e-2}
"""Beside a reconstruction whose gradient has norm 1 for each item (`Balancer`). In the first
hundreds of steps this keeps one to two nats per channel, and latents about as wide as the prior; a
tenth of it doubles the nats and leaves means of deviation 1.7, which the prior does not reach."""
MMD = {"latent/mmd": 1.0}
"""RAVE's 100 is beside a sum of spectral distances; here it shrinks the latents to a point."""


RECIPES = codec_recipes(
    "vae",
    {
        "debug": lambda: debug_stage(KLLatents(), own=KL),
        "small": lambda: small_stage(KLLatents(), own=KL),
        "mmd": lambda: small_stage(MMDLatents(), own=MMD),
        "paper": lambda: paper_stage(KLLatents(), own=KL),
    },
)
