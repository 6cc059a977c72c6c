"""Products with few rows are the plain product, however they are computed."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from latentone.nn import skinny
from latentone.nn.skinny import pack, skinny_linear


@pytest.fixture
def way(monkeypatch):
    """Pretend that a way is the fastest, for weights of every size."""

    def choose(name: str) -> None:
        monkeypatch.setattr(skinny, "SMALL", 0)
        monkeypatch.setattr(skinny, "fastest", lambda rows, threads: name)

    return choose


@pytest.mark.parametrize(
    ("name", "rows"),
    [("vector", 1)] + [(name, n) for name in ("linear", "columns") for n in (1, 2, 3, 4, 5, 9)],
)
@pytest.mark.parametrize("width", [8, 100, 1536, 2048, 2500, 4096])
def test_is_linear(way, name: str, rows: int, width: int) -> None:
    way(name)
    torch.manual_seed(0)
    x, weight = torch.randn(rows, width), torch.randn(33, width) * width**-0.5
    expected = F.linear(x.double(), weight.double()).float()
    for w in (weight, pack(weight, rows)):
        got = skinny_linear(x, w)
        assert got.is_contiguous()
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["linear", "columns"])
def test_rows_may_be_strided(way, name: str) -> None:
    way(name)
    x, weight = torch.randn(2, 3, 4096), torch.randn(7, 4096)
    for w in (weight, pack(weight, 2)):
        torch.testing.assert_close(
            skinny_linear(x[:, 1], w), F.linear(x[:, 1], weight), atol=1e-3, rtol=1e-4
        )


def test_packs_only_what_gains(way) -> None:
    way("columns")
    wide = torch.randn(5, 4096)
    assert pack(wide, 2).shape == (8, 5, 512)
    assert pack(wide, 5) is wide
    assert pack(wide.bfloat16(), 2).dim() == 2
    assert pack(wide[:, :1024], 2).shape == (5, 1024)
    assert pack(torch.randn(5, 2049), 2).dim() == 2
    way("linear")
    assert pack(wide, 2) is wide


def test_the_fastest_way_is_found_and_near_ties_stay_linear(monkeypatch) -> None:
    now = [0.0]
    cost = {"linear": 3.0, "columns": 1.0, "vector": 2.9}
    monkeypatch.setattr(skinny.time, "perf_counter", lambda: now[0])

    def slow(name):
        def run(x, weight):
            now[0] += cost[name]

        return run

    monkeypatch.setattr(skinny, "WAYS", {name: slow(name) for name in cost})
    skinny.fastest.cache_clear()
    assert skinny.fastest(2, -1) == "columns"
    cost["columns"] = 2.9
    assert skinny.fastest(1, -1) == "linear"
    cost["vector"] = 1.0
    assert skinny.fastest(3, -1) == "linear" and skinny.fastest(1, -2) == "vector"
    skinny.fastest.cache_clear()


def test_small_weights_are_not_measured(monkeypatch) -> None:
    monkeypatch.setattr(skinny, "fastest", None)
    assert skinny_linear(torch.ones(2, 8), torch.ones(3, 8)).tolist() == [[8.0] * 3] * 2
