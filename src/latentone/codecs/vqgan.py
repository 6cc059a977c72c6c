"""VQGAN over mel spectrograms: pictures of sound as a few rows of codes.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", 2021; over mel
spectrograms Iashin and Rahtu, "Taming Visually Guided Sound Generation", 2021. Differs: the vocoder
is Griffin-Lim until another is given (`with_vocoder`); the first batch places the codes and dead
ones restart; there is no perceptual loss, whose network is not ours to train.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from ..nn.row_vq import RowVQ
from .autoencoder_config import GradientCodes, LatentsConfig
from .base import CodecOutput
from .mel_autoencoder import MelAutoencoder, MelAutoencoderConfig

__all__ = ["VQGAN", "VQGANConfig"]


@dataclass(frozen=True, kw_only=True)
class VQGANConfig(MelAutoencoderConfig):
    """A VQGAN over mel pictures."""

    codes: LatentsConfig = field(default_factory=lambda: GradientCodes(codebook_size=1024))
    """What makes a code of a pixel: `GradientCodes`, `EMACodes` or `FSQCodes`."""


class VQGAN(MelAutoencoder):
    """A picture encoder, one codebook for all pixels of the latent picture, a picture decoder.

    Shape:
        - audio `(B, 1, T)`, latents `(B, latent_channels * rows, F)`, codes `(B, rows, F)`, of
          which row 0 is the lowest band of frequencies.
    """

    config_class = VQGANConfig
    config: VQGANConfig

    def __init__(self, config: VQGANConfig) -> None:
        super().__init__(config)
        pixels = config.codes.quantizer(config.network.latent_channels)
        if pixels is None:
            raise ValueError(f"codes must be discrete, got {type(config.codes).__name__}")
        self.quantizer = RowVQ(pixels, config.rows)

    @property
    def vocab(self) -> tuple[int, ...]:
        return self.quantizer.vocab

    def encode(self, x: Tensor) -> Tensor:
        """Encode `(B, 1, T)` to latents `(B, D, num_frames(T))` before quantisation.

        Raises:
            ValueError: not `(B, 1, T)` with at least one sample.
        """
        return self.hidden(self.target(x))

    def quantize(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`, the lowest rows first."""
        return self.quantizer.encode(latents, num_codebooks)

    def dequantize(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, n, F)`; rows that are missing are zeros."""
        return self.quantizer.decode(codes)

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """One pass over crops `x (B, 1, T)`; the reconstruction is that of `target(x)`.

        Penalties are unweighted: `vq/commitment`, and `vq/codebook` where codes are weights.
        """
        latents = self.hidden(self.target(batch["x"]))
        passed = self.quantizer(latents, batch.get("rng"))
        return CodecOutput(
            losses={f"vq/{name}": value for name, value in passed.losses.items()},
            metrics={f"vq/{name}": value for name, value in passed.metrics.items()},
            latents=latents,
            reconstruction=self.picture(passed.latents),
        )

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        settings, modules = super().encode_path()
        return settings, [*modules, self.quantizer]

    @classmethod
    def read_foreign(cls, path: Path) -> Self | None:
        """Read the folder of a diffusers `VQModel` over pictures of one channel."""
        from .picture_layouts import find_picture, read_vq_model

        found = find_picture(path, "VQModel")
        return None if found is None else cls.with_weights(*read_vq_model(found), found)

    @classmethod
    def from_diffusers(
        cls,
        config: Mapping[str, Any],
        weights: Mapping[str, Tensor],
        path: str | Path,
        mel: Any = None,
    ) -> Self:
        """Build from the config and state dict of a diffusers `VQModel`, in eval mode.

        Args:
            config: as in its `config.json`.
            weights: its tensors.
            path: where they are from, for messages.
            mel: what its pictures are, which its config does not tell; AudioLDM's when None.

        Raises:
            ValueError: a setting that there is not here, or weights that do not fit.
        """
        from .picture_layouts import convert_vq_model

        return cls.with_weights(*convert_vq_model(config, weights, path, mel), path)
