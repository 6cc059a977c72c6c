"""Kernel inception distance: parity with scikit-learn's kernel, unbiased, closed form."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from latentone.metrics.distribution import kernel_inception_distance


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "m", "dims"), [(80, 60, 7), (20, 30, 64), (2, 2, 1)])
def test_agrees_with_the_kernel_of_scikit_learn(n, m, dims):
    x, y = normal(n, dims) + 0.3, 1.4 * normal(m, dims, seed=1)
    within = []
    for z in (x.numpy(), y.numpy()):
        kernel = polynomial_kernel(z, degree=3, coef0=1)
        np.fill_diagonal(kernel, 0)
        within.append(kernel.sum() / len(z) / (len(z) - 1))
    across = polynomial_kernel(x.numpy(), y.numpy(), degree=3, coef0=1).mean()
    found = kernel_inception_distance(x, y)
    assert found.value == pytest.approx(within[0] + within[1] - 2 * across, rel=1e-9, abs=1e-12)
    for block in (1, 500):
        again = kernel_inception_distance(x, y, block=block)
        assert again.value == pytest.approx(found.value, rel=1e-9, abs=1e-12)


def test_degree_one_is_the_squared_difference_of_means_without_its_bias():
    x, y = normal(50, 6), normal(70, 6, seed=1) + 0.5
    bias = x.var(0).sum() / 50 + y.var(0).sum() / 70
    expected = float((x.mean(0) - y.mean(0)).square().sum() - bias) / 6
    assert kernel_inception_distance(x, y, degree=1).value == pytest.approx(expected, rel=1e-9)


def test_equal_distributions_score_zero_on_average_and_others_do_not():
    values = torch.tensor(
        [
            kernel_inception_distance(
                normal(12, 8, seed=2 * i), normal(12, 8, seed=2 * i + 1)
            ).value
            for i in range(300)
        ]
    )
    assert float(values.min()) < 0 < float(values.max())
    assert abs(float(values.mean())) < 3 * float(values.std()) / 300**0.5
    x = normal(400, 8)
    distances = [kernel_inception_distance(x, normal(400, 8, seed=1) + s).value for s in (0, 1, 2)]
    assert distances == sorted(distances) and distances[1] > 10 * abs(distances[0])


def test_what_is_no_polynomial_is_refused():
    with pytest.raises(ValueError, match="degree 1 or more"):
        kernel_inception_distance(normal(9, 2), normal(9, 2, seed=1), degree=0)
