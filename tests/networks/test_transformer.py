"""The transformer: positions, causality, prefixes, padding, paired contexts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latentone.networks.context import Context, Span, join, pair
from latentone.networks.transformer import Transformer, TransformerConfig, sinusoids

CONFIG = TransformerConfig(dim=16, num_layers=2, num_heads=2, ffn_dim=32)


def build(**changes: bool) -> Transformer:
    torch.manual_seed(0)
    return Transformer(TransformerConfig(**{**vars(CONFIG), **changes})).eval()


def span(lengths: list[int], seed: int = 1) -> Span:
    rng = torch.Generator().manual_seed(seed)
    value = torch.randn(len(lengths), max(lengths), 16, generator=rng)
    return Span(value, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])


def test_positions_by_hand() -> None:
    table = sinusoids(5, 8, 10000.0, torch.zeros(1))
    for position in range(5):
        for i in range(4):
            angle = position * 10000 ** (-i / 3)
            assert table[position, i].item() == pytest.approx(math.cos(angle), abs=1e-6)
            assert table[position, 4 + i].item() == pytest.approx(math.sin(angle), abs=1e-6)


@torch.no_grad()
def test_sees_itself_and_the_past_only() -> None:
    model, x = build(), torch.randn(1, 8, 16)
    context = Context(memory=span([3]), prefix=span([2], seed=2))
    before = model(x, context)
    x[:, 5] = torch.randn(16)
    differs = (model(x, context) - before).abs().amax(-1)[0] > 1e-6
    assert differs.tolist() == [False] * 5 + [True] * 3


@torch.no_grad()
def test_order_matters() -> None:
    model, x = build(cross_attention=False), torch.randn(1, 2, 16)
    swapped = model(x.flip(1))
    assert not torch.allclose(model(x)[:, 1], swapped[:, 1], atol=1e-3)


def _run(model: Transformer, x: Tensor, context: Context) -> Tensor:
    """Half read at once, half step by step."""
    first, state = model.start(x[:, :3], context, x.shape[1])
    rest = [model.step(x[:, i], state) for i in range(3, x.shape[1])]
    return torch.cat([first, torch.stack(rest, dim=1)], dim=1)


@torch.no_grad()
def test_padding_changes_nothing() -> None:
    model, x = build(), torch.randn(3, 6, 16)
    prefix, memory = span([4, 1, 2]), span([2, 5, 1], seed=2)
    both = Context(prefix, memory)
    whole = model(x, both)
    torch.testing.assert_close(_run(model, x, both), whole, atol=1e-5, rtol=1e-5)
    for item, (p, m) in enumerate(((4, 2), (1, 5), (2, 1))):
        one = slice(item, item + 1)
        alone = Context(Span(prefix.value[one, :p]), Span(memory.value[one, :m]))
        torch.testing.assert_close(model(x[one], alone), whole[one], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_paired_contexts_are_both() -> None:
    model, x = build(), torch.randn(2, 6, 16)
    first = Context(span([2, 1]), span([3, 3], seed=2))
    second = Context(span([4, 3], seed=3), span([1, 1], seed=4))
    together = model(torch.cat([x, x]), pair(first, second))
    torch.testing.assert_close(together[:2], model(x, first), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(together[2:], model(x, second), atol=1e-5, rtol=1e-5)


def test_joined_spans() -> None:
    a, b = span([2, 1]), Span(torch.randn(2, 1, 16))
    joined = join([a, b])
    assert joined is not None and joined.mask is not None
    assert joined.mask.tolist() == [[True, True, True], [True, False, True]]
    assert torch.equal(joined.value[:, 2:], b.value)
    assert join([]) is None
    full = join([b, b])
    assert full is not None and full.mask is None


def test_memory_and_cross_attention_go_together() -> None:
    x = torch.randn(1, 3, 16)
    with pytest.raises(ValueError, match="cross_attention=True and no memory"):
        build()(x)
    with pytest.raises(ValueError, match="cross_attention=False and a memory"):
        build(cross_attention=False)(x, Context(memory=span([2])))


@pytest.mark.parametrize("bad", [{"dim": 18, "num_heads": 4}, {"dropout": 1.0}])
def test_bad_sizes_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        TransformerConfig(**bad)  # type: ignore[arg-type]
