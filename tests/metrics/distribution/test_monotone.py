"""Every distance grows, and every similarity falls, in the order in which sets are damaged."""

from functools import partial
from itertools import pairwise

import pytest
import torch

from latentone.metrics.distribution import (
    bin_scores,
    frechet_distance,
    frechet_infinity,
    kernel_distance,
    manifold_scores,
)

MODES = 8


def music(items, seed, modes=MODES):
    """Clusters in 12 dimensions, as instruments are in an embedding."""
    rng = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(MODES, 12, generator=torch.Generator().manual_seed(99))
    which = torch.randint(modes, (items,), generator=rng)
    return centres[which] + torch.randn(items, 12, generator=rng)


def noise(level):
    x = music(800, 1)
    return x + level * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))


DAMAGE = {
    "noise": [noise(level) for level in (0, 0.5, 1, 1.5)],
    "loud noise": [noise(level) for level in (0, 3, 6, 12)],
    "mode dropping": [music(800, 1, modes) for modes in (8, 6, 4, 2)],
    "shift": [music(800, 1) + shift for shift in (0, 0.25, 0.5, 1)],
}
METRICS = {
    "frechet": (frechet_distance, None, 1),
    "infinity": (partial(frechet_infinity, sizes=8), None, 1),
    "kernel": (kernel_distance, None, 1),
    "ndb": (partial(bin_scores, bins=20), "ndb", 1),
    "jensen_shannon": (partial(bin_scores, bins=20), "jensen_shannon", 1),
    "precision": (manifold_scores, "precision", -1),
    "recall": (manifold_scores, "recall", -1),
    "density": (manifold_scores, "density", -1),
    "coverage": (manifold_scores, "coverage", -1),
}
BALLS = {"precision", "recall", "density", "coverage"}
BLIND = {
    # A set that lost modes has no item out of place.
    ("mode dropping", "precision"),
    ("mode dropping", "density"),
    # Noisy items have wide balls, which reach all.
    ("noise", "recall"),
    # Items stay in their bins until noise carries them as far as the next mode.
    ("noise", "ndb"),
    ("noise", "jensen_shannon"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", METRICS)
def test_worsens_in_order(name, damage):
    metric, key, sign = METRICS[name]
    reference = music(800, 0)
    results = [metric(reference, generated) for generated in DAMAGE[damage]]
    values = [sign * (r[key] if key else r).value for r in results]
    if (damage, name) in BLIND:
        assert values[-1] < values[0] + 0.1
    elif damage == "loud noise" and name in BALLS:
        assert name == "recall" or values[-1] > -0.05  # 0 long before
    else:
        assert all(a < b for a, b in pairwise(values)), values
