"""Text, read byte by byte by an encoder that is trained with the model: nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.transformer import sinusoids
from ..nn.attention import SelfAttention
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
        self.embedding = nn.Embedding(256, config.dim)
        self.blocks = nn.ModuleList([_Block(config) for _ in range(config.num_layers)])
        self.norm = nn.LayerNorm(config.dim)
        self.project = nn.Linear(config.dim, dim)
        self.null = nn.Parameter(torch.zeros(dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        texts = [self._encode(value) for value in raw]
        longest = max([len(text) for text in texts] + [1])
        padded = [list(text) + [0] * (longest - len(text)) for text in texts]
        lengths = torch.tensor([len(text) for text in texts])
        present = torch.arange(longest) < lengths[:, None]
        return {"bytes": torch.tensor(padded, dtype=torch.int64), "present": present}

    def _encode(self, value: Any) -> bytes:
        if value is None:
            return b""
        if not isinstance(value, str):
            raise ValueError(f"expected text, got {value!r}")
        text, limit = value.encode(), self.config.max_bytes
        if len(text) > limit:
            raise ValueError(
                f"this model reads at most {limit} bytes of text, got {len(text)}: shorten it; "
                f"what fits ends with {text[:limit].decode(errors='ignore')[-40:]!r}"
            )
        return text

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        index, present = prepared["bytes"], prepared["present"]
        x = self.embedding(index)
        x = x + sinusoids(x.shape[1], self.config.dim, 10000.0, x)
        # an item without text attends to position 0, lest its softmax run over nothing
        seen = present.clone()
        seen[:, 0] = True
        for block in self.blocks:
            x = block(x, seen[:, None, None])
        return with_null(self.project(self.norm(x)), present, self.null)


class _Block(nn.Module):
    def __init__(self, config: ByteTextConfig) -> None:
        super().__init__()
        dim = config.dim
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, config.num_heads)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, 4 * dim)
        self.ffn_out = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask)
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))


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
