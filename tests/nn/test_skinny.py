"""Products with few rows are the plain product, however they are computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from latentone.nn.skinny import pack, skinny_linear


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("width", [8, 100, 1536, 2048, 2500, 4096])
def test_is_linear(rows: int, width: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(rows, width), torch.randn(33, width) * width**-0.5
    expected = F.linear(x.double(), weight.double()).float()
    for w in (weight, pack(weight, rows)):
        got = skinny_linear(x, w)
        assert got.is_contiguous()
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_rows_may_be_strided() -> None:
    x, weight = torch.randn(2, 3, 4096), torch.randn(7, 4096)
    for w in (weight, pack(weight, 2)):
        torch.testing.assert_close(
            skinny_linear(x[:, 1], w), F.linear(x[:, 1], weight), atol=1e-3, rtol=1e-4
        )


def test_packs_only_what_gains() -> None:
    wide = torch.randn(5, 4096)
    assert pack(wide, 2).shape == (8, 5, 512)
    assert pack(wide, 5) is wide
    assert pack(wide.bfloat16(), 2).dim() == 2
    assert pack(wide[:, :1024], 2).shape == (5, 1024)
    assert pack(torch.randn(5, 2049), 2).dim() == 2
