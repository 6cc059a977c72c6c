"""The layout for inference on a CPU: the same numbers as the plain functions, and no stale ones."""

import copy

import pytest
import torch
from torch.nn import functional as F

from latentone.nn import channels_last as last
from latentone.nn.conv import Conv1d, ConvTranspose1d
from latentone.nn.lstm import ResidualLSTM
from latentone.nn.snake import Snake
from latentone.nn.weight_norm import fold_weight_norm


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("taps, stride, dilation", [(7, 1, 1), (3, 1, 9), (1, 1, 1), (8, 4, 1)])
@pytest.mark.parametrize("shape", [(1, 1, 40), (2, 24, 65), (3, 200, 300)])
def test_convolution(shape, taps, stride, dilation, threads, monkeypatch):
    x = torch.randn(shape)
    weight, bias = torch.randn(8, shape[1], taps), torch.randn(8)
    expected = F.conv1d(x, weight, bias, stride, 5, dilation)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for small in (0, 2**40):  # as a convolution, as a product
            monkeypatch.setattr(last, "SMALL", small)
            got = last.conv1d(x, weight, bias, stride, dilation, 5)
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("taps, stride", [(16, 8), (4, 2), (3, 1), (15, 5), (7, 4)])
@pytest.mark.parametrize("causal", [True, False])
def test_transposed_convolution(taps, stride, causal):
    layer = ConvTranspose1d(6, 5, taps, stride=stride, causal=causal)
    x = torch.randn(2, 6, 9)
    expected = layer(x)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected)


def test_layers_keep_the_layout_between_them():
    x = torch.randn(2, 3, 50)
    with torch.no_grad():
        y = Snake(4)(Conv1d(3, 4, 5)(x))
        assert y.stride() == (200, 1, 4)
        z = ConvTranspose1d(4, 6, 4, stride=2)(y + y)
        assert z.stride(1) == 1 and Conv1d(6, 2, 3, pad_mode="reflect")(z).stride(1) == 1


@pytest.mark.parametrize("norm", ["none", "weight_norm"])
@pytest.mark.parametrize("fold", [True, False])
def test_a_changed_weight_is_seen(norm, fold):
    layer = ConvTranspose1d(4, 4, 4, stride=2, norm=norm).eval()
    x = torch.randn(1, 4, 8)
    if fold:
        fold_weight_norm(layer)
    with torch.no_grad():
        first, twin = layer(x), copy.deepcopy(layer)
        layer.load_state_dict({k: 2 * t for k, t in layer.state_dict().items()})
        assert not torch.allclose(layer(x), first)
        torch.testing.assert_close(twin(x), first)
        for parameter in layer.parameters():
            parameter.add_(1)
    layer.train()
    expected = layer(x)
    with torch.no_grad():
        torch.testing.assert_close(layer.eval()(x), expected)


def test_weights_made_in_inference_mode_are_kept_too():
    with torch.inference_mode():
        layer = Conv1d(4, 4, 3, norm="weight_norm").eval()
        fold_weight_norm(layer)
        x = torch.randn(1, 4, 8)
        torch.testing.assert_close(layer(x), layer(x))


def test_precision_follows_the_input():
    torch.manual_seed(0)
    layers = [Conv1d(8, 16, 7), Snake(16), ResidualLSTM(16), ConvTranspose1d(16, 4, 8, stride=4)]
    x = y = torch.randn(1, 8, 40)
    low = x.bfloat16()
    with torch.no_grad():
        for layer in layers:
            y, low = layer(y), layer(low)
            assert low.dtype == torch.bfloat16
    assert 0 < (y - low.float()).norm() < 0.02 * y.norm()
