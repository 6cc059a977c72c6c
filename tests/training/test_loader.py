"""What a step trains on depends on its number alone."""

from itertools import islice

import pytest
import torch
from training_toys import ToyData

from latentone.training.loader import preview_batch, training_batches, validation_batches


def first(count, data=None, **settings):
    settings = {"seed": 3, "batch_size": 4, **settings}
    return list(islice(training_batches(ToyData() if data is None else data, **settings), count))


def assert_same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a["ids"] == b["ids"] and torch.equal(a["x"], b["x"])


def test_a_resumed_loader_goes_on_where_the_other_stopped():
    whole = first(12, accumulate=2)
    assert_same(first(6, accumulate=2, first_step=3), whole[6:])
    assert len({tuple(b["ids"]) for b in whole}) > 6


def test_workers_load_the_same():
    assert_same(first(7, workers=2, first_step=2), first(7, first_step=2))


def test_seed_and_rank_draw_anew():
    assert [b["ids"] for b in first(4)] != [b["ids"] for b in first(4, seed=4)]
    ranks = [[b["ids"] for b in first(4, rank=r, world=2)] for r in range(2)]
    assert ranks[0] != ranks[1]


def test_two_ranks_draw_what_one_of_twice_the_batch_does():
    together = first(3, batch_size=8)
    apart = [first(3, rank=r, world=2) for r in range(2)]
    for whole, left, right in zip(together, *apart, strict=True):
        assert whole["ids"] == left["ids"] + right["ids"]


def test_validation_items_are_fixed_spread_and_shared_among_ranks():
    data = ToyData(10)
    settings = {"items": 5, "batch_size": 2, "seed": 0}
    alone = [(b["ids"], n) for b, n in validation_batches(data, **settings)]
    assert alone == [(b["ids"], n) for b, n in validation_batches(data, **settings)]
    assert [i for ids, _ in alone for i in ids] == [f"item{i}" for i in (0, 2, 4, 6, 8)]
    assert [n for _, n in alone] == [2, 2, 1]
    shared = [
        i
        for r in range(2)
        for b, _ in validation_batches(data, rank=r, world=2, **settings)
        for i in b["ids"]
    ]
    assert sorted(shared) == sorted(i for ids, _ in alone for i in ids)
    shown = preview_batch(data, items=2, validated=5, seed=0)
    assert shown["ids"] == ["item0", "item2"]


def test_nothing_to_draw_from_is_refused():
    with pytest.raises(ValueError, match="no training item"):
        first(1, data=ToyData(0))
