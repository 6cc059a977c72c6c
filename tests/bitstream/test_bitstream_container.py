"""The container, read by hand from its documentation, and everything that can be wrong with it."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.bitstream import BitstreamError, Header, StreamHeader, join, split

HEADER = Header(
    fingerprint="ab" * 32,
    sample_rate=24_000,
    channels=2,
    num_samples=1000,
    entropy=False,
    streams={
        "acoustic": StreamHeader(kind="codes", rows=2, frames=5, vocab=(1024, 3), size=8),
        "gain": StreamHeader(kind="values", rows=1, frames=2, size=8),
    },
)
PAYLOADS = {"acoustic": bytes(range(8)), "gain": struct.pack("<2f", 0.5, 0.25)}
DATA = join(HEADER, PAYLOADS)


def test_header_and_payload_come_back() -> None:
    assert split(DATA) == (HEADER, PAYLOADS)


def test_the_documented_layout() -> None:
    assert DATA[:5] == b"\x89LTN\x01"
    flags, size = struct.unpack_from("<BH", DATA, 5)
    assert flags == 0
    assert DATA[8:40] == b"\xab" * 32
    rate, channels, streams, samples, payload, crc = struct.unpack_from("<IHHQQI", DATA, 40)
    assert (rate, channels, streams, samples, payload) == (24_000, 2, 2, 1000, 16)
    assert DATA[68:76] == bytes(8)
    assert DATA[76:85] == b"\x08acoustic"
    assert struct.unpack_from("<BHQQ2I", DATA, 85) == (0, 2, 5, 8, 1024, 3)
    assert DATA[112:117] == b"\x04gain"
    assert struct.unpack_from("<BHQQ", DATA, 117) == (1, 1, 2, 8)
    assert size == 140 == len(DATA) - payload
    assert struct.unpack_from("<I", DATA, 136)[0] == zlib.crc32(DATA[:136])
    assert crc == zlib.crc32(DATA[140:])
    assert DATA[140:] == PAYLOADS["acoustic"] + PAYLOADS["gain"]


@settings(deadline=None)
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, change: int) -> None:
    damaged = bytearray(DATA)
    damaged[at] ^= change
    with pytest.raises(BitstreamError):
        split(bytes(damaged))


@pytest.mark.parametrize("length", range(len(DATA)))
def test_any_cut_is_noticed(length: int) -> None:
    with pytest.raises(BitstreamError):
        split(DATA[:length])


@settings(deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_are_refused(data: bytes, begun: bool) -> None:
    with pytest.raises(BitstreamError):
        split(DATA[:8] + data if begun else data)


def sealed(change: Callable[[bytearray], None]) -> bytes:
    """A hostile stream: changed, with a checksum that fits."""
    head = bytearray(DATA[:136])
    change(head)
    return bytes(head) + struct.pack("<I", zlib.crc32(bytes(head))) + DATA[140:]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(8, 135), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_hostile_headers_are_refused_or_harmless(changes: list[tuple[int, int]]) -> None:
    def change(head: bytearray) -> None:
        for at, value in changes:
            head[at] = value

    try:
        header, payloads = split(sealed(change))
    except BitstreamError:
        return
    assert sum(map(len, payloads.values())) == 16
    for name, stream in header.streams.items():
        assert stream.size == len(payloads[name])
        assert stream.rows * stream.frames <= 64 * max(1, stream.size)


@pytest.mark.parametrize(
    ("at", "layout", "value", "said"),
    [
        (5, "B", 2, "expected flags 0 or 1"),
        (40, "I", 0, "positive sample rate"),
        (46, "H", 3, "ends before all that it announces"),
        (46, "H", 1, "goes on behind"),
        (46, "H", 0, "goes on behind"),
        (48, "Q", 0, "positive sample rate"),
        (56, "Q", 15, "expected 15 bytes behind the header, got 16: the stream is damaged"),
        (56, "Q", 17, "expected 17 bytes behind the header, got 16: the stream is cut"),
        (77, "B", 255, "no UTF-8"),
        (85, "B", 2, "unknown kind"),
        (86, "H", 65_535, "ends before all that it announces"),
        (86, "H", 0, "the stream"),
        (88, "Q", 2**63, "claims 9223372036854775808 frames"),
        (96, "Q", 2**63, "claims 5 frames of 2 codes, which take 8 bytes, in 9223372036854775808"),
        (104, "I", 0, "a row without entries"),
        (104, "I", 2**32 - 1, "which take"),
        (120, "Q", 2**61, "claims 2305843009213693952 frames of 1 values"),
    ],
)
def test_lies_are_told_apart_before_anything_is_allocated(
    at: int, layout: str, value: int, said: str
) -> None:
    data = sealed(lambda head: struct.pack_into("<" + layout, head, at, value))
    tracemalloc.start()
    try:
        with pytest.raises(BitstreamError, match=said):
            split(data)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_coded_frames_are_bounded_by_the_bytes() -> None:
    stream = StreamHeader(kind="codes", rows=2, frames=32, vocab=(9, 9), size=1)
    replace(HEADER, entropy=True, streams={"acoustic": stream})
    with pytest.raises(BitstreamError, match="claims 33 frames of 2 codes in 1 bytes"):
        replace(HEADER, entropy=True, streams={"acoustic": replace(stream, frames=33)})


def test_what_else_is_refused() -> None:
    with pytest.raises(BitstreamError, match="expected version 1 of the format, got 2"):
        split(DATA[:4] + b"\x02" + DATA[5:])
    with pytest.raises(BitstreamError, match="`latentone compress` did not make it"):
        split(b"RIFF....WAVE")
    with pytest.raises(BitstreamError, match="got 17: the stream is damaged"):
        split(DATA + b"x")
    with pytest.raises(BitstreamError, match="payload is wrong"):
        split(DATA[:-1] + b"x")
    with pytest.raises(BitstreamError, match="fingerprint of 64 digits"):
        replace(HEADER, fingerprint="ab")
    with pytest.raises(BitstreamError, match="at least one stream"):
        replace(HEADER, streams={})
    with pytest.raises(ValueError, match="no room for this header"):
        join(replace(HEADER, channels=2**16), PAYLOADS)
    long = {"n" * 256: HEADER.streams["gain"]}
    with pytest.raises(ValueError, match="no room for this header"):
        join(replace(HEADER, streams=long), {"n" * 256: PAYLOADS["gain"]})
