"""What a sequence is written under: a prefix that stands before it, a memory it looks up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["Context", "Span", "join", "pair"]


class Span(NamedTuple):
    """Vectors side by side."""

    value: Tensor
    """`(B, N, D)`."""
    mask: Tensor | None = None
    """bool `(B, N)`, False = padding, at least one True an item; None = all valid."""


class Context(NamedTuple):
    """The surroundings of a sequence."""

    prefix: Span | None = None
    """Stands before the sequence."""
    memory: Span | None = None
    """Every block attends to it."""


def join(spans: Sequence[Span]) -> Span | None:
    """One span after the other; None for none."""
    if not spans:
        return None
    mask = torch.cat([_mask(span) for span in spans], dim=1)
    return _span(torch.cat([span.value for span in spans], dim=1), mask)


def pair(first: Context, second: Context) -> Context:
    """One context of twice the batch, `first` above `second`; shorter spans are padded."""
    return Context(_stack(first.prefix, second.prefix), _stack(first.memory, second.memory))


def _stack(first: Span | None, second: Span | None) -> Span | None:
    if first is None or second is None:
        return None
    longest = max(first.value.shape[1], second.value.shape[1])
    values, masks = [], []
    for span in (first, second):
        extra = longest - span.value.shape[1]
        values.append(F.pad(span.value, (0, 0, 0, extra)))
        masks.append(F.pad(_mask(span), (0, extra)))
    return _span(torch.cat(values), torch.cat(masks))


def _mask(span: Span) -> Tensor:
    if span.mask is not None:
        return span.mask
    return torch.ones(span.value.shape[:2], dtype=torch.bool, device=span.value.device)


def _span(value: Tensor, mask: Tensor) -> Span:
    return Span(value, None if bool(mask.all()) else mask)
