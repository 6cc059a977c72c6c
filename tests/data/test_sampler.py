"""Draws are a pure function of (seed, step, rank, world), fair, and disjoint over ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentone.data import draw


@given(st.integers(0, 2**64), st.integers(0, 10**9), st.integers(1, 8), st.integers(1, 8))
def test_ranks_share_out_the_batch_of_one(seed, step, world, size):
    weights = np.arange(1, 30.0)
    parts = [draw(seed, step, rank, world, size, weights) for rank in range(world)]
    assert [d for part in parts for d in part] == draw(seed, step, 0, 1, world * size, weights)


def test_steps_go_on_where_the_last_ended():
    together = draw(3, 0, 0, 1, 40, [1.0] * 9)
    assert [d for step in range(5) for d in draw(3, step, 0, 1, 8, [1.0] * 9)] == together
    assert draw(4, 0, 0, 1, 40, [1.0] * 9) != together
    assert len({d.offset for d in draw(3, 0, 0, 1, 10_000, [1.0])}) == 10_000


def test_items_come_by_weight_and_offsets_evenly():
    weights = [1.0, 0.0, 3.0, 4.0, 0.0]
    draws = draw(0, 7, 0, 1, 80_000, weights)
    counts = np.bincount([d.index for d in draws], minlength=5) / 80_000
    np.testing.assert_allclose(counts, np.array(weights) / 8, atol=0.006)
    assert counts[1] == counts[4] == 0
    offsets = np.array([d.offset for d in draws])
    assert 0 <= offsets.min() and offsets.max() < 1
    np.testing.assert_allclose(np.histogram(offsets, 10)[0] / 80_000, 0.1, atol=0.006)
    assert abs(np.corrcoef([d.index for d in draws], offsets)[0, 1]) < 0.02


@pytest.mark.parametrize(
    "weights", [[], [0.0], [1.0, -1.0], [-1.0, 5.0], [float("nan")], [1e308, 1e308]]
)
def test_weights_that_make_no_sense_are_refused(weights):
    with pytest.raises(ValueError, match="weights must be finite"):
        draw(0, 0, 0, 1, 4, weights)


@pytest.mark.parametrize("place", [(0, 1, 1, 4), (0, -1, 1, 4), (-1, 0, 1, 4), (0, 0, 1, 0)])
def test_places_out_of_range_are_refused(place):
    step, rank, world, size = place
    with pytest.raises(ValueError, match="expected 0 <= rank < world"):
        draw(0, step, rank, world, size, [1.0])
