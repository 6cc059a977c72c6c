"""Codebook layouts: in which order a language model writes the K codes of each frame.

MusicGen (Copet et al., 2023) compares parallel, delayed and flattened codebooks; the coarse-first
order is that of VALL-E (Wang et al., 2023), the grouped one that of AudioLM and MusicLM (Borsos
et al., 2022; Agostinelli et al., 2023).

A layout is a matrix `steps (K, T)`: the sequence step at which the code of row q and frame t is
written. Step 0 holds no code; it is the start column. A step holds at most one code of each row,
and a row is written in the order of its frames. All else follows from that matrix: building a
sequence is a scatter, reverting one is a gather.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "MISSING",
    "OUTSIDE",
    "CoarseFirst",
    "Delay",
    "Flattened",
    "Grouped",
    "Layout",
    "Parallel",
    "Reverted",
    "batch_steps",
    "build",
    "first_step",
    "latest_frames",
    "num_steps",
    "revert",
    "revert_logits",
]

MISSING = -1
"""Stands where a sequence has no code yet: no vocabulary holds it, no embedding takes it."""
OUTSIDE = -1
"""Stands for the step of a code that lies past the end of its item."""


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """An order of codes; `steps` is its whole meaning."""

    @property
    def streams(self) -> bool:
        """Whether a frame's steps do not depend on how many frames follow."""
        return True

    @abstractmethod
    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        """Return int64 `(K, T)`: the step of each code, 1 or more.

        Raises:
            ValueError: the layout's settings do not fit that many codebooks.
        """


@dataclass(frozen=True, kw_only=True)
class Parallel(Layout):
    """All codes of a frame in one step: T steps after the start."""

    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        return (1 + torch.arange(num_frames)).expand(num_codebooks, -1)


@dataclass(frozen=True, kw_only=True)
class Delay(Layout):
    """Row q lags by `delays[q]` steps: T + max(delays) steps. MusicGen's own layout."""

    delays: tuple[int, ...] = ()
    """Lag of each row; empty = 0, 1, ..., K - 1. Stereo rows L0 R0 L1 R1 ...: 0 0 1 1 ..."""

    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        lag = _per_row("delays", self.delays, num_codebooks)
        return 1 + torch.arange(num_frames) + lag[:, None]


@dataclass(frozen=True, kw_only=True)
class Flattened(Layout):
    """The rows of a frame one after the other, then the next frame: K T steps."""

    order: tuple[int, ...] = ()
    """Turn of each row within its frame; empty = 0, 1, ..., K - 1. Equal turns share a step, so
    0 1 1 1 writes the first row and then the rest at once."""
    delays: tuple[int, ...] = ()
    """Lag of each row in frames; empty = none."""

    @property
    def streams(self) -> bool:
        return not any(self.delays)

    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        turn = _per_row("order", self.order, num_codebooks)
        lag = _per_row("delays", self.delays or (0,) * num_codebooks, num_codebooks)
        turns = int(turn.max()) + 1
        raw = (torch.arange(num_frames) + lag[:, None]) * turns + turn[:, None]
        # lags leave steps without any code at both ends; they are closed up
        return 1 + torch.unique(raw, return_inverse=True)[1]


@dataclass(frozen=True, kw_only=True)
class CoarseFirst(Layout):
    """All frames of row 0, then all frames of the other rows together: about 2 T steps."""

    delays: tuple[int, ...] = ()
    """Lags of rows 1, 2, ... among themselves; empty = none."""

    @property
    def streams(self) -> bool:
        return False

    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        fine = num_codebooks - 1
        lag = _per_row("delays", self.delays or (0,) * fine, fine)
        start = torch.cat([torch.zeros(1, dtype=torch.int64), num_frames + lag])
        return 1 + torch.arange(num_frames) + start[:, None]


@dataclass(frozen=True, kw_only=True)
class Grouped(Layout):
    """Groups of rows, each flattened over all frames before the next begins: K T steps."""

    group: int = 2
    """Rows of a group; the last one may be smaller."""

    @property
    def streams(self) -> bool:
        return False

    def steps(self, num_codebooks: int, num_frames: int) -> Tensor:
        if self.group < 1:
            raise ValueError(f"a group has at least one row, got group={self.group}")
        row = torch.arange(num_codebooks)
        first = row // self.group * self.group
        size = (num_codebooks - first).clamp_max(self.group)
        start = first * num_frames + (row - first)
        return 1 + start[:, None] + torch.arange(num_frames) * size[:, None]


def _per_row(name: str, values: tuple[int, ...], rows: int) -> Tensor:
    values = values or tuple(range(rows))
    if len(values) != rows or (values and min(values) < 0):
        raise ValueError(f"{name} needs {rows} values of 0 or more, one for a row, got {values}")
    return torch.tensor(values, dtype=torch.int64)


def batch_steps(layout: Layout, num_codebooks: int, lengths: Tensor, num_frames: int) -> Tensor:
    """Lay out a padded batch: each item as if it were alone.

    Args:
        layout: the order of codes.
        num_codebooks: rows K.
        lengths: int `(B,)`, frames of each item.
        num_frames: frames T that the batch is padded to.

    Returns:
        int64 `(B, K, T)` on the device of `lengths`, OUTSIDE past the end of an item.
    """
    frame = torch.arange(num_frames, device=lengths.device)
    if layout.streams:
        steps = layout.steps(num_codebooks, num_frames).to(lengths.device)
        return torch.where(frame < lengths[:, None, None], steps, OUTSIDE)
    steps = frame.new_full((len(lengths), num_codebooks, num_frames), OUTSIDE)
    for length in lengths.unique().tolist():
        own = layout.steps(num_codebooks, length).to(lengths.device)
        steps[lengths == length, :, :length] = own
    return steps


def num_steps(steps: Tensor) -> int:
    """Length S of the sequence that `steps` lays out, start column included."""
    return max(int(steps.max()) + 1, 1) if steps.numel() else 1


def first_step(steps: Tensor, frame: int) -> int:
    """First step that writes a code of `frame` or later: where continuing a prompt begins."""
    rest = steps[..., frame:]
    rest = rest[rest != OUTSIDE]
    return int(rest.min()) if rest.numel() else num_steps(steps)


def build(codes: Tensor, steps: Tensor, special: Tensor | int) -> Tensor:
    """Lay codes out as a sequence.

    Args:
        codes: int64 `(B, K, T)`.
        steps: int64 `(K, T)` or `(B, K, T)`.
        special: what fills the steps where a row has no code: a number, or one a row `(K,)`.

    Returns:
        int64 `(B, K, S)`.
    """
    batch, rows, _ = codes.shape
    length = num_steps(steps)
    fill = torch.as_tensor(special, dtype=codes.dtype, device=codes.device).expand(rows)
    # one column more takes the codes that lie outside
    sequence = fill[None, :, None].repeat(batch, 1, length + 1)
    index = steps.to(codes.device)
    index = index.masked_fill(index == OUTSIDE, length).expand_as(codes)
    return sequence.scatter_(2, index, codes)[:, :, :length]


def latest_frames(steps: Tensor) -> Tensor:
    """Which frame each step writes: the latest of those that it holds a code of.

    Args:
        steps: int64 `(B, K, T)`.

    Returns:
        int64 `(B, S)`, 0 for steps that hold no code.
    """
    batch, _, frames = steps.shape
    length = num_steps(steps)
    # one column more takes the codes that lie outside
    index = steps.masked_fill(steps == OUTSIDE, length).flatten(1)
    frame = torch.arange(frames, device=steps.device).expand_as(steps).flatten(1)
    latest = frame.new_zeros(batch, length + 1).scatter_reduce(1, index, frame, "amax")
    return latest[:, :length]


class Reverted(NamedTuple):
    """Codes or logits back in frames."""

    values: Tensor
    """`(B, K, T)` or `(B, K, T, V)`."""
    mask: Tensor
    """bool, shaped like `steps`: False where the sequence does not hold the code."""


def revert(sequence: Tensor, steps: Tensor) -> Reverted:
    """Undo `build`.

    Args:
        sequence: int64 `(B, K, S)`, possibly cut short.
        steps: int64 `(K, T)` or `(B, K, T)`.

    Returns:
        Codes `(B, K, T)`, MISSING where the mask is False.
    """
    steps = steps.to(sequence.device)
    mask = (steps != OUTSIDE) & (steps < sequence.shape[2])
    index = steps.where(mask, 0).expand(sequence.shape[0], -1, -1)
    return Reverted(sequence.gather(2, index).where(mask, MISSING), mask)


def revert_logits(logits: Tensor, steps: Tensor) -> Reverted:
    """Bring a model's outputs back to the codes that they predict.

    The output at step s predicts step s + 1, so the layout is read without its start column.

    Args:
        logits: `(B, K, S, V)`.
        steps: int64 `(K, T)` or `(B, K, T)`.

    Returns:
        Logits `(B, K, T, V)`, NaN where the mask is False.
    """
    source = steps.to(logits.device) - 1
    mask = (source >= 0) & (source < logits.shape[2])
    index = source.where(mask, 0).expand(logits.shape[0], -1, -1)[..., None]
    values = logits.gather(2, index.expand(-1, -1, -1, logits.shape[3]))
    return Reverted(values.where(mask[..., None], float("nan")), mask)
