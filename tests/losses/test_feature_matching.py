"""Feature matching: closed forms, scale, and where the gradient goes."""

import pytest
import torch

from latentone.losses import feature_matching


def test_closed_form():
    real = [[torch.full((2, 3), 4.0), torch.full((5,), -1.0)], [torch.full((1,), 2.0)]]
    fake = [[torch.full((2, 3), 5.0), torch.full((5,), 1.0)], [torch.full((1,), 2.0)]]
    assert feature_matching(real, fake) == pytest.approx((1 / 4 + 2 / 1 + 0) / 3)
    assert feature_matching(real, fake, relative=False) == pytest.approx((1 + 2 + 0) / 3)
    assert feature_matching(real, fake, relative=False, reduction="sum") == pytest.approx(3)


def test_the_relative_form_does_not_see_the_scale_of_a_layer():
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 4, 8, generator=rng), torch.randn(2, 4, 8, generator=rng)
    once = feature_matching([[real]], [[fake]])
    assert feature_matching([[real * 1e-3]], [[fake * 1e-3]]) == pytest.approx(once.item())
    assert feature_matching([[real * 5]], [[fake * 5]], relative=False) == pytest.approx(
        5 * feature_matching([[real]], [[fake]], relative=False).item()
    )


def test_only_the_fake_features_receive_a_gradient():
    real = torch.ones(3, requires_grad=True)
    fake = torch.zeros(3, requires_grad=True)
    feature_matching([[real]], [[fake]]).backward()
    assert real.grad is None
    assert (fake.grad < 0).all()


def test_silent_features_stay_finite():
    zeros = torch.zeros(2, 3)
    assert feature_matching([[zeros]], [[zeros]]) == 0
    assert feature_matching([[zeros]], [[zeros + 1]]).isfinite()


def test_refusals():
    with pytest.raises(ValueError, match="got none"):
        feature_matching([], [])
    with pytest.raises(ValueError):
        feature_matching([[torch.ones(1)]], [[torch.ones(1), torch.ones(1)]])
    with pytest.raises(ValueError, match="reduction must be mean or sum, got 'max'"):
        feature_matching([[torch.ones(1)]], [[torch.ones(1)]], reduction="max")
