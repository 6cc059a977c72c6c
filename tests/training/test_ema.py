"""The average of weights follows its formula and never touches the weights."""

import pytest
import torch
from torch import nn

from latentone.training.ema import WeightAverage


def test_it_is_the_closed_form():
    model, decay = nn.Linear(2, 2), 0.9
    average = WeightAverage(model, decay)
    expected = model.weight.detach().double().clone()
    for n in range(200):
        with torch.no_grad():
            model.weight.normal_()
        average.update(n)
        d = min(decay, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * model.weight.double()
    torch.testing.assert_close(average.state_dict()["weight"].double(), expected, atol=1e-5, rtol=0)


def test_its_power_is_the_closed_form():
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model, 0.9, power=0.75)
    expected = model.weight.detach().double().clone()
    for n in range(60):
        with torch.no_grad():
            model.weight.normal_()
        average.update(n)
        d = min(0.9, 1 - (1 + n) ** -0.75)
        expected = d * expected + (1 - d) * model.weight.double()
    torch.testing.assert_close(average.state_dict()["weight"].double(), expected, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="ema_power"):
        WeightAverage(model, 0.9, power=0.0)


def test_initial_weights_leave_a_short_training():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1000.0)
    average = WeightAverage(model, 0.9999)
    nn.init.constant_(model.weight, 1.0)
    for n in range(100):
        average.update(n)
    assert abs(float(average.state_dict()["weight"]) - 1) < 1e-3


def test_applied_swaps_and_restores_bit_for_bit():
    model = nn.BatchNorm1d(3)
    average = WeightAverage(model, 0.5)
    with torch.no_grad():
        model.weight.add_(torch.randn(3))
    model.running_mean.fill_(7)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="inside"), average.applied():
        assert torch.equal(model.weight, torch.ones(3))
        assert torch.equal(model.running_mean, torch.full((3,), 7.0))  # buffers are not averaged
        raise RuntimeError("inside")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_frozen_parameters_are_left_out_and_misfits_refused():
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    average = WeightAverage(model, 0.5)
    assert list(average.state_dict()) == ["weight"]
    with pytest.raises(ValueError, match="'bias' is in one only"):
        average.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
    with pytest.raises(ValueError, match="ema_decay"):
        WeightAverage(model, 1.0)
