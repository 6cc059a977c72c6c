"""Several discriminators as one, and the level at which they listen.

DAC (Kumar et al., 2023) hands a multi-period and a multi-band discriminator sound without its mean
and with its peak at 0.8, so that no judge goes by loudness; SoundStream and HiFi-GAN combine two
kinds as well.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from .base import Discriminator, DiscriminatorConfig, Judgement

__all__ = ["CombinedDiscriminator", "CombinedDiscriminatorConfig"]


@dataclass(frozen=True, kw_only=True)
class CombinedDiscriminatorConfig(DiscriminatorConfig):
    """Which discriminators judge together."""

    parts: tuple[DiscriminatorConfig, ...]
    """Each of any kind."""
    center: bool = False
    """Whether each channel's mean is taken away first."""
    peak: float | None = None
    """Largest magnitude that each item is then scaled to; None leaves levels as they are."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("parts must be one discriminator or more, got none")
        if self.peak is not None and self.peak <= 0:
            raise ValueError(f"peak must be positive, got {self.peak}")

    def build(self, channels: int = 1) -> CombinedDiscriminator:
        return CombinedDiscriminator(self, channels)

    @property
    def min_samples(self) -> int:
        return max(part.min_samples for part in self.parts)


class CombinedDiscriminator(Discriminator):
    """Gives the scores and features of all its parts, one after the other.

    Args:
        config: the parts.
        channels: audio channels C.
    """

    def __init__(self, config: CombinedDiscriminatorConfig, channels: int = 1) -> None:
        super().__init__(config, channels)
        self.center, self.peak = config.center, config.peak
        self.parts = nn.ModuleList(part.build(channels) for part in config.parts)

    def level(self, x: Tensor) -> Tensor:
        """Bring `(B, C, T)` to the level at which it is judged; silence stays silence."""
        if self.center:
            x = x - x.mean(dim=-1, keepdim=True)
        if self.peak is not None:
            x = self.peak * x / (x.abs().amax(dim=(1, 2), keepdim=True) + 1e-9)
        return x

    def forward(self, x: Tensor) -> Judgement:
        self.check(x)
        x = self.level(x)
        judged = [part(x) for part in self.parts]
        scores = [score for judgement in judged for score in judgement.scores]
        return Judgement(scores, [features for j in judged for features in j.features])
