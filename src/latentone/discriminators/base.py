"""What every discriminator is: settings that build it, and what it says of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["Discriminator", "DiscriminatorConfig", "Judgement"]


class Judgement(NamedTuple):
    """What a discriminator says of a batch, one entry for each scale, period or resolution."""

    scores: list[Tensor]
    """`(B, 1, ...)`: high for real sound, at every place that was judged."""
    features: list[list[Tensor]]
    """`(B, filters, ...)` after each hidden layer."""

    def split(self, batch: int) -> tuple[Judgement, Judgement]:
        """Part the first `batch` items from the others."""
        first = Judgement(
            [s[:batch] for s in self.scores], [[f[:batch] for f in fs] for fs in self.features]
        )
        others = Judgement(
            [s[batch:] for s in self.scores], [[f[batch:] for f in fs] for fs in self.features]
        )
        return first, others


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(ABC):
    """The settings of a discriminator, so that a training can hold any kind."""

    @abstractmethod
    def build(self, channels: int = 1) -> Discriminator:
        """Make it with fresh weights for sound of so many channels."""

    @property
    @abstractmethod
    def min_samples(self) -> int:
        """The shortest sound it can judge."""


class Discriminator(nn.Module, ABC):
    """Judges sound `(B, C, T)`.

    Args:
        config: sizes.
        channels: audio channels C.
    """

    def __init__(self, config: DiscriminatorConfig, channels: int = 1) -> None:
        super().__init__()
        self.config: DiscriminatorConfig = config
        self.channels = channels

    @abstractmethod
    def forward(self, x: Tensor) -> Judgement:
        """Judge a batch.

        Args:
            x: audio `(B, C, T)`, T at least `config.min_samples`.

        Raises:
            ValueError: another number of channels, or too short.
        """

    def check(self, x: Tensor) -> None:
        """Refuse what is no audio of these channels and of enough length."""
        if x.dim() != 3 or x.shape[1] != self.channels:
            raise ValueError(f"expected audio (B, {self.channels}, T), got {tuple(x.shape)}")
        if x.shape[-1] < self.config.min_samples:
            raise ValueError(
                f"the discriminator needs {self.config.min_samples} samples, got {x.shape[-1]}; "
                "train on longer crops or with a shorter-sighted discriminator"
            )
