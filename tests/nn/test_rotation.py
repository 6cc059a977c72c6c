import pytest
import torch
from torch.nn import functional as F

from latentone.nn.rotation import pass_rotated


def rotation(e, q):
    """The rotation in the plane of unit vectors e and q by their angle, as exp of its generator."""
    across = F.normalize(q - (q @ e) * e, dim=0)
    generator = torch.outer(across, e) - torch.outer(e, across)
    return torch.linalg.matrix_exp(torch.arccos(q @ e) * generator)


def test_the_jacobian_is_the_rotation_times_the_ratio_of_lengths():
    rng = torch.Generator().manual_seed(0)
    for _ in range(5):
        e, q = torch.randn(2, 6, generator=rng, dtype=torch.float64)
        jacobian = torch.autograd.functional.jacobian(lambda x, q=q: pass_rotated(x, q), e)
        expected = rotation(F.normalize(e, dim=0), F.normalize(q, dim=0)) * q.norm() / e.norm()
        torch.testing.assert_close(jacobian, expected)
        torch.testing.assert_close(jacobian @ e, q)


def test_values_are_the_codes():
    e, q = torch.randn(2, 3, 5, 7).unbind(0)
    torch.testing.assert_close(pass_rotated(e, q), q)


def test_a_gradient_along_the_code_becomes_one_along_the_input():
    """Straight through, it would push the input along the code, wherever the input is."""
    e, q = torch.randn(2, 4, requires_grad=True).unbind(0)
    (gradient,) = torch.autograd.grad((pass_rotated(e, q) * q.detach()).sum(), e)
    assert F.cosine_similarity(gradient, e, dim=0).item() == pytest.approx(1, abs=1e-5)


def test_equal_vectors_pass_straight():
    e = torch.randn(4, requires_grad=True)
    weights = torch.randn(4)
    (gradient,) = torch.autograd.grad((pass_rotated(e, e.detach().clone()) * weights).sum(), e)
    torch.testing.assert_close(gradient, weights)


@pytest.mark.parametrize(
    ("e", "q"), [([0.0, 0.0], [1.0, 2.0]), ([1.0, 2.0], [0.0, 0.0]), ([1.0, 2.0], [-1.0, -2.0])]
)
def test_degenerate_pairs_keep_value_and_a_finite_gradient(e, q):
    x, code = torch.tensor(e, requires_grad=True), torch.tensor(q)
    out = pass_rotated(x, code)
    torch.testing.assert_close(out, code)
    weights = torch.tensor([0.3, -0.7])
    (gradient,) = torch.autograd.grad((out * weights).sum(), x)
    assert gradient.norm().item() == pytest.approx(weights.norm().item(), rel=1e-4)


def test_the_code_gets_no_gradient():
    e, q = torch.randn(4, requires_grad=True), torch.randn(4, requires_grad=True)
    pass_rotated(e, q).sum().backward()
    assert q.grad is None
