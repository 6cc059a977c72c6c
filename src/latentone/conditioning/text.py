"""Text, read byte by byte by an encoder that is trained with the model: nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..networks.byte_text import ByteTextEncoder, read_bytes
from .base import Condition, Conditioner, ConditionerConfig

__all__ = ["ByteTextConditioner", "ByteTextConfig", "with_null"]


@dataclass(frozen=True, kw_only=True)
class ByteTextConfig(ConditionerConfig):
    """Sizes of the encoder."""

    dim: int = 192
    """Channels."""
    num_layers: int = 2
    """Blocks."""
    num_heads: int = 4
    """Attention heads of each block."""
    max_bytes: int = 1024
    """Longest text in UTF-8; a longer one is refused."""

    def build(self, dim: int) -> ByteTextConditioner:
        return ByteTextConditioner(self, dim)


class ByteTextConditioner(Conditioner):
    """A sequence: one vector for each byte of the text in UTF-8. Empty text is missing text."""

    kind = "sequence"

    def __init__(self, config: ByteTextConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = ByteTextEncoder(config.dim, config.num_layers, config.num_heads)
        self.project = nn.Linear(config.dim, dim)
        self.null = nn.Parameter(torch.zeros(dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        return read_bytes(raw, self.config.max_bytes)

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        present = prepared["present"]
        hidden = self.encoder(prepared["bytes"], present)
        return with_null(self.project(hidden), present, self.null)


def with_null(value: Tensor, present: Tensor, null: Tensor) -> Condition:
    """Finish a sequence: zeros where nothing is, the null at position 0 if all is missing.

    Args:
        value: `(B, N, E)`.
        present: bool `(B, N)`.
        null: `(E,)`.
    """
    first = torch.arange(present.shape[1], device=present.device) == 0
    missing = ~present.any(1, keepdim=True) & first
    value = value.where(present[..., None], 0.0)
    return Condition(torch.where(missing[..., None], null.to(value.dtype), value), present)
