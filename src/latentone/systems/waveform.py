"""Samples themselves, as they are or as mu-law integers: what models of raw waveforms predict.

Van den Oord et al., "WaveNet: A Generative Model for Raw Audio", 2016
(https://arxiv.org/abs/1609.03499), section 2.2: 256 levels by the mu-law of ITU-T G.711. A codec
with nothing to learn; training one only measures it and writes the folder that the other steps
take. The generators of samples are systems of their own.
"""

from __future__ import annotations

from ..codecs.waveform import IdentityWaveformConfig, MuLawWaveformConfig
from ..training.tasks.analytic import analytic_stage
from ._codecs import codec_recipes
from .card import SystemCard

__all__ = ["CARD", "RECIPES"]

CARD = SystemCard(
    title="Waveform",
    paper="WaveNet: A Generative Model for Raw Audio, https://arxiv.org/abs/1609.03499",
    authors="van den Oord et al.",
    year=2016,
    summary=(
        "Samples as latents, or their mu-law levels as codes; nothing is learned, so it is ready "
        "at once."
    ),
    sizes={
        "debug": "8 kHz mono, 256 levels; for tests",
        "small": "16 kHz mono, samples as they are",
        "stereo": "44.1 kHz stereo, samples as they are",
        "paper": "16 kHz mono, 256 levels: 128 kbit/s",
    },
)

RECIPES = codec_recipes(
    "waveform",
    {
        "debug": lambda: analytic_stage(MuLawWaveformConfig(sample_rate=8_000), 0.5),
        "small": lambda: analytic_stage(IdentityWaveformConfig()),
        "stereo": lambda: analytic_stage(IdentityWaveformConfig(sample_rate=44_100, channels=2)),
        "paper": lambda: analytic_stage(MuLawWaveformConfig()),
    },
)
