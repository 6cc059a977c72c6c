"""The patch discriminator of a codec whose reconstruction is a picture: nothing is computed first.

Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", 2021, over mel
spectrograms as in AudioLDM (Liu et al., 2023); see `PatchJudge` for what differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import Discriminator, DiscriminatorConfig, Judgement
from .patch import PatchJudge

__all__ = ["PictureDiscriminator", "PictureDiscriminatorConfig"]


@dataclass(frozen=True, kw_only=True)
class PictureDiscriminatorConfig(DiscriminatorConfig):
    """Sizes of a patch discriminator over pictures."""

    bands: int = 64
    """Height of the pictures."""
    filters: int = 64
    """Channels of the first layer; doubled by each further one, up to eight times."""
    num_layers: int = 3
    """Layers that halve both axes."""
    slope: float = 0.2
    """Of the leaky ReLU below zero."""

    def __post_init__(self) -> None:
        for name in ("bands", "filters", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.bands < self.min_samples:
            raise ValueError(
                f"{self.num_layers} layers need {self.min_samples} bands, got {self.bands}"
            )

    def build(self, channels: int = 1) -> PictureDiscriminator:
        """Make it with fresh weights; a picture has one channel, so `channels` must be 1."""
        return PictureDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        """Frames of the narrowest picture it can judge (see `PatchDiscriminatorConfig`)."""
        return int(3 * 2**self.num_layers)


class PictureDiscriminator(Discriminator):
    """Judges pictures `(B, bands, F)`; scores are `(B, 1, h, w)`.

    Args:
        config: sizes.
        channels: of the sound behind the pictures; 1.

    Raises:
        ValueError: more channels.
    """

    def __init__(self, config: PictureDiscriminatorConfig | None = None, channels: int = 1) -> None:
        config = config or PictureDiscriminatorConfig()
        if channels != 1:
            raise ValueError(f"pictures are those of mono sound, got {channels} channels")
        super().__init__(config, config.bands)
        self.patches = PatchJudge(1, config.filters, config.num_layers, config.slope)

    def forward(self, x: Tensor) -> Judgement:
        """Judge a batch of pictures.

        Raises:
            ValueError: another number of bands, or too few frames.
        """
        self.check(x)
        score, features = self.patches(x[:, None])
        return Judgement([score], [features])
