"""The range coder against Shannon's bound, and the model against sources of known entropy."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.bitstream import BitstreamError, CodeModel
from latentone.bitstream.entropy import (
    RangeDecoder,
    RangeEncoder,
    decode_codes,
    encode_codes,
    smallest_size,
)
from latentone.bitstream.model import CONTEXT_LIMIT, HERE, ROW, ROW_LIMIT

SYMBOLS = st.lists(
    st.lists(st.integers(1, 2**20), min_size=1, max_size=6).flatmap(
        lambda sizes: st.tuples(st.just(sizes), st.integers(0, len(sizes) - 1))
    ),
    max_size=60,
)


@settings(deadline=None)
@given(SYMBOLS)
def test_range_coder_returns_every_symbol_at_its_price(symbols: list) -> None:
    encoder, bits = RangeEncoder(), 0.0
    for sizes, symbol in symbols:
        encoder.encode(sum(sizes[:symbol]), sizes[symbol], sum(sizes))
        bits -= math.log2(sizes[symbol] / sum(sizes))
    data = encoder.finish()
    assert len(data) <= bits / 8 + 1 + 1e-3 * len(symbols)
    decoder = RangeDecoder(data)
    for sizes, symbol in symbols:
        total = sum(sizes)
        target = decoder.target(total)
        edges = np.cumsum([0, *sizes])
        assert edges[symbol] <= target < edges[symbol + 1]
        decoder.advance(int(edges[symbol]), sizes[symbol], total)


def test_a_carry_runs_through_all_bytes() -> None:
    encoder = RangeEncoder()
    for _ in range(200):  # low creeps up to the edge of a byte of zeros behind 255s
        encoder.encode(2**16 - 1, 1, 2**16)
    encoder.encode(1, 1, 2)
    decoder = RangeDecoder(encoder.finish())
    for _ in range(200):
        assert decoder.target(2**16) == 2**16 - 1
        decoder.advance(2**16 - 1, 1, 2**16)
    assert decoder.target(2) == 1


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(0, 30), st.integers(0, 99))
def test_codes_come_back(vocab: list[int], frames: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, entries, frames) for entries in vocab])
    uses = [rng.integers(0, 5, entries) + 1 for entries in vocab]
    recordings = [codes[:, ::-1], codes[:, :3]]
    for given_uses in (None, uses):
        for learned in ([], recordings):
            ends = [CodeModel(vocab, given_uses) for _ in range(2)]
            for model in ends:
                model.learn(learned)
            assert ends[0].identity == ends[1].identity
            data = encode_codes(codes, ends[0])
            assert len(data) >= smallest_size(len(vocab), frames)
            np.testing.assert_array_equal(decode_codes(data, frames, ends[1]), codes)


def markov(frames: int, stay: float, entries: int, seed: int = 0) -> tuple[np.ndarray, float]:
    """A chain that steps to one fixed successor, else anywhere; and its entropy in bits."""
    rng = np.random.default_rng(seed)
    successor = rng.permutation(entries)
    codes = [0]
    for _ in range(frames - 1):
        follow = rng.random() < stay
        codes.append(int(successor[codes[-1]] if follow else rng.integers(entries)))
    likely, other = stay + (1 - stay) / entries, (1 - stay) / entries
    return np.array([codes]), -likely * math.log2(likely) - (entries - 1) * other * math.log2(other)


def test_what_came_before_in_the_row_is_used() -> None:
    codes, entropy = markov(6000, 0.9, 64)
    bits = 8 * len(encode_codes(codes, CodeModel([64]))) / codes.size
    assert entropy < bits < 1.6  # 6 bits without what came before


def test_the_row_above_is_used() -> None:
    rng = np.random.default_rng(0)
    above = rng.integers(0, 32, 3000)
    alone = 8 * len(encode_codes(above[None], CodeModel([32])))
    both = np.stack([above, rng.permutation(32)[above]])
    together = 8 * len(encode_codes(both, CodeModel([32, 32])))
    assert together - alone < 0.6 * alone  # as much again without the row above
    assert alone / 3000 < 5.5  # noise costs little more than its 5 bits


def test_known_uses_and_other_recordings_save() -> None:
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(256, 0.1))
    codes, other = (rng.choice(256, size=(1, n), p=share) for n in (300, 5000))
    told, taught = CodeModel([256], [(share * 2**20).astype(np.int64)]), CodeModel([256])
    taught.learn([other])
    sizes = [len(encode_codes(codes, m)) for m in (CodeModel([256]), told, taught)]
    assert sizes[1] < 0.9 * sizes[0]
    assert sizes[2] < 0.9 * sizes[0]


def test_models_that_differ_are_told_apart() -> None:
    codes = np.arange(8)[None]
    models = [CodeModel([8]), CodeModel([9]), CodeModel([8], [codes[0]]), CodeModel([8])]
    models[3].learn([codes])
    assert len({model.identity for model in models}) == 4
    models[0].update(0, -1, -1, 3)
    assert models[0].identity == CodeModel([8]).identity  # coding is no part of the beginning


@pytest.mark.parametrize("entries", [2, 300])
def test_weights_stay_bounded_and_positive(entries: int) -> None:
    model = CodeModel([entries])
    for i in range(ROW_LIMIT // HERE[0] + 2000):
        model.update(0, 0, 0, i % 2)
    weights = model.frequencies(0, 0, 0)
    assert weights.min() >= 1
    assert int(weights.sum()) < ROW + entries + 4 * CONTEXT_LIMIT
    assert weights[0] + weights[1] > 0.99 * weights.sum()
    assert 0.8 < weights[0] / weights[1] < 1.25


def test_old_occurrences_fade() -> None:
    model = CodeModel([50])
    for code in [3] * 5000 + [4] * 200:
        model.update(0, 7, 7, code)
    weights = model.frequencies(0, 7, 7)
    assert weights[4] > 0.4 * weights.sum()


def test_the_format_stays_what_it_is() -> None:
    codes = (np.arange(400)[None] ** 2 * np.array([[1], [3], [7]]) // 5) % np.array(
        [[16], [9], [2]]
    )
    model = CodeModel([16, 9, 2], [np.arange(16), np.arange(9), np.ones(2, dtype=np.int64)])
    model.learn([codes[:, 50:90]])
    data = encode_codes(codes, model)
    assert (len(data), hashlib.sha256(data).hexdigest()[:16]) == (262, "43dc645bbd56180c")


def test_what_no_encoder_makes_is_refused() -> None:
    with pytest.raises(BitstreamError, match="expected at least 2 bytes for 65 frames of 1 codes"):
        decode_codes(b"1", 65, CodeModel([8]))
    with pytest.raises(BitstreamError, match="leave their interval"):
        decode_codes(b"\xff" * 40, 100, CodeModel([7] * 3))
    with pytest.raises(ValueError, match="pack the codes instead"):
        CodeModel([2**16 + 1])
    with pytest.raises(ValueError, match="expected 3 uses of 0 or more"):
        CodeModel([3], [np.zeros(3, dtype=np.int64)])
    with pytest.raises(ValueError, match=r"expected codes \(1, frames\) below \(3,\)"):
        CodeModel([3]).learn([np.array([[3]])])
