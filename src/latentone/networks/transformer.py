"""A decoder-only transformer that reads a prefix and attends to a memory.

The blocks are those of MusicGen (Copet et al., 2023): layer norm before each part, no biases in
attention and feed-forward, GELU, sinusoidal positions. A prefix carries no positions of its own:
the first code of a sequence stands at position 0 whatever precedes it, so that a batch whose
prefixes differ in length gives what its items give alone. Frames, where a context has them, are
added to the steps that write them, as positions are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn.attention import CrossAttention, KeyValues, SelfAttention
from ..nn.skinny import pack, skinny_linear
from .context import Context

__all__ = ["Transformer", "TransformerConfig", "TransformerState", "sinusoids"]


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes of a `Transformer`."""

    dim: int = 1024
    """Channels."""
    num_layers: int = 24
    """Blocks."""
    num_heads: int = 16
    """Attention heads of each block."""
    ffn_dim: int = 4096
    """Channels inside the feed-forward part."""
    cross_attention: bool = True
    """Whether every block attends to a memory."""
    dropout: float = 0.0
    """Share of each part's outputs that is zeroed in training."""
    max_period: float = 10000.0
    """Longest wavelength of the positions, in steps, over 2 pi."""

    def __post_init__(self) -> None:
        if self.dim % (2 * self.num_heads):
            raise ValueError(f"dim={self.dim} must be a multiple of 2 num_heads={self.num_heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")


@dataclass(kw_only=True)
class TransformerState:
    """The middle of a sequence: caches with room for the rest of it."""

    caches: list[KeyValues]
    memories: list[KeyValues]
    ffn_out: list[Tensor]
    """Each block's widest weight, packed for `skinny_linear`."""
    cache_mask: Tensor | None
    """bool `(B, 1, 1, P + capacity)`; None when the prefix has no padding."""
    memory_mask: Tensor | None
    """bool `(B, 1, 1, N)`."""
    positions: Tensor
    """What is added to each step: `(capacity, D)`, or `(B, capacity, D)` with frames."""
    prefix: int
    """Entries of the caches that the prefix takes."""
    done: int
    """Steps of the sequence read so far."""


def sinusoids(count: int, dim: int, max_period: float, like: Tensor) -> Tensor:
    """Positions 0 to `count - 1` as `(count, dim)`: cosines in the first half, sines in the last.

    Angular frequencies fall geometrically from 1 to `1 / max_period`, both included.
    """
    half = dim // 2
    index = torch.arange(half, dtype=torch.float32, device=like.device)
    frequency = torch.exp(index * -(math.log(max_period) / max(half - 1, 1)))
    angle = torch.arange(count, dtype=torch.float32, device=like.device)[:, None] * frequency
    return torch.cat([angle.cos(), angle.sin()], dim=1).to(like.dtype)


class Block(nn.Module):
    """Self-attention, cross-attention where there is a memory, feed-forward."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        dim = config.dim
        self.self_norm = nn.LayerNorm(dim)
        self.self_attention = SelfAttention(dim, config.num_heads)
        if config.cross_attention:
            self.cross_norm = nn.LayerNorm(dim)
            self.cross_attention = CrossAttention(dim, config.num_heads)
        self.ffn_norm = nn.LayerNorm(dim)
        self.ffn_in = nn.Linear(dim, config.ffn_dim, bias=False)
        self.ffn_out = nn.Linear(config.ffn_dim, dim, bias=False)
        self.dropout = nn.Dropout(config.dropout)
        self.attends_memory = config.cross_attention

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None,
        memory_mask: Tensor | None,
        cache: KeyValues | None,
    ) -> Tensor:
        h = self.self_attention(self.self_norm(x), mask, causal=mask is None, cache=cache)
        x = x + self.dropout(h)
        if memory is not None:
            x = x + self.dropout(self.cross_attention(self.cross_norm(x), memory, memory_mask))
        return x + self.dropout(self.ffn_out(F.gelu(self.ffn_in(self.ffn_norm(x)))))

    def step(self, x: Tensor, layer: int, state: TransformerState) -> Tensor:
        """One position `(B, D)`, the same arithmetic as `forward` in eval mode."""
        position = state.prefix + state.done
        mask = None if state.cache_mask is None else state.cache_mask[..., : position + 1]
        x = x + self.self_attention.step(self.self_norm(x), state.caches[layer], position, mask)
        if self.attends_memory:
            h = self.cross_norm(x)
            x = x + self.cross_attention.step(h, state.memories[layer], state.memory_mask)
        h = F.gelu(skinny_linear(self.ffn_norm(x), self.ffn_in.weight))
        return x + skinny_linear(h, state.ffn_out[layer])


class Transformer(nn.Module):
    """Vectors `(B, S, D)` to vectors `(B, S, D)`, each of which has seen those up to itself."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.num_layers)])
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self._initialize()

    def _initialize(self) -> None:
        # Variance 1 / fan-in; what is added to the residual stream by block l is divided by
        # sqrt(2 l), so that the sum over blocks does not grow with depth.
        for depth, block in enumerate(self.blocks, start=1):
            for name, weight in block.named_parameters():
                if weight.dim() < 2:
                    continue
                added = name.endswith("out.weight")
                std = weight.shape[1] ** -0.5 / (math.sqrt(2 * depth) if added else 1.0)
                nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std)

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        """Read whole sequences `(B, S, D)`; the outputs of the prefix are dropped."""
        return self._read(x, context or Context(), None)

    def start(
        self, x: Tensor, context: Context | None, capacity: int
    ) -> tuple[Tensor, TransformerState]:
        """Read the beginning of sequences of up to `capacity` steps and keep what `step` needs.

        Shape:
            x `(B, S, D)`, S of 1 or more, to `(B, S, D)`.
        """
        context = context or Context()
        heads = self.config.num_heads
        prefix, memory = context.prefix, context.memory
        before = 0 if prefix is None else prefix.value.shape[1]
        caches = [KeyValues.empty(x, heads, before + capacity) for _ in self.blocks]
        y = self._read(x, context, caches)

        cache_mask = memory_mask = None
        if prefix is not None and prefix.mask is not None:
            cache_mask = F.pad(prefix.mask, (0, capacity), value=True)
            cache_mask = cache_mask[:, None, None]
        if memory is not None and memory.mask is not None:
            memory_mask = memory.mask[:, None, None]
        memories = []
        if memory is not None:
            memories = [block.cross_attention.remember(memory.value) for block in self._blocks()]
        state = TransformerState(
            caches=caches,
            memories=memories,
            ffn_out=[pack(block.ffn_out.weight, len(x)) for block in self._blocks()],
            cache_mask=cache_mask,
            memory_mask=memory_mask,
            positions=self._positions(capacity, context, x),
            prefix=before,
            done=x.shape[1],
        )
        return y, state

    def step(self, x: Tensor, state: TransformerState) -> Tensor:
        """Read one more position `(B, D)`; the state is advanced in place."""
        x = x + state.positions[..., state.done, :]
        for layer, block in enumerate(self._blocks()):
            x = block.step(x, layer, state)
        state.done += 1
        return self.norm(x)

    def _blocks(self) -> Iterable[Block]:
        return cast(Iterable[Block], self.blocks)

    def _positions(self, count: int, context: Context, like: Tensor) -> Tensor:
        positions = sinusoids(count, self.config.dim, self.config.max_period, like)
        added = context.added(count)
        return positions if added is None else positions + added

    def _read(self, x: Tensor, context: Context, caches: list[KeyValues] | None) -> Tensor:
        prefix, memory = context.prefix, context.memory
        if (memory is not None) != self.config.cross_attention:
            raise ValueError(
                "a memory is needed exactly when the network has cross-attention, got "
                f"cross_attention={self.config.cross_attention} and "
                f"{'no' if memory is None else 'a'} memory"
            )
        length = x.shape[1]
        x = x + self._positions(length, context, x)
        if prefix is not None:
            x = torch.cat([prefix.value, x], dim=1)
        x = self.dropout(x)
        mask = None if prefix is None else _causal_over(prefix.mask, x.shape[1])
        looked_up = None if memory is None else memory.value
        memory_mask = None
        if memory is not None and memory.mask is not None:
            memory_mask = memory.mask[:, None, None]
        for layer, block in enumerate(self._blocks()):
            cache = None if caches is None else caches[layer]
            x = block(x, mask, looked_up, memory_mask, cache)
        return self.norm(x[:, -length:])


def _causal_over(prefix_mask: Tensor | None, total: int) -> Tensor | None:
    """bool `(B, 1, total, total)` where a prefix has padding; else None: plain causality."""
    if prefix_mask is None:
        return None
    seen = F.pad(prefix_mask, (0, total - prefix_mask.shape[1]), value=True)[:, None, None]
    index = torch.arange(total, device=prefix_mask.device)
    # a padded position sees itself, lest its softmax run over nothing
    return (index[:, None] >= index) & seen | (index[:, None] == index)
