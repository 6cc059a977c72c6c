"""Descript Audio Codec: convolutions with Snake, and factorised residual codes.

Kumar, Seetharaman, Luebs, Kumar, Kumar, "High-Fidelity Audio Compression with Improved RVQGAN",
2023. Differs: what is decoded has exactly `hop_length` samples per frame (`networks/dac.py`), and
quantiser dropout is drawn for each item (`nn/factorized.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import log2
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..audio import AudioSource
from ..networks.dac import DACDecoder, DACEncoder, DACNetworkConfig
from ..nn.factorized import FactorizedRVQ
from ..nn.weight_norm import fold_weight_norm
from ..nn.windows import context
from .base import Codec, CodecConfig, CodecOutput

__all__ = [
    "DAC",
    "DACConfig",
    "DACNetworks",
    "dac_16khz",
    "dac_24khz",
    "dac_44khz",
    "dac_44khz_16kbps",
]


@dataclass(frozen=True, kw_only=True)
class DACConfig(CodecConfig):
    """A DAC; the default is the 44.1 kHz model at 7.75 kbit/s."""

    sample_rate: int = 44_100
    """Samples per second."""
    network: DACNetworkConfig = field(default_factory=DACNetworkConfig)
    """Encoder and decoder."""
    num_codebooks: int = 9
    """Codebooks in the residual chain."""
    codebook_size: int = 1024
    """Entries of each codebook."""
    code_dim: int = 8
    """Numbers of a code, between the projections."""
    quantizer_dropout: float = 0.5
    """Probability with which an item of a training batch hears fewer codebooks."""
    kmeans_iterations: int = 0
    """K-means iterations that place the codes on the first training batch; none as published."""
    restart_below: float = 0.0
    """Fraction of the mean use under which a code restarts from a frame; never as published."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "num_codebooks", "codebook_size", "code_dim"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.quantizer_dropout <= 1:
            raise ValueError(f"quantizer_dropout must be in [0, 1], got {self.quantizer_dropout}")
        if self.kmeans_iterations < 0 or not 0 <= self.restart_below < 1:
            raise ValueError(
                "expected kmeans_iterations of at least 0 and restart_below in [0, 1), got "
                f"{self.kmeans_iterations} and {self.restart_below}"
            )
        if self.network.moments != 1:
            raise ValueError("the encoder of a DAC gives latents alone: network.moments must be 1")

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.network.hop_length

    def bandwidth(self, num_codebooks: int) -> float:
        """Bit rate of so many codebooks in kbit/s, without entropy coding."""
        return num_codebooks * self.frame_rate * log2(self.codebook_size) / 1000


class DACNetworks(Codec):
    """What DAC and Oobleck share: the two networks, in which a frame sees a finite stretch."""

    config: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        network: DACNetworkConfig = config.network
        self.source = AudioSource(sample_rate=config.sample_rate, channels=network.channels)
        self.encoder = DACEncoder(network)
        self.decoder = DACDecoder(network)

    @property
    def frame_rate(self) -> float:
        return float(self.config.frame_rate)

    @property
    def latent_dim(self) -> int:
        return int(self.config.network.latent_dim)

    @property
    def context(self) -> int:
        return max(context(self.encoder))

    @property
    def decode_context(self) -> int:
        """Frames on either side that take part in a frame's sound."""
        return max(context(self.decoder))

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // int(self.config.network.hop_length))

    def num_samples(self, num_frames: int) -> int:
        return num_frames * int(self.config.network.hop_length)

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Decode latents `(B, D, F)` to `(B, C, num_samples(F))`.

        Raises:
            ValueError: conditions or a gain: the decoder takes none.
        """
        if conditions or gain is not None:
            raise ValueError(f"{type(self).__name__} decodes without conditions and gain")
        y: Tensor = self.decoder(latents)
        return y

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """The encoder, and the settings that shape it."""
        names = ("channels", "strides", "activation", "causal")
        settings = {name: getattr(self.config.network, name) for name in names}
        return {"sample_rate": self.config.sample_rate, **settings}, [self.encoder]

    def fold_weight_norm(self) -> Self:
        """Compute normalised weights once for faster inference; `train()` undoes it."""
        fold_weight_norm(self)
        return self

    def hidden(self, x: Tensor) -> Tensor:
        """What the encoder makes of audio `(B, C, T)`: `(B, moments * D, num_frames(T))`.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        channels = self.source.channels
        if x.dim() != 3 or x.shape[1] != channels or x.shape[2] < 1:
            raise ValueError(
                f"expected audio (B, {channels}, T) with T at least 1, got {tuple(x.shape)}"
            )
        y: Tensor = self.encoder(x)
        return y

    @classmethod
    def with_weights(cls, config: Any, state: Mapping[str, Tensor], path: Any) -> Self:
        """Build in eval mode from weights under our names; `path` is for messages.

        Raises:
            ValueError: the weights do not fit the config.
        """
        model = cls(config)
        counts = {k: v for k, v in model.state_dict().items() if ".code_use." in k}
        try:
            model.load_state_dict({**counts, **state}, strict=True)
        except RuntimeError as error:
            raise ValueError(f"the weights in {path} do not fit its config: {error}") from error
        return model.eval()


class DAC(DACNetworks):
    """Encoder, factorised residual quantiser, decoder.

    Shape:
        - audio `(B, C, T)`, latents `(B, D, F)` before quantisation, codes `(B, K, F)`.
    """

    config_class = DACConfig
    config: DACConfig

    def __init__(self, config: DACConfig) -> None:
        super().__init__(config)
        self.quantizer = FactorizedRVQ(
            config.num_codebooks,
            config.codebook_size,
            config.network.latent_dim,
            code_dim=config.code_dim,
            dropout=config.quantizer_dropout,
            kmeans_iterations=config.kmeans_iterations,
            restart_below=config.restart_below,
        )

    @property
    def vocab(self) -> tuple[int, ...]:
        return self.quantizer.vocab

    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, C, T)` to latents `(B, D, num_frames(T))`, before quantisation.

        Raises:
            ValueError: not `(B, C, T)` with the codec's channels and at least one sample.
        """
        return self.hidden(x)

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`; all codebooks when None."""
        return self.quantizer.encode(latents, num_codebooks)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, n, F)`, where n may be less than all codebooks."""
        return self.quantizer.decode(codes)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, C, T)`; `rng` in the batch decides the dropped codebooks.

        The penalties `vq/commitment` and `vq/codebook` are unweighted (DAC: 0.25 and 1).
        """
        x = batch["x"]
        latents = self.encode(x)
        quantized = self.quantizer(latents, batch.get("rng"))
        return CodecOutput(
            losses={f"vq/{name}": value for name, value in quantized.losses.items()},
            metrics={f"vq/{name}": value for name, value in quantized.metrics.items()},
            latents=latents,
            reconstruction=self.decoder(quantized.latents)[..., : x.shape[-1]],
        )

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """Encoder and codebooks, and the settings that shape them."""
        settings, modules = super().encode_path()
        return settings, [*modules, self.quantizer.codebooks]

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read a folder in the transformers layout, or an original `.pth` file."""
        from .dac_layouts import is_transformers_layout, read_transformers

        if path.is_file() and path.suffix == ".pth":
            return cls.from_original(path)
        if not is_transformers_layout(path):
            return None
        return cls.with_weights(*read_transformers(path), path)

    @classmethod
    def from_original(cls, path: str | Path) -> Self:
        """Read an original `.pth` file (tensors and settings only) in eval mode.

        Raises:
            ValueError: the file holds other objects, which are refused, or does not fit a DAC.
        """
        from .dac_layouts import read_original

        return cls.with_weights(*read_original(Path(path)), path)

    @classmethod
    def from_transformers(
        cls, config: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
    ) -> Self:
        """Build from the config and state dict of a transformers `DacModel`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors, with weight norm or without.
            path: where they are from, for messages.

        Raises:
            ValueError: a setting that this DAC does not have, or weights that do not fit.
        """
        from .dac_layouts import convert_transformers

        return cls.with_weights(*convert_transformers(config, weights, path), path)


def dac_44khz() -> DACConfig:
    """Mono, 86.1 frames per second, 9 codebooks: 7.75 kbit/s."""
    return DACConfig()


def dac_44khz_16kbps() -> DACConfig:
    """Mono, 86.1 frames per second of 128 numbers, 18 codebooks: 15.5 kbit/s."""
    config = dac_44khz()
    return replace(config, network=replace(config.network, latent_dim=128), num_codebooks=18)


def dac_24khz() -> DACConfig:
    """Mono, 75 frames per second, 32 codebooks: 24 kbit/s."""
    network = DACNetworkConfig(strides=(2, 4, 5, 8))
    return DACConfig(sample_rate=24_000, network=network, num_codebooks=32)


def dac_16khz() -> DACConfig:
    """Mono, 50 frames per second, 12 codebooks: 6 kbit/s."""
    return replace(dac_24khz(), sample_rate=16_000, num_codebooks=12)
