"""The settings of RAVE, and those of its published versions.

Caillon and Esling, "RAVE: A variational autoencoder for fast and high-quality neural audio
synthesis", 2021, and the later versions of its public code; `rave_low_latency` after Caspe et al.,
"Designing Neural Synthesizers for Low-Latency Interaction", 2025.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Literal

from ..dsp.pqmf import pqmf_prototype
from ..networks.rave_layers import NoiseConfig, RAVENetworkConfig
from ..networks.rave_mel import MelInputConfig
from ..networks.rave_v1 import RAVEv1Config
from ..networks.rave_v2 import RAVEv2Config
from .base import CodecConfig

__all__ = [
    "RAVEConfig",
    "Regularizer",
    "rave_discrete",
    "rave_hybrid",
    "rave_low_latency",
    "rave_onnx",
    "rave_raspberry",
    "rave_v1",
    "rave_v2",
    "rave_v2_raw",
    "rave_v2_small",
    "rave_v3",
]

Regularizer = Literal["variational", "wasserstein", "spherical", "discrete"]


@dataclass(frozen=True, kw_only=True)
class RAVEConfig(CodecConfig):
    """A RAVE; the default is v2."""

    sample_rate: int = 44_100
    """Samples per second."""
    channels: int = 1
    """Audio channels; their bands are stacked."""
    num_bands: int = 16
    """Bands of the filter bank; 1 for none."""
    decoder_bands: int | None = None
    """Bands that the decoder gives; 1 for the waveform itself, None for as many as go in."""
    attenuation_db: float = 100.0
    """Of the bank's stop band; less of it takes fewer taps, and delays less."""
    network: RAVENetworkConfig = field(default_factory=RAVEv2Config)
    """Encoder and decoder."""
    mel: MelInputConfig | None = None
    """An encoder of mel spectrograms in place of the network's; None for one of the bands."""
    latent_dim: int = 128
    """Channels of the latents."""
    regularizer: Regularizer = "variational"
    """What shapes them: KL, mean discrepancy (Wasserstein), a sphere, or codebooks."""
    noise_channels: int = 0
    """Channels of white noise that the decoder gets beside the latents."""
    gru_layers: int = 0
    """Recurrent layers that both pass before they reach the decoder."""
    num_codebooks: int = 16
    """Codebooks in the residual chain, when discrete."""
    codebook_size: int = 1024
    """Entries of each codebook."""
    log_epsilon: float = 1e-7
    """Added to magnitudes in the logarithm of the spectral distances."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "channels", "latent_dim", "num_codebooks", "codebook_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("noise_channels", "gru_layers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        down, up = prod(self.encoder_network.ratios), prod(self.network.up_ratios)
        if self.up_bands not in (1, self.num_bands):
            raise ValueError(
                f"decoder_bands must be 1 or num_bands = {self.num_bands}, got {self.up_bands}"
            )
        if self.encoder_network.causal != self.network.causal:
            raise ValueError(
                "encoder and decoder must both be causal or both not, got mel.network.causal="
                f"{self.encoder_network.causal} and network.causal={self.network.causal}"
            )
        if up * self.up_bands != self.hop_length:
            raise ValueError(
                f"a frame is {down} x {self.hop_length // down} samples for the encoder, but {up} "
                f"x {self.up_bands} for the decoder: change ratios, decoder_ratios or decoder_bands"
            )
        values = self.hop_length / self.num_bands
        if self.num_bands > 1 and values % 2:
            raise ValueError(
                f"a frame must hold an even number of band values, got {values:g}: the bank "
                "negates every second one, and every frame must begin alike"
            )

    @property
    def up_bands(self) -> int:
        """Bands that the decoder gives."""
        return self.num_bands if self.decoder_bands is None else self.decoder_bands

    @property
    def encoder_network(self) -> RAVENetworkConfig:
        """What makes the encoder."""
        return self.network if self.mel is None else self.mel.network

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        step = self.num_bands if self.mel is None else self.mel.hop_length
        return prod(self.encoder_network.ratios) * step

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def latency_ms(self) -> float | None:
        """Delay from a sample's arrival to its sound, live, in ms; None if it cannot stream.

        A frame must be complete before it is encoded, which is a hop, and joining N taps of M
        bands takes N - M samples more. The time that a computer needs comes on top.
        """
        if not self.network.causal:
            return None
        delay = self.hop_length
        if self.up_bands > 1:
            delay += len(pqmf_prototype(self.num_bands, self.attenuation_db)) - self.num_bands
        return 1000 * delay / self.sample_rate


def rave_v1(*, causal: bool = False) -> RAVEConfig:
    """21.5 frames per second of 128 channels, as in the paper."""
    noise = NoiseConfig(hidden_dim=None, ratios=(4, 4, 4), num_bands=5, kernel_size=3)
    return RAVEConfig(network=RAVEv1Config(noise=noise, causal=causal))


def rave_onnx(*, causal: bool = False) -> RAVEConfig:
    """v1 of half the width and without noise, for export."""
    return RAVEConfig(network=RAVEv1Config(capacity=32, causal=causal))


def rave_raspberry(*, causal: bool = False) -> RAVEConfig:
    """v1 of a quarter of the width and without noise, for boards the size of a card."""
    return RAVEConfig(network=RAVEv1Config(capacity=16, causal=causal))


def rave_v2(*, regularizer: Regularizer = "variational", causal: bool = False) -> RAVEConfig:
    """21.5 frames per second of 128 channels, or of 16 with another regulariser than the KL's.

    Of the Wasserstein kind, 128 channels of noise go to the decoder beside the latents.
    """
    config = RAVEConfig(network=RAVEv2Config(causal=causal), regularizer=regularizer)
    if regularizer == "wasserstein":
        return replace(config, latent_dim=16, noise_channels=128)
    return replace(config, latent_dim=16) if regularizer == "spherical" else config


def rave_v2_small(*, causal: bool = False) -> RAVEConfig:
    """86 frames per second of 128 channels, half as wide, with a noise branch."""
    noise = NoiseConfig(hidden_dim=64, ratios=(2, 2, 2), num_bands=32)
    return RAVEConfig(
        network=RAVEv2Config(capacity=48, ratios=(4, 2, 2, 2), noise=noise, causal=causal)
    )


def rave_v2_raw(*, causal: bool = False) -> RAVEConfig:
    """The ablation without bands behind the decoder, which makes the waveform itself."""
    network = RAVEv2Config(capacity=64, decoder_ratios=(8, 8, 8, 4), causal=causal)
    return RAVEConfig(network=network, decoder_bands=1)


def rave_v3(*, causal: bool = False) -> RAVEConfig:
    """v2 with Snake activations and adaptive instance normalisation."""
    return RAVEConfig(network=RAVEv2Config(activation="snake", adain=True, causal=causal))


def rave_hybrid(*, causal: bool = False) -> RAVEConfig:
    """The decoder of v2 behind two recurrent layers, and an encoder of mel spectrograms."""
    encoder = RAVEv2Config(ratios=(2, 2, 2), dilations=((1,), (1,), (1,)), causal=causal)
    return RAVEConfig(
        network=RAVEv2Config(causal=causal), mel=MelInputConfig(network=encoder), gru_layers=2
    )


def rave_discrete(*, causal: bool = False) -> RAVEConfig:
    """43 frames per second of 16 codes out of 1024: 6.9 kbit/s; noise beside the latents."""
    return RAVEConfig(
        network=RAVEv2Config(ratios=(4, 4, 2, 2), causal=causal),
        regularizer="discrete",
        noise_channels=128,
        log_epsilon=1.0,
    )


def rave_low_latency() -> RAVEConfig:
    """Causal, 128 samples per frame, no noise, a shorter filter bank: 9.1 ms live at 44.1 kHz."""
    network = RAVEv2Config(
        capacity=32, ratios=(2, 2, 2), dilations=((1, 3, 9), (1, 3, 9), (1, 3)), causal=True
    )
    return RAVEConfig(network=network, attenuation_db=80.0, latent_dim=16)
