"""The representation of GANSynth: log-magnitude and instantaneous frequency, and back.

Engel et al., "GANSynth: Adversarial Neural Audio Synthesis", 2019
(https://arxiv.org/abs/1902.08710). A codec with nothing to learn, for generators of notes; training
one only measures it. The adversarial generator is not part of it.

Differs from the paper: see `codecs/spectrum.py`; `small` keeps all bins, so that nothing is lost.
"""

from __future__ import annotations

from ..codecs.spectrum import SpectrumConfig
from ..training.tasks.analytic import analytic_stage
from ._codecs import codec_recipes
from .card import SystemCard

__all__ = ["CARD", "RECIPES"]

CARD = SystemCard(
    title="GANSynth spectrum",
    paper="GANSynth: Adversarial Neural Audio Synthesis, https://arxiv.org/abs/1902.08710",
    authors="Engel et al.",
    year=2019,
    summary=(
        "Spectra as two images, log-magnitude and instantaneous frequency, that turn back into "
        "sound without a search for phases; nothing is learned, so it is ready at once."
    ),
    sizes={
        "debug": "8 kHz mono, frames of (2, 65)",
        "small": "16 kHz mono, frames of (2, 1025), exact",
        "low": "16 kHz mono, frames of (2, 512), 62.5 a second",
        "paper": "16 kHz mono, frames of (2, 1024), 31.25 a second (high resolution)",
    },
)


RECIPES = codec_recipes(
    "gansynth_spectrum",
    {
        "debug": lambda: analytic_stage(
            SpectrumConfig(sample_rate=8_000, n_fft=128, hop_length=32), 0.5
        ),
        "small": lambda: analytic_stage(SpectrumConfig()),
        "low": lambda: analytic_stage(SpectrumConfig(n_fft=1024, hop_length=256, drop_dc=True)),
        "paper": lambda: analytic_stage(SpectrumConfig(drop_dc=True), 4.0),
    },
)
