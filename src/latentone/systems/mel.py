"""Mel spectrograms and Griffin-Lim: a codec with nothing to learn, the floor for vocoders.

Griffin, Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984; the fast search
is that of Perraudin, Balazs, Sondergaard, "A Fast Griffin-Lim Algorithm", 2013. Training one only
measures it on held-out sound and writes it down as a run. Trained vocoders over the same frames are
the systems `hifigan` and `melgan`.

Differs from the papers: magnitudes are estimated from mel bands.
"""

from __future__ import annotations

from ..codecs.mel import MelCodecConfig
from ..codecs.mel_config import GriffinLimConfig, hifigan_mel
from ..dsp.mel import MelSpec
from ..training.recipe import Stage
from ..training.tasks.analytic import analytic_stage
from ._codecs import codec_recipes
from .card import SystemCard

__all__ = ["CARD", "RECIPES"]

CARD = SystemCard(
    title="Griffin-Lim",
    paper="Signal Estimation from Modified Short-Time Fourier Transform, "
    "https://doi.org/10.1109/TASSP.1984.1164317",
    authors="Griffin, Lim",
    year=1984,
    summary=(
        "Mel spectrograms as latents, and a search for phases that makes sound of them; nothing "
        "is learned, so it is ready at once."
    ),
    sizes={
        "debug": "8 kHz mono, 16 bands, 8 passes; for tests",
        "small": "22 kHz mono, 80 bands, 32 passes of the fast search",
        "classic": "22 kHz mono, 80 bands, 100 passes of the search of 1984",
        "paper": "22 kHz mono, 80 bands, 100 passes of the fast search",
    },
)


def _debug() -> Stage:
    mel = MelSpec(sample_rate=8_000, n_fft=512, hop_length=128, n_mels=16, padding="same")
    model = MelCodecConfig(mel=mel, decoder=GriffinLimConfig(iterations=8))
    return analytic_stage(model, crop_seconds=0.5)


def _stage(iterations: int, momentum: float) -> Stage:
    """All frequencies: music, unlike speech, sounds above 8 kHz."""
    decoder = GriffinLimConfig(iterations=iterations, momentum=momentum)
    return analytic_stage(MelCodecConfig(mel=hifigan_mel(f_max=None), decoder=decoder))


RECIPES = codec_recipes(
    "mel",
    {
        "debug": _debug,
        "small": lambda: _stage(32, 0.99),
        "classic": lambda: _stage(100, 0.0),
        "paper": lambda: _stage(100, 0.99),
    },
)
