"""Layouts: legality, build and revert at every length, published step counts."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.sampling.layouts import (
    MISSING,
    OUTSIDE,
    CoarseFirst,
    Delay,
    Flattened,
    Grouped,
    Layout,
    Parallel,
    batch_steps,
    build,
    first_step,
    num_steps,
    revert,
    revert_logits,
)

LAYOUTS = [
    Parallel(),
    Delay(),
    Delay(delays=(0, 0, 1, 1)),
    Delay(delays=(3, 0, 7, 1)),
    Flattened(),
    Flattened(order=(0, 1, 1, 1)),
    Flattened(delays=(0, 1, 2, 5)),
    CoarseFirst(),
    CoarseFirst(delays=(0, 1, 2)),
    Grouped(),
    Grouped(group=3),
]
SPECIAL = 99


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
@given(frames=st.integers(0, 40), seed=st.integers(0, 2**20))
@settings(max_examples=25, deadline=None)
def test_revert_undoes_build(layout: Layout, frames: int, seed: int) -> None:
    codes = torch.randint(0, 9, (2, 4, frames), generator=torch.Generator().manual_seed(seed))
    steps = layout.steps(4, frames)
    assert steps.shape == (4, frames)
    assert (steps[:, 1:] > steps[:, :-1]).all(), "a row is written in order"
    assert frames == 0 or steps.min() == 1
    sequence = build(codes, steps, SPECIAL)
    assert (sequence[:, :, 0] == SPECIAL).all(), "the start column holds no code"
    assert (sequence != SPECIAL).sum() == codes.numel()
    back = revert(sequence, steps)
    assert torch.equal(back.values, codes)
    assert back.mask.all()


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
@given(frames=st.integers(1, 20), cut=st.integers(0, 90))
@settings(max_examples=25, deadline=None)
def test_what_is_missing_can_be_told(layout: Layout, frames: int, cut: int) -> None:
    codes = torch.randint(0, 9, (1, 4, frames))
    steps = layout.steps(4, frames)
    back = revert(build(codes, steps, SPECIAL)[:, :, :cut], steps) if cut else None
    if back is None:
        return
    assert torch.equal(back.mask, steps < cut)
    assert torch.equal(back.values == MISSING, ~back.mask[None])
    assert torch.equal(back.values[:, back.mask], codes[:, back.mask])


@pytest.mark.parametrize(
    ("layout", "rows", "expected"),
    [
        (Parallel(), 4, 50 + 1),
        (Delay(), 4, 50 + 3 + 1),
        (Delay(delays=(0, 0, 1, 1, 2, 2, 3, 3)), 8, 50 + 4),
        (Flattened(), 4, 4 * 50 + 1),
        (Flattened(order=(0, 1, 1, 1)), 4, 2 * 50 + 1),
        (CoarseFirst(), 4, 2 * 50 + 1),
        (CoarseFirst(delays=(0, 1, 2)), 4, 2 * 50 + 2 + 1),
        (Grouped(), 4, 4 * 50 + 1),
    ],
    ids=repr,
)
def test_number_of_steps(layout: Layout, rows: int, expected: int) -> None:
    assert num_steps(layout.steps(rows, 50)) == expected


def test_delay_by_hand() -> None:
    codes = torch.tensor([[[1, 2, 3], [4, 5, 6]]])
    sequence = build(codes, Delay().steps(2, 3), SPECIAL)
    s = SPECIAL
    assert sequence.tolist() == [[[s, 1, 2, 3, s], [s, s, 4, 5, 6]]]


def test_grouped_by_hand() -> None:
    codes = torch.tensor([[[1, 2], [3, 4], [5, 6]]])
    sequence = build(codes, Grouped(group=2).steps(3, 2), SPECIAL)
    s = SPECIAL
    assert sequence.tolist() == [[[s, 1, s, 2, s, s, s], [s, s, 3, s, 4, s, s], [s] * 5 + [5, 6]]]


def test_special_by_row() -> None:
    sequence = build(
        torch.zeros(1, 2, 1, dtype=torch.int64), Delay().steps(2, 1), torch.arange(7, 9)
    )
    assert sequence.tolist() == [[[7, 0, 7], [8, 8, 0]]]


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
def test_logits_of_a_step_belong_to_the_next(layout: Layout) -> None:
    steps = layout.steps(4, 6)
    # the model's output at step s is the number s + 1, the step that it speaks of
    spoken = torch.arange(1.0, num_steps(steps)).expand(1, 4, -1)[..., None]
    back = revert_logits(spoken, steps)
    assert back.mask.all()
    assert torch.equal(back.values[0, :, :, 0], steps.float())
    short = revert_logits(spoken[:, :, :3], steps)
    assert torch.equal(short.values[0, :, :, 0].isnan(), steps > 3)


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
def test_first_step_of_a_continuation(layout: Layout) -> None:
    steps = layout.steps(4, 9)
    for prompt in range(9):
        first = first_step(steps, prompt)
        written_before = (steps[:, prompt:] < first).any()
        assert not written_before
        assert (steps[:, prompt:] == first).any()
    assert first_step(steps, 9) == num_steps(steps)


@pytest.mark.parametrize("layout", LAYOUTS, ids=repr)
def test_items_of_a_batch_are_laid_out_as_if_alone(layout: Layout) -> None:
    codes = torch.randint(0, 9, (3, 4, 8))
    lengths = torch.tensor([8, 0, 5])
    steps = batch_steps(layout, 4, lengths, 8)
    sequence = build(codes, steps, SPECIAL)
    for item, length in enumerate(lengths.tolist()):
        alone = build(codes[item : item + 1, :, :length], layout.steps(4, length), SPECIAL)
        assert torch.equal(sequence[item : item + 1, :, : alone.shape[2]], alone)
        assert (sequence[item, :, alone.shape[2] :] == SPECIAL).all()
        assert (steps[item, :, length:] == OUTSIDE).all()
    back = revert(sequence, steps)
    assert torch.equal(back.values, codes.where(back.mask, MISSING))


@pytest.mark.parametrize("layout", [x for x in LAYOUTS if x.streams], ids=repr)
def test_streaming_layouts_do_not_know_the_end(layout: Layout) -> None:
    long = layout.steps(4, 30)
    for frames in range(1, 30):
        assert torch.equal(layout.steps(4, frames), long[:, :frames])


@pytest.mark.parametrize(
    "layout",
    [Delay(delays=(0, 1)), Flattened(order=(0, 1)), CoarseFirst(delays=(0,)), Grouped(group=0)],
    ids=repr,
)
def test_settings_must_fit_the_rows(layout: Layout) -> None:
    with pytest.raises(ValueError, match=r"needs \d values|at least one row"):
        layout.steps(4, 3)
    with pytest.raises(ValueError, match="0 or more"):
        Delay(delays=(0, -1, 0, 0)).steps(4, 3)
