"""Encoding parts of a recording, and recordings that do not fit in memory, window by window.

A *reader* stands for the recording: `read(start, count)` returns samples `(C, count)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from .base import Codec

__all__ = [
    "Reader",
    "Streams",
    "encode_by_windows",
    "encode_whole",
    "encode_window",
    "reader_of",
]

Reader = Callable[[int, int], Tensor]
"""`read(start, count)`: samples `(C, count)`."""

Streams = dict[str, Tensor]
"""A piece of every stream of a codec, each `(rows, frames)`."""


def reader_of(x: Tensor) -> Reader:
    """Read parts of a sound `(C, T)` that is all there."""
    return lambda start, count: x[:, start : start + count]


def encode_whole(codec: Codec, read: Reader, num_samples: int) -> Streams:
    """Encode a recording in one piece; memory grows with its length.

    Returns:
        Streams without a batch axis, each `(rows, frames)`.
    """
    return {name: z[0] for name, z in codec.streams(read(0, num_samples)[None]).items()}


def encode_window(codec: Codec, read: Reader, num_samples: int, start: int, stop: int) -> Streams:
    """Encode frames `start` to `stop` of a recording from the samples they depend on.

    With hop h and context c, frame i is a function of the samples from `(i - c) h` up to
    `(i + 1 + c) h`. A window that reaches c frames further on both sides therefore holds all that
    the wanted frames see, and where the recording ends, so does the window: the codec pads the
    same edge.

    Returns:
        Streams without a batch axis, each `(rows, stop - start)`.
    """
    context = codec.context
    if context is None:
        whole = encode_whole(codec, read, num_samples)
        return {name: z[:, start:stop] for name, z in whole.items()}
    hop = codec.num_samples(2) - codec.num_samples(1)
    first = max(0, start - context)
    begin, end = first * hop, min(num_samples, (stop + context) * hop)
    window = encode_whole(codec, lambda at, count: read(begin + at, count), end - begin)
    return {name: z[:, start - first : stop - first] for name, z in window.items()}


def encode_by_windows(
    codec: Codec, read: Reader, num_samples: int, chunk_samples: int
) -> Iterator[Streams]:
    """Encode window by window a codec whose frames depend on a finite stretch of audio."""
    hop = codec.num_samples(2) - codec.num_samples(1)
    frames, step = codec.num_frames(num_samples), max(1, chunk_samples // hop)
    for start in range(0, frames, step):
        yield encode_window(codec, read, num_samples, start, min(start + step, frames))
