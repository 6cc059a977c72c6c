"""Bad input to any metric: an error that says why, or a warning that says what is left."""

import math
from functools import partial

import pytest
import torch

from latentone.metrics.distribution import (
    bin_scores,
    bootstrap,
    check_pair,
    frechet_distance,
    frechet_infinity,
    frechet_per_group,
    kernel_distance,
    kernel_inception_distance,
    manifold_scores,
    posterior_divergence,
)

METRICS = {
    "frechet": frechet_distance,
    "infinity": frechet_infinity,
    "kernel": kernel_distance,
    "polynomial": kernel_inception_distance,
    "manifold": manifold_scores,
    "bins": partial(bin_scores, bins=5),
}


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def warnings(result):
    scores = result.values() if isinstance(result, dict) else [result]
    found = {score.warnings for score in scores}
    assert len(found) == 1
    return " | ".join(found.pop())


@pytest.fixture(params=METRICS.values(), ids=METRICS)
def metric(request):
    return request.param


@pytest.mark.parametrize("items", [0, 1])
def test_a_set_of_none_or_one_is_refused(metric, items):
    many, few = normal(80, 4), normal(items, 4, seed=1)
    with pytest.raises(ValueError, match=f"reference set has {items} item"):
        metric(few, many)
    with pytest.raises(ValueError, match=f"generated set has {items} item"):
        metric(many, few)


def test_what_is_not_finite_is_named(metric):
    good, bad = normal(80, 4), normal(80, 4, seed=1)
    bad[17, 2], bad[30, 0] = math.nan, math.inf
    with pytest.raises(ValueError, match=r"2 of 80 generated items .* first item 17"):
        metric(good, bad)
    with pytest.raises(ValueError, match="2 of 80 reference items"):
        metric(bad, good)


def test_unequal_widths_and_wrong_shapes_are_refused(metric):
    with pytest.raises(ValueError, match=r"4 features .* 5: embed both"):
        metric(normal(80, 4), normal(80, 5))
    with pytest.raises(ValueError, match=r"\(items, features\), got \(80,\)"):
        metric(normal(80, 4), normal(80))


def test_a_set_compared_to_itself_is_said_to_be(metric):
    x = normal(80, 4)
    shuffled = x[torch.randperm(80, generator=torch.Generator().manual_seed(0))]
    assert "exactly the items of the reference" in warnings(metric(x, shuffled))
    assert "copying" not in warnings(metric(x, normal(80, 4, seed=1)))


def test_copies_are_counted(metric):
    x, y = normal(80, 4), normal(90, 4, seed=1)
    y[5], y[50] = x[3], x[70]
    assert "2 of 90 generated items are also in the reference" in warnings(metric(x, y))


def test_constant_features_are_said_and_survived(metric):
    x, y = normal(80, 6), normal(80, 6, seed=1)
    y[:, 2] = x[:, 2] = 0
    result = metric(x, y)
    assert "1 of 6 features are constant in the reference set" in warnings(result)
    scores = result.values() if isinstance(result, dict) else [result]
    assert all(math.isfinite(score.value) for score in scores)


def test_a_generator_that_makes_one_sound_is_measured(metric):
    x, same = normal(80, 4), torch.zeros(80, 4)
    assert "all items of the generated set are equal" in warnings(metric(x, same))


def test_fewer_items_than_features_are_measured(metric):
    x, y = normal(30, 64), normal(25, 64, seed=1)
    expected = {frechet_distance: "64 dimensions leave", METRICS["bins"]: "items in 5 bins"}
    note = expected.get(metric, "")
    if metric is frechet_infinity:
        with pytest.raises(ValueError, match="25 generated items, got 25 from 65 on"):
            metric(x, y)
        metric, note = partial(frechet_infinity, smallest=10), "not yet linear"
    result = metric(x, y)
    scores = result.values() if isinstance(result, dict) else [result]
    assert all(math.isfinite(score.value) for score in scores)
    assert note in warnings(result)


def test_silence_in_both_sets_is_measured_or_refused(metric):
    same = torch.ones(80, 4)
    if metric is kernel_distance:
        with pytest.raises(ValueError, match="no median distance"):
            metric(same, same)
        metric = partial(kernel_distance, bandwidth=1.0)
    try:
        result = metric(same, same)
    except ValueError as refused:
        # Bins of a reference without any difference hold everything, also what is far away.
        assert "all bins are one" in str(refused)
        return
    assert "all items of the reference set are equal" in warnings(result)
    scores = result.values() if isinstance(result, dict) else [result]
    assert all(math.isfinite(score.value) for score in scores)


def test_songs_are_checked_as_sets_are():
    x, y = normal(80, 4), normal(80, 4, seed=1)
    groups = [i // 20 for i in range(80)]
    assert all(math.isfinite(s.value) for s in frechet_per_group(x, y, groups).values())
    with pytest.raises(ValueError, match="a group for each of 80 generated items, got 3"):
        frechet_per_group(x, y, groups[:3])
    with pytest.raises(ValueError, match="reference set has 1 item"):
        frechet_per_group(x[:1], y, groups)
    with pytest.raises(ValueError, match="embed both"):
        frechet_per_group(x[:, :3], y, groups)
    y[3] = math.nan
    with pytest.raises(ValueError, match="first item 3"):
        frechet_per_group(x, y, groups)
    silent = torch.zeros(80, 4)
    score = frechet_per_group(x, silent, groups)[0]
    # The Gaussian of one point: its distance is the reference's variance and its mean's square.
    expected = float(x.double().var(0).sum() + x.double().mean(0).square().sum())
    assert score.value == pytest.approx(expected, rel=1e-9)


def test_posteriors_are_checked_as_sets_are():
    p = normal(40, 5).softmax(1)
    bad = p.clone()
    bad[7, 1] = math.inf
    with pytest.raises(ValueError, match=r"1 of 40 generated items .* first item 7"):
        posterior_divergence(p, bad)
    with pytest.raises(ValueError, match="1 of 40 reference items"):
        posterior_divergence(bad, p)


def test_intervals_are_refused_where_sets_are(metric):
    x, y = normal(80, 4), normal(80, 4, seed=1)
    bad = y.clone()
    bad[2] = math.nan
    with pytest.raises(ValueError, match="generated items have features that are not finite"):
        bootstrap(metric, x, bad, resamples=2)
    with pytest.raises(ValueError, match="embed both"):
        bootstrap(metric, x, y[:, :3], resamples=2)
    with pytest.raises(ValueError, match=r"generated items are of one group|set has 1 item"):
        bootstrap(metric, x, y[:1], resamples=2)


def test_numbers_whose_sum_overflows_are_no_infinities():
    check_pair(torch.full((40, 2), 1.7e308, dtype=torch.float64), normal(30, 2).double())


def test_constant_features_are_found_wherever_they_differ():
    x = normal(20, 3)
    x[:, 0], x[-1, 1] = 2.0, x[0, 1]
    notes = check_pair(x, normal(20, 3, seed=1)).warnings
    assert notes == ("1 of 3 features are constant in the reference set",)


def test_equal_zeros_of_both_signs_are_copies():
    pair = check_pair(torch.zeros(4, 2), -torch.zeros(4, 2))
    assert "exactly the items" in pair.warnings[-1]


def test_any_dtype_gives_fp64_around_the_reference():
    for dtype in (torch.int64, torch.float16, torch.float32):
        pair = check_pair((10 * normal(30, 3)).to(dtype), (10 * normal(20, 3)).to(dtype))
        assert pair.reference.dtype == pair.generated.dtype == torch.float64
        assert pair.items == (30, 20) and float(pair.reference.mean(0).abs().max()) < 1e-12
