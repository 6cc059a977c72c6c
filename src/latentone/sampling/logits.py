"""From logits to a draw: temperature, top-k, top-p."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["draw", "top_k", "top_p"]


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k largest logits `(..., V)`, the others become -inf; ties with the k-th stay."""
    if k < 1:
        raise ValueError(f"top_k keeps at least one entry, got {k}")
    if k >= logits.shape[-1]:
        return logits
    threshold = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < threshold, float("-inf"))


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of entries whose probability reaches p (Holtzman et al., 2020)."""
    if not 0 < p <= 1:
        raise ValueError(f"top_p is a probability in (0, 1], got {p}")
    ordered, index = logits.sort(dim=-1, descending=True)
    probability = ordered.softmax(-1)
    # the entry that crosses p stays: what counts is the mass before it
    beyond = probability.cumsum(-1) - probability >= p
    return logits.masked_fill(torch.zeros_like(beyond).scatter(-1, index, beyond), float("-inf"))


def draw(
    logits: Tensor,
    *,
    temperature: float = 1.0,
    k: int | None = None,
    p: float | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Draw one entry of each distribution.

    Args:
        logits: `(..., V)`.
        temperature: divides the logits; 0 takes the largest.
        k: keep the k largest.
        p: keep this much probability; where both are given, k is applied first.
        rng: generator on the device of the logits.

    Returns:
        int64 `(...)`.
    """
    if temperature < 0:
        raise ValueError(f"temperature must be 0 or more, got {temperature}")
    if temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / temperature
    if k is not None:
        logits = top_k(logits, k)
    if p is not None:
        logits = top_p(logits, p)
    # The smallest of independent exponentials with rates p_v is entry v with probability p_v:
    # one argmax draws all rows, without the host synchronisation of torch.multinomial.
    waiting = torch.empty_like(logits).exponential_(generator=rng)
    return (logits.softmax(-1) / waiting).argmax(-1)
