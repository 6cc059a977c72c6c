"""NDB and Jensen-Shannon over bins of the reference: closed forms and the textbook z-test."""

import math

import numpy as np
import pytest
import scipy.spatial.distance as spatial
import scipy.stats
import torch

from latentone.metrics.distribution import bin_scores, fit_bins, jensen_shannon


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def modes(items, probabilities, seed=0):
    """Clusters of width 1, 100 apart."""
    rng = torch.Generator().manual_seed(seed)
    which = torch.multinomial(torch.tensor(probabilities), items, True, generator=rng)
    return normal(items, 3, seed=seed) + 100 * which[:, None]


def test_counts_are_those_of_the_nearest_centre():
    x = normal(300, 5) * torch.tensor([1.0, 50, 1, 1, 0.01]) + 7
    bins = fit_bins(x, 12)
    white = (x - x.mean(0)) / x.std(0)
    nearest = spatial.cdist(white.numpy(), bins.centres.numpy()).argmin(1)
    assert bins.counts(x).tolist() == np.bincount(nearest, minlength=12).tolist()
    # Lloyd's algorithm has ended: each centre is the mean of its items.
    for b in range(12):
        torch.testing.assert_close(white[torch.from_numpy(nearest == b)].mean(0), bins.centres[b])


def test_agrees_with_the_z_test_of_pooled_proportions_and_scipys_divergence():
    x, y = normal(900, 2), normal(600, 2, seed=1) + 0.4
    bins = fit_bins(x, 20)
    found = bin_scores(x, y, bins=bins, alpha=0.1)
    a, b = bins.counts(x).numpy(), bins.counts(y).numpy()
    # For a 2 x 2 table the chi-squared statistic is z squared.
    p = [
        scipy.stats.chi2_contingency([[i, 900 - i], [j, 600 - j]], correction=False).pvalue
        for i, j in zip(a, b, strict=True)
    ]
    assert found["ndb"].details["different"] == sum(value < 0.1 for value in p) > 3
    assert found["ndb"].value == found["ndb"].details["different"] / 20
    divergence = spatial.jensenshannon(a / 900, b / 600) ** 2
    assert found["jensen_shannon"].value == pytest.approx(divergence, rel=1e-9)
    apart = bin_scores(x, y + 99, bins=fit_bins(torch.cat([x, y + 99]), 2))["jensen_shannon"]
    assert apart.value == pytest.approx(math.log(2)) and apart.bounds == (0, math.log(2))


def test_equal_distributions_differ_in_alpha_of_the_bins():
    for alpha in (0.05, 0.2):
        shares = [
            bin_scores(
                normal(2500, 4, seed=2 * i), normal(2500, 4, seed=2 * i + 1), bins=25, alpha=alpha
            )["ndb"].value
            for i in range(12)
        ]
        # 300 tests; the standard error of the share is below 0.025.
        assert sum(shares) / len(shares) == pytest.approx(alpha, abs=0.06)


def test_a_set_does_not_differ_from_itself():
    x = normal(500, 4)
    found = bin_scores(x, x, bins=10)
    assert found["ndb"].value == 0 and found["jensen_shannon"].value == 0


def test_dropped_modes_are_counted():
    bins = fit_bins(modes(4000, [0.25] * 4), 4, rng=torch.Generator().manual_seed(3))
    reference = modes(4000, [0.25] * 4, seed=1)
    assert sorted((bins.counts(reference) > 800).tolist()) == [True] * 4
    previous = -1.0
    for kept in (4, 3, 2, 1):
        weights = [1.0] * kept + [0.0] * (4 - kept)
        found = bin_scores(reference, modes(4000, weights, seed=2), bins=bins)
        assert found["ndb"].details["missed"] == 4 - kept
        assert found["jensen_shannon"].value > previous
        previous = found["jensen_shannon"].value
    # One of four kept: entropies of (1/4, ...) and (1, 0, 0, 0) about their middle.
    middle = [5 / 8, 1 / 8, 1 / 8, 1 / 8]
    expected = -sum(p * math.log(p) for p in middle) - math.log(4) / 2
    assert previous == pytest.approx(expected, abs=0.01)


def test_sets_without_overlap_diverge_by_ln_2():
    p, q = torch.tensor([0.5, 0.5, 0, 0]), torch.tensor([0, 0, 0.1, 0.9])
    assert jensen_shannon(p, q) == pytest.approx(math.log(2))
    assert jensen_shannon(p, p) == 0


def test_a_constant_feature_and_few_items_do_no_harm():
    x, y = normal(60, 3), normal(60, 3, seed=1)
    x[:, 1] = y[:, 1] = 0.1
    found = bin_scores(x, y, bins=10)
    assert all(math.isfinite(score.value) for score in found.values())
    assert any("use 6 bins" in w for w in found["ndb"].warnings)
    assert any("constant" in w for w in found["ndb"].warnings)


def test_repeats_with_its_seed_and_refuses_what_makes_no_bins():
    x = normal(200, 3)
    first, again, other = (
        fit_bins(x, 9, rng=torch.Generator().manual_seed(s)).centres for s in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    with pytest.raises(ValueError, match="from 2 to 200 bins"):
        fit_bins(x, 201)
    with pytest.raises(ValueError, match="level"):
        bin_scores(x, x, alpha=5)
