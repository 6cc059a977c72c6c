"""A small transformer that reads text byte by byte: no vocabulary, nothing to download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.attention import SelfAttention
from .transformer import sinusoids

__all__ = ["ByteTextEncoder", "read_bytes"]


def read_bytes(texts: Sequence[Any], limit: int) -> dict[str, Tensor]:
    """Turn texts into `bytes`, int64 `(B, N)`, and `present`, bool `(B, N)`; None is empty.

    Raises:
        ValueError: not text, or longer than `limit` bytes of UTF-8.
    """
    encoded = [_encode(text, limit) for text in texts]
    longest = max([len(text) for text in encoded] + [1])
    padded = [list(text) + [0] * (longest - len(text)) for text in encoded]
    lengths = torch.tensor([len(text) for text in encoded])
    present = torch.arange(longest) < lengths[:, None]
    return {"bytes": torch.tensor(padded, dtype=torch.int64), "present": present}


def _encode(value: Any, limit: int) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    text = value.encode()
    if len(text) > limit:
        raise ValueError(
            f"this model reads at most {limit} bytes of text, got {len(text)}: shorten it; "
            f"what fits ends with {text[:limit].decode(errors='ignore')[-40:]!r}"
        )
    return text


class ByteTextEncoder(nn.Module):
    """Pre-norm transformer over bytes with sinusoidal positions.

    Shape:
        bytes `(B, N)`, present `(B, N)`; output `(B, N, dim)`. What is not present is not attended
        to, except position 0 of an empty text.
    """

    def __init__(self, dim: int, num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.dim = dim
        self.embedding = nn.Embedding(256, dim)
        self.blocks = nn.ModuleList([_Block(dim, num_heads) for _ in range(num_layers)])
        self.norm = nn.LayerNorm(dim)

    def forward(self, index: Tensor, present: Tensor) -> Tensor:
        x = self.embedding(index)
        x = x + sinusoids(x.shape[1], self.dim, 10000.0, x)
        # an item without text attends to position 0, lest its softmax run over nothing
        seen = present.clone()
        seen[:, 0] = True
        for block in self.blocks:
            x = block(x, seen[:, None, None])
        return self.norm(x)


class _Block(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, num_heads)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, 4 * dim)
        self.ffn_out = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), mask)
        return x + self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x))))
