"""Attention against its formula, and one position at a time against the whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latentone.nn.attention import CrossAttention, KeyValues, SelfAttention


def by_formula(q: Tensor, k: Tensor, v: Tensor, heads: int, seen: Tensor) -> Tensor:
    """Softmax of scaled products, head by head and in double precision."""
    out = []
    for qh, kh, vh in zip(*(x.double().chunk(heads, dim=-1) for x in (q, k, v)), strict=True):
        scores = qh @ kh.transpose(1, 2) / qh.shape[-1] ** 0.5
        out.append(scores.masked_fill(~seen, float("-inf")).softmax(-1) @ vh)
    return torch.cat(out, dim=-1).float()


def test_self_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, x = SelfAttention(24, 3), torch.randn(2, 7, 24)
    q, k, v = (x @ w.T for w in layer.qkv.weight.chunk(3))
    causal = torch.ones(7, 7, dtype=torch.bool).tril()
    padded = torch.arange(7) < torch.tensor([7, 4])[:, None]
    for seen, given in (
        (causal, {"causal": True}),
        (torch.ones(7, 7, dtype=torch.bool), {}),
        (padded[:, None].expand(2, 7, 7), {"mask": padded[:, None, None]}),
    ):
        expected = by_formula(q, k, v, 3, seen) @ layer.out.weight.T
        torch.testing.assert_close(layer(x, **given), expected, atol=1e-5, rtol=1e-5)


def test_cross_attention_is_the_formula() -> None:
    torch.manual_seed(0)
    layer, x, memory = CrossAttention(24, 3), torch.randn(2, 5, 24), torch.randn(2, 6, 24)
    k, v = (memory @ w.T for w in layer.key_value.weight.chunk(2))
    seen = torch.arange(6) < torch.tensor([6, 1])[:, None]
    expected = by_formula(x @ layer.query.weight.T, k, v, 3, seen[:, None].expand(2, 5, 6))
    got = layer(x, memory, seen[:, None, None])
    torch.testing.assert_close(got, expected @ layer.out.weight.T, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("start", [1, 4])
@torch.no_grad()
def test_steps_are_the_whole(batch: int, start: int) -> None:
    torch.manual_seed(0)
    layer, x = SelfAttention(24, 3), torch.randn(batch, 9, 24)
    whole = layer(x, causal=True)
    cache = KeyValues.empty(x, 3, 9)
    torch.testing.assert_close(layer(x[:, :start], causal=True, cache=cache), whole[:, :start])
    for position in range(start, 9):
        step = layer.step(x[:, position], cache, position)
        torch.testing.assert_close(step, whole[:, position], atol=1e-5, rtol=1e-5)

    cross, memory = CrossAttention(24, 3), torch.randn(batch, 6, 24)
    mask = torch.arange(6) < torch.randint(1, 7, (batch, 1))
    whole = cross(x, memory, mask[:, None, None])
    remembered = cross.remember(memory)
    for position in range(9):
        step = cross.step(x[:, position], remembered, mask[:, None, None])
        torch.testing.assert_close(step, whole[:, position], atol=1e-5, rtol=1e-5)


def test_heads_must_share_the_channels() -> None:
    with pytest.raises(ValueError, match="24 channels cannot be shared out among 5"):
        SelfAttention(24, 5)
