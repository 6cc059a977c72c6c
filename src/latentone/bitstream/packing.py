"""Codes as bits: every code takes as many as its row's vocabulary needs, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .errors import BitstreamError

__all__ = ["code_bits", "pack_codes", "packed_size", "unpack_codes"]

BLOCK = 8192
"""Frames that are worked on at a time: a multiple of 8, so that every block is whole bytes."""


def code_bits(vocab: Sequence[int]) -> tuple[int, ...]:
    """Bits of a code in each row, `ceil(log2 vocab)` and at least one."""
    return tuple(max(1, (entries - 1).bit_length()) for entries in vocab)


def packed_size(vocab: Sequence[int], frames: int) -> int:
    """Bytes that `pack_codes` gives."""
    return -(-frames * sum(code_bits(vocab)) // 8)


def pack_codes(codes: NDArray[np.int64], vocab: Sequence[int]) -> bytes:
    """Pack codes `(K, F)` frame by frame, rows in order within a frame, high bits first.

    Only the last byte is padded, with zeros.
    """
    widths = code_bits(vocab)
    packed = bytearray()
    for start in range(0, codes.shape[1], BLOCK):
        block = codes[:, start : start + BLOCK]
        bits = [
            (row[:, None] >> np.arange(width - 1, -1, -1)) & 1
            for row, width in zip(block, widths, strict=True)
        ]
        packed += np.packbits(np.concatenate(bits, axis=1).astype(np.uint8)).tobytes()
    return bytes(packed)


def unpack_codes(data: bytes, vocab: Sequence[int], frames: int) -> NDArray[np.int64]:
    """Undo `pack_codes`.

    Raises:
        BitstreamError: not as many bytes as the frames take, a code that its vocabulary does not
            have, or padding that is not zero.
    """
    size = packed_size(vocab, frames)
    if len(data) != size:
        raise BitstreamError(
            f"expected {size} bytes for {frames} frames of {len(vocab)} packed codes, "
            f"got {len(data)}"
        )
    widths = code_bits(vocab)
    edges = np.cumsum([0, *widths])
    width = int(edges[-1])
    codes = np.empty((len(vocab), frames), dtype=np.int64)
    raw = np.frombuffer(data, dtype=np.uint8)
    for start in range(0, frames, BLOCK):
        stop = min(start + BLOCK, frames)
        bits = np.unpackbits(raw[start * width // 8 : -(-stop * width // 8)])
        if bits[(stop - start) * width :].any():
            raise BitstreamError("the bits behind the last code are not zero: no stream of ours")
        table = bits[: (stop - start) * width].reshape(-1, width).astype(np.int64)
        for row, (left, right) in enumerate(pairwise(edges)):
            weights = 1 << np.arange(right - left - 1, -1, -1)
            codes[row, start:stop] = table[:, left:right] @ weights
    for row, entries in enumerate(vocab):
        if frames and codes[row].max() >= entries:
            raise BitstreamError(
                f"row {row} holds the code {codes[row].max()}, but its vocabulary ends at "
                f"{entries - 1}"
            )
    return codes
