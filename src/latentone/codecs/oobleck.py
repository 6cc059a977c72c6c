"""Oobleck, Stable Audio's variational autoencoder over stereo waveforms.

Evans, Carr, Taylor, Hawley, Pons, "Fast Timing-Conditioned Latent Audio Diffusion", 2024, and
"Stable Audio Open", 2024. DAC's networks (`networks/dac.py`) with `SnakeBeta`, no tanh at the end,
and 64 continuous latents in place of codes. Differs: audio of any length is encoded, completed by
zeros to whole frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from ..networks.dac import DACNetworkConfig
from ..nn.bottlenecks import KLBottleneck
from ..nn.streaming import Streamable
from .base import CodecConfig, CodecOutput
from .dac import DACNetworks
from .streaming import Around

__all__ = ["Oobleck", "OobleckConfig", "oobleck_44khz", "oobleck_network"]


def oobleck_network(
    strides: tuple[int, ...] = (2, 4, 4, 8, 8),
    multiples: tuple[int, ...] = (1, 2, 4, 8, 16),
    *,
    channels: int = 2,
    latent_dim: int = 64,
    width: int = 128,
    causal: bool = False,
) -> DACNetworkConfig:
    """The networks of an Oobleck; without arguments Stable Audio 2's and Stable Audio Open's."""
    return DACNetworkConfig(
        channels=channels,
        latent_dim=latent_dim,
        moments=2,
        encoder_width=width,
        decoder_width=width,
        strides=strides,
        multiples=multiples,
        activation="snake_beta",
        final_bias=False,
        final_tanh=False,
        causal=causal,
    )


@dataclass(frozen=True, kw_only=True)
class OobleckConfig(CodecConfig):
    """An Oobleck; the default is that of Stable Audio Open."""

    sample_rate: int = 44_100
    """Samples per second."""
    network: DACNetworkConfig = field(default_factory=oobleck_network)
    """Encoder and decoder."""

    def __post_init__(self) -> None:
        if self.sample_rate < 1:
            raise ValueError(f"sample_rate must be at least 1, got {self.sample_rate}")
        if self.network.moments != 2:
            raise ValueError("the encoder of a VAE gives mean and scale: network.moments must be 2")

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.network.hop_length


class Oobleck(DACNetworks):
    """Encoder to a normal distribution for each latent, decoder from a sample of it.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)`.
    """

    config_class = OobleckConfig
    config: OobleckConfig

    def __init__(self, config: OobleckConfig) -> None:
        super().__init__(config)
        self.bottleneck = KLBottleneck()

    def encode(self, x: Tensor) -> Tensor:
        """Mean of the latents `(B, D, num_frames(T))` of `(B, C, T)`: nothing is drawn.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        return self.bottleneck.encode(self.hidden(x))

    def encoder_stream(self) -> Streamable:
        return Around(super().encoder_stream(), after=self.bottleneck.encode)

    @property
    def prior(self) -> KLBottleneck:
        return self.bottleneck

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`; in training the latents are drawn, by `rng` if given.

        The penalty `kl` is unweighted, in nats per frame (Stable Audio counts twice that, times
        1e-4). `latents` of the output are the means.
        """
        x = batch["x"]
        hidden = self.hidden(x)
        drawn = self.bottleneck(hidden, batch.get("rng"))
        return CodecOutput(
            losses={f"latent/{name}": loss for name, loss in drawn.losses.items()},
            metrics={f"latent/{name}": value for name, value in drawn.metrics.items()},
            latents=self.bottleneck.encode(hidden),
            reconstruction=self.decoder(drawn.latents)[..., : x.shape[-1]],
        )

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a folder in the diffusers layout, or an Oobleck of stable-audio-tools (`.ckpt`)."""
        from .oobleck_layouts import is_diffusers_layout, is_stable_audio, read_diffusers

        if is_stable_audio(path):
            return cls.from_stable_audio(path)
        if not is_diffusers_layout(path):
            return None
        return cls.with_weights(*read_diffusers(path), path)

    @classmethod
    def from_stable_audio(cls, path: str | Path, *, sample_rate: int = 44_100) -> Self:
        """Read the VAE of a stable-audio-tools file in eval mode, also out of a whole model.

        Args:
            path: a `.ckpt` (tensors only) or `.safetensors` file, whose weights say all sizes.
            sample_rate: which the file does not say.

        Raises:
            ValueError: the file holds more than tensors, or no Oobleck.
        """
        from .oobleck_layouts import read_stable_audio

        return cls.with_weights(*read_stable_audio(Path(path), sample_rate), path)

    @classmethod
    def from_diffusers(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
    ) -> Self:
        """Build from the config and state dict of a diffusers `AutoencoderOobleck`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors.
            path: where they are from, for messages.

        Raises:
            ValueError: a setting that this Oobleck does not have, or weights that do not fit.
        """
        from .oobleck_layouts import convert_diffusers

        return cls.with_weights(*convert_diffusers(config, weights, path), path)


def oobleck_44khz() -> OobleckConfig:
    """Stereo, 21.5 frames per second of 64 numbers."""
    return OobleckConfig()
