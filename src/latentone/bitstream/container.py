"""The file: a header that says what is in it, the streams of a codec, and a checksum of each.

Little-endian throughout; `docs/compression.md` has the table. Nothing is allocated by what the
header says before it was compared with the bytes that are there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .entropy import CODES_PER_BYTE, smallest_size
from .errors import BitstreamError
from .packing import packed_size

__all__ = ["MAGIC", "Header", "StreamHeader", "join", "split"]

MAGIC, VERSION = b"\x89LTN", 1
ENTROPY = 1
"""Flag: codes are entropy coded."""
PREFIX = struct.Struct("<4sBBH")
FIXED = struct.Struct("<32sIHHQQI8s")
STREAM = struct.Struct("<BHQQ")
CRC = struct.Struct("<I")
KINDS: tuple[Literal["codes", "values"], ...] = ("codes", "values")


@dataclass(frozen=True, kw_only=True)
class StreamHeader:
    """What the header says of one stream."""

    kind: Literal["codes", "values"]
    """Codes, or float32 values kept exactly (gains)."""
    rows: int
    """Code rows, or values per frame."""
    frames: int
    """Frames."""
    vocab: tuple[int, ...] = ()
    """Entries per row, for codes."""
    size: int = 0
    """Bytes in the payload."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a stream says of itself."""

    fingerprint: str
    """Of the codec whose codes these are: 64 hexadecimal digits."""
    sample_rate: int
    """Hz."""
    channels: int
    """Audio channels."""
    num_samples: int
    """Samples per channel of the sound that was compressed."""
    entropy: bool
    """Whether codes are entropy coded, else packed."""
    model: bytes = bytes(8)
    """Identity of the entropy model that is needed; zeros without entropy coding."""
    streams: Mapping[str, StreamHeader]
    """By name, in the order of the payload."""

    def __post_init__(self) -> None:
        if not self.streams:
            raise BitstreamError("expected at least one stream, got none")
        if len(self.fingerprint) != 64 or len(self.model) != 8:
            raise BitstreamError(
                f"expected a fingerprint of 64 digits and 8 bytes of model, got "
                f"{self.fingerprint!r} and {self.model!r}"
            )
        if min(self.sample_rate, self.channels, self.num_samples) < 1:
            raise BitstreamError(
                "expected a positive sample rate, channels and samples, got "
                f"{self.sample_rate}, {self.channels}, {self.num_samples}"
            )
        for name, stream in self.streams.items():
            _check_size(name, stream, self.entropy)


def _check_size(name: str, stream: StreamHeader, entropy: bool) -> None:
    """Compare what a stream claims to hold with its bytes."""
    rows = stream.rows if stream.kind == "codes" else 0
    if stream.rows < 1 or len(stream.vocab) != rows or min(stream.vocab, default=1) < 1:
        raise BitstreamError(f"the stream {name!r} has no rows, or a row without entries")
    if stream.kind == "codes" and entropy:
        least = smallest_size(stream.rows, stream.frames)
        if stream.size < least:
            raise BitstreamError(
                f"the stream {name!r} claims {stream.frames} frames of {stream.rows} codes in "
                f"{stream.size} bytes; a byte holds at most {CODES_PER_BYTE}"
            )
        return
    size = 4 * stream.rows * stream.frames
    if stream.kind == "codes":
        size = packed_size(stream.vocab, stream.frames)
    if stream.size != size:
        raise BitstreamError(
            f"the stream {name!r} claims {stream.frames} frames of {stream.rows} {stream.kind}, "
            f"which take {size} bytes, in {stream.size} bytes"
        )


def join(header: Header, payloads: Mapping[str, bytes]) -> bytes:
    """Make the file of a header and the bytes of its streams.

    Raises:
        ValueError: something that the format has no room for.
    """
    payload = b"".join(payloads[name] for name in header.streams)
    try:
        body = FIXED.pack(
            bytes.fromhex(header.fingerprint),
            header.sample_rate,
            header.channels,
            len(header.streams),
            header.num_samples,
            len(payload),
            zlib.crc32(payload),
            header.model,
        )
        for name, stream in header.streams.items():
            text = name.encode()
            body += struct.pack("<B", len(text)) + text
            body += STREAM.pack(
                KINDS.index(stream.kind), stream.rows, stream.frames, len(payloads[name])
            )
            body += struct.pack(f"<{len(stream.vocab)}I", *stream.vocab)
        size = PREFIX.size + len(body) + CRC.size
        head = PREFIX.pack(MAGIC, VERSION, ENTROPY if header.entropy else 0, size) + body
    except struct.error as error:
        raise ValueError(f"the format has no room for this header: {error}") from error
    return head + CRC.pack(zlib.crc32(head)) + payload


def split(data: bytes) -> tuple[Header, dict[str, bytes]]:
    """Read the header, check it and the payload, and cut the payload into streams.

    Raises:
        BitstreamError: no stream of ours, of another version, cut, longer than it says, or
            damaged.
    """
    head, entropy = _checked_head(data)
    fields = _Fields(head)
    digest, rate, channels, count, samples, size, crc, model = fields.take(FIXED)
    streams: dict[str, StreamHeader] = {}
    for _ in range(count):
        name = _name(fields)
        kind, rows, frames, length = fields.take(STREAM)
        if kind >= len(KINDS) or name in streams:
            raise BitstreamError(f"the stream {name!r} is of an unknown kind, or there twice")
        vocab = fields.take(struct.Struct(f"<{rows}I")) if KINDS[kind] == "codes" else ()
        streams[name] = StreamHeader(
            kind=KINDS[kind], rows=rows, frames=frames, vocab=vocab, size=length
        )
    fields.end()
    header = Header(
        fingerprint=digest.hex(),
        sample_rate=rate,
        channels=channels,
        num_samples=samples,
        entropy=entropy,
        model=model,
        streams=streams,
    )
    there = len(data) - len(head) - CRC.size
    if there != size or sum(stream.size for stream in streams.values()) != size:
        raise BitstreamError(
            f"expected {size} bytes behind the header, got {there}: the stream is "
            f"{'cut' if there < size else 'damaged'}"
        )
    payload = memoryview(data)[len(data) - size :]
    if zlib.crc32(payload) != crc:
        raise BitstreamError("the checksum of the payload is wrong: the stream is damaged")
    payloads, at = {}, 0
    for name, stream in streams.items():
        payloads[name] = bytes(payload[at : at + stream.size])
        at += stream.size
    return header, payloads


def _checked_head(data: bytes) -> tuple[bytes, bool]:
    """Return the header without its checksum, and whether codes are entropy coded."""
    if data[: len(MAGIC)] != MAGIC:
        raise BitstreamError(
            f"expected a stream that begins with {MAGIC!r}, got {bytes(data[: len(MAGIC)])!r}: "
            "`latentone compress` did not make it"
        )
    if len(data) < PREFIX.size:
        raise BitstreamError(f"the stream is cut: it has {len(data)} bytes")
    _, version, flags, size = PREFIX.unpack_from(data)
    if version != VERSION:
        raise BitstreamError(
            f"expected version {VERSION} of the format, got {version}: a newer latentone reads it"
        )
    if len(data) < size or size < PREFIX.size + CRC.size:
        raise BitstreamError(f"expected a header of {size} bytes, got {len(data)}: it is cut")
    head = bytes(data[: size - CRC.size])
    if CRC.unpack_from(data, len(head))[0] != zlib.crc32(head):
        raise BitstreamError("the checksum of the header is wrong: the stream is damaged")
    if flags & ~ENTROPY:
        raise BitstreamError(f"expected flags 0 or {ENTROPY}, got {flags}")
    return head, bool(flags & ENTROPY)


class _Fields:
    """A header read from front to back."""

    def __init__(self, head: bytes) -> None:
        self._head, self._at = head, PREFIX.size

    def take(self, layout: struct.Struct) -> tuple:
        if self._at + layout.size > len(self._head):
            raise BitstreamError("the header ends before all that it announces")
        found = layout.unpack_from(self._head, self._at)
        self._at += layout.size
        return found

    def end(self) -> None:
        if self._at != len(self._head):
            raise BitstreamError("the header goes on behind all that it announces")


def _name(fields: _Fields) -> str:
    (length,) = fields.take(struct.Struct("<B"))
    (text,) = fields.take(struct.Struct(f"<{length}s"))
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise BitstreamError("the name of a stream is no UTF-8") from error
