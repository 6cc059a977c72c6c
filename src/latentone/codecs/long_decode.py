"""Decoding latents whose sound does not fit in memory, piece by piece.

A convolutional decoder hears a finite stretch of latents around each frame. A window that reaches
that much further on both sides gives the wanted frames exactly, with no fade between windows; where
the latents end, so does the window, and the decoder pads the same edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .base import Codec
    from .long import Streams

__all__ = [
    "DecodeWindow",
    "decode_by_windows",
    "decode_whole",
    "decode_windows",
    "gain_of",
    "keep_gains",
    "latent_pieces",
    "regroup",
]

DecodeWindow = Callable[[Tensor, int], Tensor]
"""`decode(latents, first)`: the sound of latents `(B, D, n)` that begin at frame `first`."""


def regroup(pieces: Iterable[Tensor], frames: int) -> Iterator[Tensor]:
    """Cut consecutive pieces `(..., n)` anew, each `frames` long; the last may be shorter."""
    held: list[Tensor] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[-1]
        if count >= frames:
            joined, whole = torch.cat(held, dim=-1), count - count % frames
            yield from joined[..., :whole].split(frames, dim=-1)
            held, count = [joined[..., whole:].clone()], count - whole
    if count:
        yield torch.cat(held, dim=-1)


def latent_pieces(codec: Codec, pieces: Iterable[Streams], frames: int) -> Iterator[Tensor]:
    """Latents `(1, D, frames)` of the stream `acoustic`, whose codes are dequantised.

    Raises:
        ValueError: `frames` is below 1.
    """
    if frames < 1:
        raise ValueError(f"chunk_frames must be at least 1, got {frames}")
    for rows in regroup((piece["acoustic"] for piece in pieces), frames):
        yield _latents(codec, rows[None])


def keep_gains(pieces: Iterable[Streams], gains: list[float]) -> Iterator[Streams]:
    """Pass pieces on, and collect the values of their gain.

    As numbers: small tensors that stay between large ones that go would hold the memory of both.
    """
    for piece in pieces:
        if "gain" in piece:
            gains += piece["gain"][0].tolist()
        yield piece


def gain_of(gains: list[float], segment: int) -> float:
    """Gain of a segment; 1 where there are none.

    Raises:
        ValueError: there are some, but none for this segment.
    """
    if not gains:
        return 1.0
    if segment >= len(gains):
        raise ValueError(f"expected a gain for segment {segment}, got {len(gains)} gains")
    return gains[segment]


def decode_whole(
    codec: Codec, pieces: Iterable[Streams], rng: torch.Generator | None = None
) -> Tensor:
    """Decode all pieces in one, `(C, n)`; memory grows with their length."""
    parts: dict[str, list[Tensor]] = {}
    for piece in pieces:
        for name, value in piece.items():
            parts.setdefault(name, []).append(value)
    streams = {name: torch.cat(values, dim=-1)[None] for name, values in parts.items()}
    gain = streams.get("gain")
    latents = _latents(codec, streams["acoustic"])
    return codec.decode(latents, gain=None if gain is None else gain[:, 0], rng=rng)[0]


def decode_windows(
    decode: DecodeWindow, pieces: Iterable[Tensor], num_frames: int, *, context: int, hop: int
) -> Iterator[Tensor]:
    """Decode latents that come in pieces, each with `context` frames on either side.

    Args:
        decode: the decoder.
        pieces: consecutive latents `(B, D, n)`; what is computed twice is `2 * context` for each.
        num_frames: of all pieces together.
        context: frames on either side that take part in a frame's sound.
        hop: samples per frame.

    Yields:
        Consecutive sound `(B, C, n)`.

    Raises:
        ValueError: the pieces are not `num_frames` long together.
    """
    held: Tensor | None = None
    first = done = end = 0  # `held` begins at frame `first` and ends at `end`; `done` are yielded
    for piece in pieces:
        held = piece if held is None else torch.cat([held, piece], dim=-1)
        end = first + held.shape[-1]
        ready = end if end >= num_frames else end - context
        if ready > done:
            y = decode(held, first)
            yield y[..., (done - first) * hop : (ready - first) * hop]
            kept = max(first, ready - context)
            held, first, done = held[..., kept - first :].clone(), kept, ready
    if end != num_frames:
        raise ValueError(f"expected {num_frames} frames of latents, got {end}")


def decode_by_windows(codec: Codec, latents: Tensor, chunk_frames: int) -> Iterator[Tensor]:
    """Decode latents that are all there in constant memory, for a codec with `decode_context`.

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
            "use `decode_long`, or `decode` on the whole"
        )
    if chunk_frames < 1:
        raise ValueError(f"chunk_frames must be at least 1, got {chunk_frames}")
    hop = codec.num_samples(2) - codec.num_samples(1)
    sound = decode_windows(
        lambda window, first: codec.decode(window),
        latents.split(chunk_frames, dim=-1),
        latents.shape[-1],
        context=context,
        hop=hop,
    )
    return regroup(sound, chunk_frames * hop)


def _latents(codec: Codec, rows: Tensor) -> Tensor:
    """Latents `(B, D, F)` of latents, or of codes `(B, K, F)`."""
    return rows if rows.is_floating_point() else codec.dequantize(rows)
