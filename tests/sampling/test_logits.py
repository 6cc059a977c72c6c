"""Drawing from logits: closed forms, and frequencies of many draws."""

from __future__ import annotations

import pytest
import torch

from latentone.sampling.guidance import guide, guide_pair
from latentone.sampling.logits import draw, top_k, top_p

PROBABILITIES = torch.tensor([0.5, 0.25, 0.15, 0.1])


def kept(logits: torch.Tensor) -> list[int]:
    return logits.isfinite().nonzero().flatten().tolist()


def test_top_k_keeps_the_largest() -> None:
    logits = PROBABILITIES.log()[[2, 0, 3, 1]]
    assert kept(top_k(logits, 2)) == [1, 3]
    assert torch.equal(top_k(logits, 9), logits)


@pytest.mark.parametrize(
    ("p", "expected"), [(0.4, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.8, 3), (1.0, 4)]
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(p: float, expected: int) -> None:
    # exact in binary, so that the set is decided by the rule and not by rounding
    logits = torch.tensor([0.5, 0.25, 0.15625, 0.09375]).log()
    assert len(kept(top_p(logits, p))) == expected
    order = torch.tensor([3, 1, 0, 2])
    assert set(kept(top_p(logits[order], p))) == {order.tolist().index(i) for i in range(expected)}


def test_draws_have_the_right_frequencies() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = draw(PROBABILITIES.log().expand(40_000, -1), rng=rng)
    frequencies = drawn.bincount(minlength=4) / len(drawn)
    # four standard deviations of a share of 0.5 over 40 000 draws
    torch.testing.assert_close(frequencies, PROBABILITIES, atol=0.01, rtol=0)


def test_temperature_sharpens() -> None:
    rng = torch.Generator().manual_seed(0)
    drawn = draw(PROBABILITIES.log().expand(40_000, -1), temperature=0.5, rng=rng)
    expected = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    frequencies = drawn.bincount(minlength=4) / len(drawn)
    torch.testing.assert_close(frequencies, expected, atol=0.01, rtol=0)


def test_filters_bound_what_is_drawn() -> None:
    rng = torch.Generator().manual_seed(0)
    logits = PROBABILITIES.log().expand(2000, -1)
    assert set(draw(logits, k=2, rng=rng).tolist()) == {0, 1}
    assert set(draw(logits, p=0.8, rng=rng).tolist()) == {0, 1, 2}
    assert set(draw(logits, temperature=0).tolist()) == {0}


def test_impossible_entries_are_never_drawn() -> None:
    logits = torch.tensor([0.0, float("-inf"), 0.0]).expand(5000, -1)
    assert set(draw(logits, rng=torch.Generator().manual_seed(1)).tolist()) == {0, 2}


def test_the_same_generator_draws_the_same() -> None:
    logits = torch.randn(3, 4, 50)
    draws = [draw(logits, rng=torch.Generator().manual_seed(7)) for _ in range(2)]
    assert torch.equal(*draws)


@pytest.mark.parametrize("bad", [{"temperature": -1.0}, {"k": 0}, {"p": 0.0}, {"p": 1.5}])
def test_bad_settings_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"temperature|top_k|top_p"):
        draw(torch.zeros(1, 3), **bad)  # type: ignore[arg-type]


def test_guidance_moves_along_the_difference() -> None:
    c, u = torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0])
    assert guide(c, u, 3.0).tolist() == [4.0, 1.0]
    assert torch.equal(guide(c, u, 0.0), u)
    assert torch.equal(guide(c, u, 1.0), c)
    pairs = torch.randn(6, 5)
    assert torch.equal(guide_pair(pairs, 2.5), guide(pairs[:3], pairs[3:], 2.5))
