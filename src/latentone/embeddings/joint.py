"""A joint embedding of music and words: near where a text describes a sound.

After Huang et al., "MuLan: A Joint Embedding of Music Audio and Natural Language", 2022
(https://arxiv.org/abs/2208.12415) and Wu et al. (CLAP), 2023 (https://arxiv.org/abs/2211.06687):
two towers to 128 dimensions of unit length, and a symmetric contrastive loss with a learned
temperature that starts at 0.07.

Differs: both towers are small and begin from nothing, text is read byte by byte; excerpts of one
piece are no negatives of each other, since its captions fit all of them; every rank contrasts its
own batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..data import Item
from ..networks.byte_text import ByteTextEncoder, read_bytes
from .base import TextAudioEmbedding
from .trained import TrainedEmbedding, TrainedEmbeddingConfig

__all__ = ["JointConfig", "JointEmbedding"]


@dataclass(frozen=True, kw_only=True)
class JointConfig(TrainedEmbeddingConfig):
    """Sizes of both towers."""

    dim: int = 128
    """Of the shared space."""
    text_dim: int = 128
    """Channels of the text tower."""
    text_layers: int = 2
    """Its blocks."""
    text_heads: int = 4
    """Attention heads of each."""
    max_bytes: int = 512
    """Longest text in UTF-8; a longer one is refused."""
    temperature: float = 0.07
    """Where the learned temperature begins."""

    def fitted_to(self, items: Sequence[Item]) -> Self:
        """Raises: ValueError: no item has a caption."""
        if not any(item.caption for item in items):
            raise ValueError(
                "no item has a caption: a joint embedding needs words beside each recording "
                "(song.txt, or `caption` in song.json)"
            )
        return self


class JointEmbedding(TrainedEmbedding, TextAudioEmbedding):
    """Vectors of unit length; the cosine of a text and a sound says how well they fit."""

    config_class = JointConfig
    config: JointConfig
    name = "joint"

    def __init__(self, config: JointConfig) -> None:
        super().__init__(config)
        self.project_audio = nn.Linear(config.network.dim, config.dim)
        self.text = ByteTextEncoder(config.text_dim, config.text_layers, config.text_heads)
        self.project_text = nn.Linear(config.text_dim, config.dim)
        self.log_scale = nn.Parameter(torch.tensor(-log(config.temperature)))

    @property
    def dim(self) -> int:
        return self.config.dim

    def vectors(self, x: Tensor) -> Tensor:
        return F.normalize(self.project_audio(F.relu(self.features(x))).float(), dim=1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """See `TextAudioEmbedding.embed_text`.

        Raises:
            ValueError: an empty text, or one that is too long.
        """
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"expected one text or more, none of them empty, got {list(texts)!r}")
        prepared = read_bytes(texts, self.config.max_bytes)
        device = self.log_scale.device
        return self._words(prepared["bytes"].to(device), prepared["present"].to(device))

    def _words(self, index: Tensor, present: Tensor) -> Tensor:
        hidden = self.text(index, present) * present[..., None]
        mean = hidden.sum(1) / present.sum(1, keepdim=True).clamp_min(1)
        return F.normalize(self.project_text(mean).float(), dim=1)

    def pair(self, x: Tensor, index: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of excerpts and of their texts, `(B, dim)` each, and the scale of cosines.

        The scale is at most 100, as in CLIP.
        """
        scale = self.log_scale.clamp(max=log(100)).exp()
        return self.vectors(x), self._words(index, present), scale

    def targets(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """`bytes` and `present` of the captions; `group`, a number for each item's source.

        Of a caption that is longer than the text tower reads, the beginning is taken.
        """
        limit = self.config.max_bytes
        captions = [(item.caption or "").encode()[:limit].decode(errors="ignore") for item in items]
        groups = [zlib.crc32(item.group.encode()) for item in items]
        return {**read_bytes(captions, limit), "group": torch.tensor(groups)}

    def loss(self, x: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean of both directions' cross-entropies in nats; items without words stay out."""
        audio, words, scale = self.pair(x, targets["bytes"], targets["present"])
        said, group = targets["present"].any(1), targets["group"]
        own = torch.eye(len(group), device=group.device).bool()
        strangers = (group[:, None] != group) & said[:, None] & said
        logits = (scale * audio @ words.T).masked_fill(~(strangers | own), -1e4)
        count = said.sum().clamp_min(1)
        diagonal = torch.arange(len(group), device=group.device)
        parts = [
            (F.cross_entropy(z, diagonal, reduction="none") * said).sum() / count
            for z in (logits, logits.T)
        ]
        right = (logits.argmax(1) == diagonal) & said
        return {
            "loss": (parts[0] + parts[1]) / 2,
            "recall": right.sum() / count,
            "temperature": 1 / scale.detach(),
        }
