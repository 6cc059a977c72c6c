"""Snake against its closed form, on parameters that are nothing special."""

import math

import pytest
import torch

from latentone.nn.snake import Snake, SnakeBeta


def noisy(layer):
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=rng))
    return layer


def test_snake_is_its_formula():
    layer, x = noisy(Snake(3)), torch.randn(2, 3, 50)
    y = layer(x)
    for c in range(3):
        a = float(layer.alpha[0, c, 0].detach())
        for b, t in ((0, 0), (1, 7), (1, 49)):
            v = float(x[b, c, t])
            expected = v + math.sin(a * v) ** 2 / (a + 1e-9)
            assert float(y[b, c, t].detach()) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_snake_beta_keeps_frequency_and_size_in_logarithms():
    layer, x = noisy(SnakeBeta(3)), torch.randn(2, 3, 50)
    y = layer(x)
    for c in range(3):
        a, b = (float(p[0, c, 0].detach().exp()) for p in (layer.alpha, layer.beta))
        for t in (0, 7, 49):
            v = float(x[1, c, t])
            expected = v + math.sin(a * v) ** 2 / (b + 1e-9)
            assert float(y[1, c, t].detach()) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("make", [Snake, SnakeBeta])
def test_fresh_layers_are_x_plus_sine_squared_and_never_fall(make):
    layer, x = make(2), torch.linspace(-6, 6, 500).expand(1, 2, -1)
    y = layer(x)
    torch.testing.assert_close(y, x + torch.sin(x) ** 2)
    assert (y.diff() >= -1e-6).all()


@pytest.mark.parametrize("make", [Snake, SnakeBeta])
def test_inference_changes_neither_numbers_nor_input(make):
    layer, x = noisy(make(4)), torch.randn(2, 4, 100)
    kept = x.clone()
    with torch.no_grad():
        fast = layer(x)
    assert torch.equal(x, kept)
    torch.testing.assert_close(fast, layer(x).detach())


@pytest.mark.parametrize("make", [Snake, SnakeBeta])
def test_gradients(make):
    layer = noisy(make(2)).double()
    x = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    layer(x).sum().backward()
    assert all(p.grad.abs().min() > 0 for p in layer.parameters())
