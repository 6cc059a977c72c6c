"""Decoding latents whose sound does not fit in memory, window by window.

A convolutional decoder hears a finite stretch of latents around each frame. A window that reaches
that much further on both sides gives the wanted frames exactly, with no fade between windows; where
the latents end, so does the window, and the decoder pads the same edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from .base import Codec

__all__ = ["decode_by_windows"]


def decode_by_windows(codec: Codec, latents: Tensor, chunk_frames: int) -> Iterator[Tensor]:
    """Decode latents in constant memory, for a codec with a finite `decode_context`.

    Args:
        codec: with `decode_context`, the frames on either side that take part in a frame's sound.
        latents: `(B, D, F)`.
        chunk_frames: frames of each piece; what is computed twice is `2 * decode_context` for each.

    Yields:
        Consecutive pieces `(B, C, n)`; joined they are `codec.decode(latents)`.

    Raises:
        ValueError: the codec needs all latents at once, or `chunk_frames` is below 1.
    """
    context = codec.decode_context
    if context is None:
        raise ValueError(
            f"{type(codec).__name__} has no finite receptive field to decode by: "
            "use `decode` on the whole"
        )
    if chunk_frames < 1:
        raise ValueError(f"chunk_frames must be at least 1, got {chunk_frames}")
    return _pieces(codec, latents, chunk_frames, context)


def _pieces(codec: Codec, latents: Tensor, chunk: int, context: int) -> Iterator[Tensor]:
    hop, frames = codec.num_samples(2) - codec.num_samples(1), latents.shape[-1]
    for start in range(0, frames, chunk):
        stop = min(start + chunk, frames)
        first, last = max(0, start - context), min(frames, stop + context)
        y = codec.decode(latents[..., first:last])
        yield y[..., (start - first) * hop : (stop - first) * hop]
