"""A range coder, and codes through it with an adaptive model.

G. N. N. Martin, "Range encoding", 1979: a message is a number, and each symbol narrows the
interval it lies in by its frequency. Integers of 48 bits with carries resolved as they come.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .errors import BitstreamError
from .model import CodeModel

__all__ = [
    "CODES_PER_BYTE",
    "RangeDecoder",
    "RangeEncoder",
    "decode_codes",
    "encode_codes",
    "smallest_size",
]

BITS = 48
TOP, BOTTOM = 1 << BITS, 1 << (BITS - 8)
"""The interval is kept above BOTTOM, which bounds the sum of frequencies."""

CODES_PER_BYTE = 64
"""Codes that a coded byte stands for at most; less is padded. So the size bounds the frames."""

REPORT_EVERY = 512
"""Frames between calls of `on_frame`."""

OnFrame = Callable[[int], None]


class RangeEncoder:
    """Symbols in, bytes out."""

    def __init__(self) -> None:
        self._low, self._range, self._out = 0, TOP, bytearray()

    def encode(self, start: int, size: int, total: int) -> None:
        """Take the share `[start, start + size)` of `total`, which is at most 2^40."""
        unit = self._range // total
        self._low += unit * start
        self._range = unit * size
        if self._low >= TOP:
            self._carry()
        while self._range < BOTTOM:
            self._out.append(self._low >> (BITS - 8))
            self._low = (self._low << 8) & (TOP - 1)
            self._range <<= 8

    def finish(self) -> bytes:
        """Return the shortest bytes whose number, with zeros behind it, lies in the interval."""
        for kept in range(BITS // 8 + 1):
            step = 1 << (BITS - 8 * kept)
            value = -(-self._low // step) * step
            if value < self._low + self._range:
                break
        self._low = value
        if self._low >= TOP:
            self._carry()
        self._out += (self._low >> (BITS - 8 * kept)).to_bytes(kept, "big")
        return bytes(self._out).rstrip(b"\0")

    def _carry(self) -> None:
        # The whole number stays below 1, so a byte below 255 is always there to take it.
        self._low -= TOP
        at = len(self._out) - 1
        while self._out[at] == 255:
            self._out[at] = 0
            at -= 1
        self._out[at] += 1


class RangeDecoder:
    """Bytes in, symbols out; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        head = BITS // 8
        self._data, self._at, self._range = data, head, TOP
        self._value = int.from_bytes(data[:head].ljust(head, b"\0"), "big")

    def target(self, total: int) -> int:
        """Where in `total` the next symbol lies.

        Raises:
            BitstreamError: nowhere: no encoder makes such a number.
        """
        found = self._value // (self._range // total)
        if found >= total:
            raise BitstreamError("the coded numbers leave their interval: the stream is corrupt")
        return found

    def advance(self, start: int, size: int, total: int) -> None:
        """Step over the symbol with the share `[start, start + size)` of `total`."""
        unit = self._range // total
        self._value -= unit * start
        self._range = unit * size
        while self._range < BOTTOM:
            byte = self._data[self._at] if self._at < len(self._data) else 0
            self._at += 1
            self._value = self._value << 8 | byte
            self._range <<= 8


def smallest_size(rows: int, frames: int) -> int:
    """Bytes that coded codes take at least."""
    return -(-rows * frames // CODES_PER_BYTE)


def encode_codes(
    codes: NDArray[np.int64], model: CodeModel, on_frame: OnFrame | None = None
) -> bytes:
    """Code `(K, F)` frame by frame, rows in order within a frame; the model learns on the way.

    Args:
        codes: each below its row's vocabulary.
        model: as the decoder will have it, used for nothing before.
        on_frame: called with the frames done, now and then.
    """
    encoder, columns = RangeEncoder(), codes.T.tolist()
    for frame, column in enumerate(columns):
        for row, code in enumerate(column):
            before, above = model.context(columns, frame, row)
            sums = model.frequencies(row, before, above).cumsum()
            start = int(sums[code - 1]) if code else 0
            encoder.encode(start, int(sums[code]) - start, int(sums[-1]))
            model.update(row, before, above, code)
        if on_frame is not None and _due(frame, len(columns)):
            on_frame(frame + 1)
    return encoder.finish().ljust(smallest_size(*codes.shape), b"\0")


def decode_codes(
    data: bytes, frames: int, model: CodeModel, on_frame: OnFrame | None = None
) -> NDArray[np.int64]:
    """Undo `encode_codes` with a model in the same state.

    Raises:
        BitstreamError: too few bytes for so many frames, or no stream of ours.
    """
    rows = len(model.vocab)
    if len(data) < smallest_size(rows, frames):
        raise BitstreamError(
            f"expected at least {smallest_size(rows, frames)} bytes for {frames} frames of {rows} "
            f"codes, got {len(data)}"
        )
    decoder, columns = RangeDecoder(data), []
    for frame in range(frames):
        column: list[int] = []
        columns.append(column)
        for row in range(rows):
            before, above = model.context(columns, frame, row)
            sums = model.frequencies(row, before, above).cumsum()
            total = int(sums[-1])
            code = int(np.searchsorted(sums, decoder.target(total), side="right"))
            start = int(sums[code - 1]) if code else 0
            decoder.advance(start, int(sums[code]) - start, total)
            column.append(code)
            model.update(row, before, above, code)
        if on_frame is not None and _due(frame, frames):
            on_frame(frame + 1)
    return np.ascontiguousarray(np.array(columns, dtype=np.int64).reshape(frames, rows).T)


def _due(frame: int, frames: int) -> bool:
    return frame == frames - 1 or frame % REPORT_EVERY == REPORT_EVERY - 1
