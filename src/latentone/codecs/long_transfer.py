"""Reconstruction and timbre transfer of sound that does not fit in memory, piece by piece.

A *reader* stands for a sound, as in `codecs/long.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..dsp.loudness_meter import LoudnessMeter
from .base import Codec
from .long import Reader, Streams, reader_of
from .transfer import blend, blend_gains, check_amounts, check_codebooks, edit_latents

__all__ = [
    "CHUNK_SECONDS",
    "loudness_gain",
    "loudness_of",
    "reconstruct_long",
    "repeated",
    "sound_of",
    "transfer_long",
    "transfer_sound",
]

CHUNK_SECONDS = 10.0
"""Sound that is encoded and decoded at a time, where a codec can."""


def reconstruct_long(
    codec: Codec,
    read: Reader,
    num_samples: int,
    *,
    num_codebooks: int | None = None,
    rng: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Encode and decode piece by piece.

    Args:
        codec: in eval mode.
        read: `read(start, count)` returns samples `(C, count)` on the codec's device.
        num_samples: length of the sound.
        num_codebooks: use only the first rows of a discrete codec; None uses all.
        rng: decides the chance of decoders that have any.

    Yields:
        Consecutive sound `(C, n)`, `num_samples` in all.

    Raises:
        ValueError: codebooks that the codec does not have.
    """
    check_codebooks(codec, num_codebooks)
    pieces = (
        {**piece, "acoustic": piece["acoustic"][:num_codebooks]}
        for piece in codec.encode_long(read, num_samples, _samples(codec))
    )
    return sound_of(codec, pieces, num_samples, rng=rng)


def sound_of(
    codec: Codec,
    pieces: Iterator[Streams],
    num_samples: int,
    *,
    rng: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Decode pieces of a sound's streams or latents, as long as the sound was; see `decode_long`.

    Yields:
        Consecutive sound `(C, n)`, `num_samples` in all.
    """
    frames, chunk = codec.num_frames(num_samples), max(1, round(CHUNK_SECONDS * codec.frame_rate))
    left = num_samples
    for y in codec.decode_long(pieces, frames, chunk, rng):
        if left:
            yield y[:, :left]
            left -= min(left, y.shape[-1])
    if left:
        raise RuntimeError(f"the codec decoded {num_samples - left} samples of {num_samples}")


def transfer_long(
    codec: Codec,
    read: Reader,
    num_samples: int,
    other: Reader | None = None,
    *,
    amount: float = 0.0,
    mix: float = 0.0,
    bias: Mapping[int, float] | None = None,
    scale: Mapping[int, float] | None = None,
    num_codebooks: int | None = None,
    loudness: float | None = None,
    rng: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Transfer as `codecs.transfer.transfer` does, piece by piece, at the level that comes out.

    Only a whole sound has a loudness, so the caller brings the result to that of the source:
    `loudness_of` measures in one pass, and `loudness_gain` says by how much to scale in the next.

    Args:
        codec: in eval mode.
        read: the sound, on the codec's device.
        num_samples: its length.
        other: another, as long, for `amount` and `mix`.
        amount: as `transfer`, and so are `mix`, `bias`, `scale`, `num_codebooks` and `rng`.
        loudness: in LUFS, to which the other sound is brought first; None leaves it as it is.

    Yields:
        Consecutive sound `(C, n)`, `num_samples` in all.

    Raises:
        ValueError: as `transfer`.
    """
    check_amounts(other is not None, amount, mix)
    check_codebooks(codec, num_codebooks)
    edit_latents(torch.zeros(1, codec.latent_dim, 1), bias=bias, scale=scale)  # refuses early
    if other is not None and loudness is not None:
        gain = loudness_gain(loudness_of(codec, other, num_samples), loudness)
        other = _scaled(other, gain)
    heard = read if other is None or not mix else _blended(read, other, mix)
    chunk = _samples(codec)
    ours = codec.encode_long(heard, num_samples, chunk)
    theirs = None
    if other is not None and amount:
        theirs = codec.encode_long(other, num_samples, chunk)

    def moved() -> Iterator[Streams]:
        for piece in ours:
            latents, rest = _latents(codec, piece, num_codebooks), dict(piece)
            if theirs is not None:
                other_piece = next(theirs)
                latents = blend(latents, _latents(codec, other_piece, num_codebooks), amount)
                if "gain" in piece:
                    rest["gain"] = blend_gains(piece["gain"], other_piece["gain"], amount)
            yield {**rest, "acoustic": edit_latents(latents, bias=bias, scale=scale)[0]}

    return sound_of(codec, moved(), num_samples, rng=rng)


def transfer_sound(
    codec: Codec, x: Tensor, other: Tensor | None = None, *, loudness: bool = True, **how: Any
) -> Tensor:
    """Transfer a sound `(C, T)` that is all there, in pieces, and match its loudness.

    Args:
        codec: in eval mode.
        x: the sound at the codec's rate.
        other: another `(C, T')`; repeated from its beginning, or cut, to the length of `x`.
        loudness: bring the other sound, and the result, to the loudness of `x`.
        how: `amount`, `mix`, `bias`, `scale`, `num_codebooks`, `rng`, as `transfer_long`.
    """
    read, length = reader_of(x), x.shape[-1]
    second = None if other is None else repeated(reader_of(other), other.shape[-1])
    wanted = loudness_of(codec, read, length) if loudness else None
    pieces = transfer_long(codec, read, length, second, loudness=wanted, **how)
    y = torch.cat([piece.float().cpu() for piece in pieces], dim=-1)
    if wanted is None:
        return y
    return y * loudness_gain(loudness_of(codec, reader_of(y), length), wanted)


def repeated(read: Reader, length: int) -> Reader:
    """Repeat a sound of `length` samples from its beginning, without end."""

    def endless(start: int, count: int) -> Tensor:
        parts = []
        while count:
            at = start % length
            part = read(at, min(count, length - at))
            parts.append(part)
            start, count = start + part.shape[-1], count - part.shape[-1]
        return torch.cat(parts, dim=-1)

    return endless


def loudness_of(codec: Codec, read: Reader, num_samples: int) -> float:
    """Integrated loudness of a sound in LUFS, -inf for silence."""
    meter = LoudnessMeter(codec.source.sample_rate, codec.source.channels)
    chunk = _samples(codec)
    for start in range(0, num_samples, chunk):
        meter.add(read(start, min(chunk, num_samples - start)))
    return meter.value


def loudness_gain(ours: float, wanted: float) -> float:
    """Factor from one loudness in LUFS to another; 1 where either is silent."""
    if not (math.isfinite(ours) and math.isfinite(wanted)):
        return 1.0
    return float(10 ** ((wanted - ours) / 20))


def _samples(codec: Codec) -> int:
    return round(CHUNK_SECONDS * codec.source.sample_rate)


def _scaled(read: Reader, gain: float) -> Reader:
    return lambda start, count: gain * read(start, count)


def _blended(read: Reader, other: Reader, mix: float) -> Reader:
    return lambda start, count: blend(read(start, count), other(start, count), mix)


def _latents(codec: Codec, piece: Streams, num_codebooks: int | None) -> Tensor:
    """Latents `(1, D, n)` of a piece, from its first code rows where it has codes."""
    rows = piece["acoustic"][None]
    return codec.dequantize(rows[:, :num_codebooks]) if codec.vocab else rows
