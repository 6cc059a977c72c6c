"""Packed codes against Python's own integers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.bitstream import BitstreamError
from latentone.bitstream.packing import BLOCK, code_bits, pack_codes, packed_size, unpack_codes

VOCABS = st.lists(st.integers(1, 3000), min_size=1, max_size=5)


def draw(vocab: list[int], frames: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, entries, frames) for entries in vocab])


@settings(deadline=None)
@given(VOCABS, st.integers(0, 40), st.integers(0, 99))
def test_codes_come_back_and_take_the_bits_they_need(
    vocab: list[int], frames: int, seed: int
) -> None:
    codes = draw(vocab, frames, seed)
    packed = pack_codes(codes, vocab)
    assert len(packed) == packed_size(vocab, frames)
    np.testing.assert_array_equal(unpack_codes(packed, vocab, frames), codes)
    widths = code_bits(vocab)
    text = "".join(f"{codes[k, f]:0{widths[k]}b}" for f in range(frames) for k in range(len(vocab)))
    text += "0" * (-len(text) % 8)
    assert packed == bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


def test_bits() -> None:
    assert code_bits((1, 2, 3, 4, 5, 1024, 1025)) == (1, 1, 2, 2, 3, 10, 11)
    assert packed_size((1024,) * 4, 375) == 1875


def test_blocks_join_without_a_seam() -> None:
    codes = draw([5, 1000, 7], 2 * BLOCK + 13)
    packed = pack_codes(codes, [5, 1000, 7])
    np.testing.assert_array_equal(unpack_codes(packed, [5, 1000, 7], 2 * BLOCK + 13), codes)


def test_what_no_packer_makes_is_refused() -> None:
    with pytest.raises(BitstreamError, match="expected 3 bytes for 2 frames of 1 packed codes"):
        unpack_codes(b"1234", [1024], 2)
    with pytest.raises(BitstreamError, match="holds the code 7, but its vocabulary ends at 4"):
        unpack_codes(b"\xe0", [5], 1)
    with pytest.raises(BitstreamError, match="not zero"):
        unpack_codes(b"\x01", [5], 1)
