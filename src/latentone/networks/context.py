"""What a sequence is written under: a prefix before it, a memory it looks up, frames beside it."""

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
    frames: Tensor | None = None
    """`(B, F, D)`: vectors that are added to the steps which write their frame."""
    writes: Tensor | None = None
    """int64 `(B, S)`: the frame that follows each step, once it is known how they are laid out."""

    def added(self, length: int) -> Tensor | None:
        """What is added to the first `length` steps, `(B, length, D)`; None without frames.

        Raises:
            ValueError: nothing says which frame a step writes.
        """
        if self.frames is None:
            return None
        if self.writes is None or self.writes.shape[1] < length:
            known = 0 if self.writes is None else self.writes.shape[1]
            raise ValueError(
                f"conditions that vary by frame need the frame of {length} steps, got {known}"
            )
        index = self.writes[:, :length, None].expand(-1, -1, self.frames.shape[2])
        return self.frames.gather(1, index)


def join(spans: Sequence[Span]) -> Span | None:
    """One span after the other; None for none."""
    if not spans:
        return None
    mask = torch.cat([_mask(span) for span in spans], dim=1)
    return _span(torch.cat([span.value for span in spans], dim=1), mask)


def pair(first: Context, second: Context) -> Context:
    """One context of twice the batch, `first` above `second`; shorter spans are padded."""
    return Context(
        _stack(first.prefix, second.prefix),
        _stack(first.memory, second.memory),
        _above(first.frames, second.frames),
        _above(first.writes, second.writes),
    )


def _above(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    return None if first is None or second is None else torch.cat([first, second])


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
