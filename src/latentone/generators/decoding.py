"""Writing codes step by step: a network with caches, under guidance, in windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from ..networks.context import Context, pair
from ..networks.transformer import TransformerState
from ..sampling import layouts
from ..sampling.guidance import guide, guide_pair
from ..sampling.layouts import MISSING, OUTSIDE, Layout
from .draft import Draft
from .windows import Window

__all__ = ["Decoder", "StepModel", "write"]


class StepModel(Protocol):
    """A language model over K rows of codes, one step at a time."""

    special: Tensor
    """int64 `(K,)`: what stands where a step has no code of a row."""

    def start(
        self, tokens: Tensor, context: Context, capacity: int
    ) -> tuple[Tensor, TransformerState]:
        """Read `(B, K, S)`; return logits `(B, K, V)` of the next step, and caches."""
        ...

    def step(self, tokens: Tensor, state: TransformerState) -> Tensor:
        """Read one more step `(B, K)`; return logits `(B, K, V)` of the next."""
        ...


class Decoder:
    """A model in the middle of writing a batch of sequences.

    One context is no guidance. With two, conditional first, both branches run as one batch, so
    that the weights are read once a step; or in two passes, which needs less memory at a time.
    """

    def __init__(
        self,
        model: StepModel,
        contexts: Sequence[Context],
        *,
        scale: float = 1.0,
        two_pass: bool = False,
    ) -> None:
        self.model, self.scale = model, scale
        self.paired = len(contexts) == 2 and not two_pass
        self.contexts = [pair(*contexts)] if self.paired else list(contexts)
        self.states: list[TransformerState] = []

    def start(self, tokens: Tensor, frame: Tensor) -> Tensor:
        """Read the beginning of sequences.

        Args:
            tokens: int64 `(B, K, S)`.
            frame: int64 `(B, capacity)`: which frame is written after each step, of all steps that
                will be read.

        Returns:
            Guided logits `(B, K, V)` of the next step.
        """
        if self.paired:
            tokens, frame = torch.cat([tokens, tokens]), torch.cat([frame, frame])
        contexts = [context._replace(writes=frame) for context in self.contexts]
        capacity = frame.shape[1]
        started = [self.model.start(tokens, context, capacity) for context in contexts]
        self.states = [state for _, state in started]
        return self._guided([logits for logits, _ in started])

    def step(self, tokens: Tensor) -> Tensor:
        """Read one more step `(B, K)`; return guided logits `(B, K, V)` of the next."""
        tokens = torch.cat([tokens, tokens]) if self.paired else tokens
        return self._guided([self.model.step(tokens, state) for state in self.states])

    def _guided(self, logits: list[Tensor]) -> Tensor:
        if self.paired:
            return guide_pair(logits[0], self.scale)
        return guide(logits[0], logits[1], self.scale) if len(logits) == 2 else logits[0]


def write(
    draft: Draft,
    windows: Sequence[Window],
    layout: Layout,
    decoder: Decoder,
    draw: Callable[[Tensor], Tensor],
    *,
    stop: Callable[[Tensor], Tensor] | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> None:
    """Fill a draft, window by window.

    Args:
        draft: what is given; written in place.
        windows: in order, each beginning with codes of the one before.
        layout: the order of codes.
        decoder: the model under its conditions.
        draw: logits `(B, K, V)` to codes `(B, K)`.
        stop: codes so far `(B, K, f)` to bool `(B,)`, True = that item is over.
        on_step: called with (steps done, steps in all).
    """
    spans = [draft.span(draft.steps(layout, window), window) for window in windows]
    total, done, over = sum(last - first for first, last in spans), 0, False
    for window in windows:
        steps = draft.steps(layout, window)
        first, last = draft.span(steps, window)
        if first == last or over:
            continue
        given = draft.codes[:, :, window.start : window.stop]
        sequence = layouts.build(given, steps, decoder.model.special)
        # where items may be stopped all share one layout: a frame is complete for all at once
        ready = steps.amax((0, 1)).tolist()
        frame = window.fresh - window.start
        following = window.start + layouts.latest_frames(steps)[:, 1:last]
        logits = decoder.start(sequence[:, :, :first], following)
        for step in range(first, last):
            given = sequence[:, :, step]
            written = torch.where(given == MISSING, draw(logits), given)
            sequence[:, :, step] = written
            done += 1
            if on_step is not None:
                on_step(done, total)
            while stop is not None and frame < len(ready) and OUTSIDE < ready[frame] <= step:
                frame += 1
                here = layouts.revert(sequence, steps).values[:, :, :frame]
                codes = torch.cat([draft.codes[:, :, : window.start], here], dim=2)
                over = draft.end(stop(codes), codes.shape[2])
            if over:
                break
            if step + 1 < last:
                logits = decoder.step(written)
        draft.merge(window, layouts.revert(sequence, steps).values)
