"""The settings of the mel codec: how mel spectrograms are computed, and what makes sound of them.

Front ends as published: Kong et al., "HiFi-GAN", 2020; Kumar et al., "MelGAN", 2019; Ao et al.,
"SpeechT5", 2022. They are not interchangeable: HiFi-GAN takes the natural logarithm, the others
that to base 10.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..dsp.mel import MelSpec
from ..networks.hifigan import HiFiGANConfig
from ..networks.melgan import MelGANConfig
from .base import CodecConfig

__all__ = [
    "GriffinLimConfig",
    "MelCodecConfig",
    "hifigan_mel",
    "melgan_mel",
    "speecht5_mel",
]


@dataclass(frozen=True, kw_only=True)
class GriffinLimConfig:
    """A decoder with nothing to learn: a search for phases (`dsp/griffin_lim.py`)."""

    iterations: int = 32
    """Passes of the search."""
    momentum: float = 0.99
    """0 is the algorithm of 1984; above, the fast one."""

    def __post_init__(self) -> None:
        if self.iterations < 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                "iterations must be at least 0 and momentum in [0, 1), got "
                f"{self.iterations} and {self.momentum}"
            )


@dataclass(frozen=True, kw_only=True)
class MelCodecConfig(CodecConfig):
    """Mel spectrograms as latents; the default decoder learns nothing."""

    mel: MelSpec = field(default_factory=lambda: hifigan_mel())
    """What the encoder computes."""
    decoder: GriffinLimConfig | HiFiGANConfig | MelGANConfig = field(
        default_factory=GriffinLimConfig
    )
    """What makes sound of it."""

    def __post_init__(self) -> None:
        if self.mel.padding == "none":
            raise ValueError(
                "mel.padding must be same or center: none loses what is at the ends, and all of "
                "what is shorter than a window"
            )
        if isinstance(self.decoder, HiFiGANConfig | MelGANConfig):
            if self.decoder.hop_length != self.mel.hop_length:
                raise ValueError(
                    f"the decoder's ratios {self.decoder.ratios} make {self.decoder.hop_length} "
                    f"samples of a frame, but mel.hop_length is {self.mel.hop_length}"
                )


def hifigan_mel(f_max: float | None = 8_000.0) -> MelSpec:
    """22.05 kHz, 80 bands up to 8 kHz, natural logarithm, mirrored ends."""
    return MelSpec(sample_rate=22_050, f_max=f_max, padding="same", pad_mode="reflect")


def melgan_mel() -> MelSpec:
    """22.05 kHz, 80 bands up to half the rate, logarithm to base 10, mirrored ends."""
    return MelSpec(sample_rate=22_050, log="log10", padding="same", pad_mode="reflect")


def speecht5_mel() -> MelSpec:
    """16 kHz, 80 bands from 80 to 7600 Hz, logarithm to base 10, frames centred on their hops."""
    return MelSpec(
        sample_rate=16_000,
        f_min=80.0,
        f_max=7_600.0,
        log="log10",
        floor=1e-10,
        padding="center",
        pad_mode="reflect",
    )
