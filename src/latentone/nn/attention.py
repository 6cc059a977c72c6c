"""Multi-head attention over sequences, and over a cache one position at a time."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from .skinny import skinny_linear

__all__ = ["CrossAttention", "KeyValues", "SelfAttention"]


class KeyValues(NamedTuple):
    """Keys and values of one layer, each `(B, H, S, E)`: H heads of width E."""

    keys: Tensor
    values: Tensor

    @classmethod
    def empty(cls, like: Tensor, heads: int, capacity: int) -> KeyValues:
        """Room for `capacity` positions of sequences like `(B, S, D)`, written in place later."""
        batch, _, dim = like.shape
        keys, values = like.new_zeros(2, batch, heads, capacity, dim // heads).unbind(0)
        return cls(keys, values)


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{dim} channels cannot be shared out among {num_heads} heads")
        self.num_heads = num_heads
        self.out = nn.Linear(dim, dim, bias=False)

    def _split(self, x: Tensor) -> Tensor:
        """`(B, S, D)` to `(B, H, S, E)`."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))

    def _attend_one(self, q: Tensor, past: KeyValues, mask: Tensor | None) -> Tensor:
        """One query `(B, D)` over `past`."""
        q = q.unflatten(1, (self.num_heads, 1, -1))
        y = F.scaled_dot_product_attention(q, past.keys, past.values, attn_mask=mask)
        return skinny_linear(y.flatten(1), self.out.weight)


class SelfAttention(_Attention):
    """Attention of a sequence over itself; queries, keys and values come from one product."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        cache: KeyValues | None = None,
    ) -> Tensor:
        """Attend over the whole sequence.

        Args:
            x: `(B, S, D)`.
            mask: bool, broadcastable to `(B, H, S, S)`, True = may be seen; not with `causal`.
            causal: each position sees itself and what came before.
            cache: its first S positions are written with the keys and values of `x`.

        Shape:
            `(B, S, D)` to `(B, S, D)`.
        """
        q, k, v = (self._split(part) for part in self.qkv(x).chunk(3, dim=-1))
        if cache is not None:
            cache.keys[:, :, : x.shape[1]] = k
            cache.values[:, :, : x.shape[1]] = v
        return self._attend(q, k, v, mask, causal)

    def step(
        self, x: Tensor, cache: KeyValues, position: int, mask: Tensor | None = None
    ) -> Tensor:
        """Attend from one new position over itself and the cache, which it is written into.

        Args:
            x: `(B, D)`.
            cache: filled up to `position`.
            position: where `x` stands.
            mask: bool, broadcastable to `(B, H, 1, position + 1)`, True = may be seen.
        """
        q, k, v = skinny_linear(x, self.qkv.weight).chunk(3, dim=1)
        cache.keys[:, :, position] = k.unflatten(1, (self.num_heads, -1))
        cache.values[:, :, position] = v.unflatten(1, (self.num_heads, -1))
        past = KeyValues(cache.keys[:, :, : position + 1], cache.values[:, :, : position + 1])
        return self._attend_one(q, past, mask)


class CrossAttention(_Attention):
    """Attention of a sequence over a memory."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__(dim, num_heads)
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over the memory.

        Args:
            x: `(B, S, D)`.
            memory: `(B, N, D)`.
            mask: bool, broadcastable to `(B, H, S, N)`, True = may be seen.
        """
        k, v = (self._split(part) for part in self.key_value(memory).chunk(2, dim=-1))
        return self._attend(self._split(self.query(x)), k, v, mask, False)

    def remember(self, memory: Tensor) -> KeyValues:
        """Keys and values of a memory, for `step`: computed once, however long the sequence."""
        k, v = (self._split(part) for part in self.key_value(memory).chunk(2, dim=-1))
        return KeyValues(k.contiguous(), v.contiguous())

    def step(self, x: Tensor, memory: KeyValues, mask: Tensor | None = None) -> Tensor:
        """Attend from one position `(B, D)`; mask is bool, broadcastable to `(B, H, 1, N)`."""
        return self._attend_one(skinny_linear(x, self.query.weight), memory, mask)
