"""Batches as a function of (seed, step, micro-batch, rank): a resumed loader needs no state."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from torch.utils.data import DataLoader, Sampler

from ..data.sampler import Draw, draw
from .chance import mix
from .task import Batch

__all__ = ["TrainingData", "preview_batch", "training_batches", "validation_batches"]


class TrainingData(Protocol):
    """What `fit` takes: items by draw, their weights, and how they become a batch."""

    @property
    def weights(self) -> Sequence[float]:
        """How often each item is drawn, relative to the others."""
        ...

    @property
    def collate(self) -> Callable[[list[Any]], Batch]:
        """Turns a list of items into a batch."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, draw: Draw) -> Any: ...


class _Draws(Sampler[list[Draw]]):
    """The micro-batches of one rank from `first` on, without an end."""

    def __init__(
        self, weights: Sequence[float], *, seed: int, first: int, rank: int, world: int, size: int
    ) -> None:
        self.weights, self.seed, self.first = weights, seed, first
        self.rank, self.world, self.size = rank, world, size

    def __iter__(self) -> Iterator[list[Draw]]:
        at = self.first
        while True:
            yield draw(self.seed, at, self.rank, self.world, self.size, self.weights)
            at += 1


def training_batches(
    data: TrainingData,
    *,
    seed: int,
    batch_size: int,
    accumulate: int = 1,
    first_step: int = 0,
    rank: int = 0,
    world: int = 1,
    workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Batch]:
    """Yield micro-batches for ever, from optimiser step `first_step` on.

    Args:
        data: items, weights and collation.
        seed: decides every draw.
        batch_size: items of one micro-batch.
        accumulate: micro-batches of one optimiser step.
        first_step: optimiser steps already done.
        rank: of this process.
        world: processes in all; each draws its own part.
        workers: loading processes; what they load does not depend on their number.
        pin_memory: page-locked batches, for CUDA.

    Raises:
        ValueError: there is nothing to draw from.
    """
    if len(data) == 0:
        raise ValueError("there is no training item; expected at least one")
    first = first_step * accumulate
    draws = _Draws(data.weights, seed=seed, first=first, rank=rank, world=world, size=batch_size)
    loader: DataLoader[Any] = DataLoader(
        data,  # type: ignore[arg-type]  # a Dataset by its methods
        batch_sampler=draws,
        collate_fn=data.collate,
        num_workers=workers,
        pin_memory=pin_memory,
        worker_init_fn=_leave_signals_to_parent,
        prefetch_factor=4 if workers else None,
    )
    yield from loader


def _leave_signals_to_parent(worker: int) -> None:
    """Ctrl-C reaches the whole process group; the trainer needs its workers to end the step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _fixed_draws(data: TrainingData, items: int, seed: int) -> list[Draw]:
    """Draws spread evenly over the items, one excerpt of each, the same every time."""
    count = min(items, len(data))
    chosen = [i * len(data) // count for i in range(count)]
    return [Draw(index, mix(seed, index) / 2**63) for index in chosen]


def validation_batches(
    data: TrainingData, *, items: int, batch_size: int, seed: int, rank: int = 0, world: int = 1
) -> Iterator[tuple[Batch, int]]:
    """Yield this rank's part of the fixed validation items, with the number of items in each."""
    mine = _fixed_draws(data, items, seed)[rank::world]
    for start in range(0, len(mine), batch_size):
        part = mine[start : start + batch_size]
        yield data.collate([data[d] for d in part]), len(part)


def preview_batch(data: TrainingData, *, items: int, validated: int, seed: int) -> Batch:
    """The first few of the fixed validation items, for ears and eyes."""
    draws = _fixed_draws(data, validated, seed)[:items]
    return data.collate([data[d] for d in draws])
