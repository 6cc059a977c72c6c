"""A music classifier, and the vectors that its answers are read from.

Won et al. 2020 (see `networks/short_chunk_cnn.py`): the network, a rectifier, dropout, and one
linear layer for every question. Differs from the paper: several questions share the network, each
with its own softmax (or sigmoids, where several answers may be right); the embedding is the vector
before the last rectifier, since distances of sets assume no wall at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import Item
from .labels import Head, fill_classes, targets
from .trained import TrainedEmbedding, TrainedEmbeddingConfig

__all__ = ["ClassifierConfig", "MusicClassifier"]


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(TrainedEmbeddingConfig):
    """Questions and sizes."""

    heads: dict[str, Head] = field(default_factory=dict)
    """What is asked, by name; see `labels.label` for where answers come from."""
    dropout: float = 0.5
    """Share of the vector that is dropped before the answers."""

    def fitted_to(self, items: Sequence[Item]) -> Self:
        return replace(self, heads=fill_classes(self.heads, items))


class MusicClassifier(TrainedEmbedding):
    """Instruments, drum pattern, role, tempo, key: whatever the items of its training say."""

    config_class = ClassifierConfig
    config: ClassifierConfig
    name = "classifier"

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__(config)
        if not config.heads or any(len(head.classes) < 2 for head in config.heads.values()):
            raise ValueError("a classifier needs heads with two classes or more each")
        dim = config.network.dim
        self.heads = nn.ModuleDict(
            {name: nn.Linear(dim, len(head.classes)) for name, head in config.heads.items()}
        )

    @property
    def dim(self) -> int:
        return self.config.network.dim

    def vectors(self, x: Tensor) -> Tensor:
        return self.features(x).float()

    def answers(self, x: Tensor) -> dict[str, Tensor]:
        """Logits `(B, classes)` of every head for windows `(B, C, T)`."""
        return self.logits(self.features(x))

    def logits(self, vectors: Tensor) -> dict[str, Tensor]:
        """Logits `(B, classes)` of every head for vectors `(B, dim)`."""
        hidden = F.dropout(F.relu(vectors), self.config.dropout, self.training)
        return {name: head(hidden) for name, head in self.heads.items()}

    @torch.no_grad()
    def posteriors(self, vectors: Tensor) -> dict[str, Tensor]:
        """Probabilities `(N, classes)` of every head, read from vectors `(N, dim)`.

        Rows add up to 1, except those of heads where several answers may be right.
        """
        found = self.logits(vectors)
        return {
            name: logits.sigmoid() if self.config.heads[name].multiple else logits.softmax(-1)
            for name, logits in found.items()
        }

    def targets(self, items: Sequence[Item]) -> dict[str, Tensor]:
        return targets(self.config.heads, items)

    def loss(self, x: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean over heads of their cross-entropies in nats, over items that say something."""
        parts = {
            f"{name}/loss": _cross_entropy(logits.float(), targets[name])
            for name, logits in self.answers(x).items()
        }
        return {"loss": torch.stack(list(parts.values())).mean(), **parts}


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    if target.is_floating_point():
        said = ~target.isnan().any(1)
        each = F.binary_cross_entropy_with_logits(
            logits, target.nan_to_num(), reduction="none"
        ).mean(1)
    else:
        said = target >= 0
        each = F.cross_entropy(logits, target.clamp_min(0), reduction="none")
    # Also of items that say nothing, times 0: every head has a gradient on every rank.
    return (each * said).sum() / said.sum().clamp_min(1)
