"""Precision, recall, density, coverage: exactly those of prdc, and their closed forms."""

import pytest
import scipy.spatial.distance as spatial
import torch
from prdc import compute_prdc

from latentone.metrics.distribution import manifold_scores, nearest_distances


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(*sets, **settings):
    return {name: score.value for name, score in manifold_scores(*sets, **settings).items()}


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m", "dims"), [(200, 200, 5), (300, 120, 64), (90, 250, 2)])
def test_exactly_as_prdc(n, m, dims, k, capsys):
    x, y = normal(n, dims), 0.8 * normal(m, dims, seed=1) + 0.2
    peer = compute_prdc(x.numpy(), y.numpy(), nearest_k=k)
    ours = values(x, y, k=k)
    assert list(ours) == ["precision", "recall", "density", "coverage"]
    assert ours == pytest.approx({name: float(value) for name, value in peer.items()}, abs=1e-12)
    assert 0 < ours["precision"] and 0 < ours["recall"]


@pytest.mark.parametrize("k", [3, 5])
def test_equal_distributions_have_closed_forms(k):
    found = values(normal(3000, 6), normal(3000, 6, seed=1), k=k)
    assert found["coverage"] == pytest.approx(1 - 2**-k, abs=0.02)
    assert found["density"] == pytest.approx(1, abs=0.06)


def test_a_set_lies_on_its_own_manifold():
    x = normal(300, 8)
    found = manifold_scores(x, x, k=4)
    assert all(found[name].value == 1 for name in ("precision", "recall", "coverage"))
    # Item j is in the ball of i when i has it among its 4 nearest, or is it; the ball is open.
    assert found["density"].value == pytest.approx(4 / 4)
    assert values(x, x, k=4, closed=True)["density"] == pytest.approx(5 / 4, abs=0.01)
    assert "exactly the items of the reference" in found["recall"].warnings[0]


def test_copies_leave_empty_balls_and_a_warning():
    x = normal(50, 4).repeat(3, 1)
    found = manifold_scores(x, x[:50], k=2)
    assert found["precision"].value == 0
    assert any("150 reference items have 2 copies" in w for w in found["precision"].warnings)
    assert manifold_scores(x, x[:50], k=2, closed=True)["precision"].value == 1


@pytest.mark.parametrize("block", [1, 333, 5000, 10**8])
def test_block_size_and_a_common_shift_change_nothing(block):
    x, y = normal(150, 12), normal(170, 12, seed=1) + 0.3
    assert values(x, y, block=block) == values(x, y)
    assert values(x + 1000, y + 1000, block=block) == values(x, y)


def test_modes_dropped_cost_recall_and_modes_invented_cost_precision():
    x = normal(600, 4) + 20 * torch.randint(2, (600, 1), generator=torch.Generator().manual_seed(0))
    one = normal(600, 4, seed=1)
    dropped, invented = values(x, one), values(one, x)
    assert dropped["recall"] < 0.6 < 0.9 < dropped["precision"]
    assert dropped["coverage"] < 0.6
    assert invented["precision"] < 0.6 < 0.9 < invented["recall"]


def test_nearest_are_those_of_scipy():
    x, y = normal(40, 6), normal(70, 6, seed=1)
    distances, indices = nearest_distances(x, y, 3, block=200)
    every = torch.from_numpy(spatial.cdist(x.numpy(), y.numpy()))
    expected = every.sort(dim=1)
    torch.testing.assert_close(distances, expected.values[:, :3])
    assert torch.equal(indices, expected.indices[:, :3])
    copied, where = nearest_distances(y[7:8], y, 1)
    assert copied.item() == 0 and where.item() == 7
    with pytest.raises(ValueError, match="k from 1 to 70"):
        nearest_distances(x, y, 71)


def test_what_cannot_make_a_ball_is_refused():
    with pytest.raises(ValueError, match="generated set has 5 items; this metric needs 6"):
        manifold_scores(normal(50, 3), normal(5, 3), k=5)
    with pytest.raises(ValueError, match="k of 1"):
        manifold_scores(normal(50, 3), normal(50, 3), k=0)
    uneven = manifold_scores(normal(100, 3), normal(20, 3, seed=1), k=3)
    assert any("100 and 20 items" in w for w in uneven["recall"].warnings)
    assert {name: (score.share_of, score.bounds) for name, score in uneven.items()} == {
        "precision": (20, (0, 1)),
        "recall": (100, (0, 1)),
        "density": (None, (0, None)),
        "coverage": (100, (0, 1)),
    }
