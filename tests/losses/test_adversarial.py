"""Adversarial losses: closed forms, and the sign of what they ask for."""

import pytest
import torch

from latentone.losses import discriminator_loss, generator_loss


def scores(*values):
    return [torch.tensor([[v]]) for v in values]


def test_hinge_is_flat_beyond_the_margin_and_linear_before():
    assert discriminator_loss(scores(1.0), scores(-1.0)) == 0
    assert discriminator_loss(scores(3.0), scores(-7.0)) == 0
    assert discriminator_loss(scores(0.5), scores(-0.25)) == pytest.approx(0.5 + 0.75)
    assert generator_loss(scores(1.5)) == 0
    assert generator_loss(scores(-2.0)) == 3


def test_least_squares():
    kind = "least_squares"
    assert discriminator_loss(scores(1.0), scores(0.0), kind) == 0
    assert discriminator_loss(scores(3.0), scores(2.0), kind) == 4 + 4
    assert generator_loss(scores(1.0), kind) == 0
    assert generator_loss(scores(-1.0), kind) == 4


def test_the_linear_hinge_asks_without_an_end():
    kind = "linear_hinge"
    assert discriminator_loss(scores(0.5), scores(-0.25), kind) == pytest.approx(0.5 + 0.75)
    assert generator_loss(scores(1.5), kind) == -1.5
    assert generator_loss(scores(-2.0), kind) == 2


@pytest.mark.parametrize("kind", ["hinge", "linear_hinge", "least_squares"])
def test_sums_are_means_times_the_number_of_discriminators(kind):
    real, fake = scores(0.2, -0.5, 0.7), scores(-0.3, 0.4, 0.1)
    mean, total = (discriminator_loss(real, fake, kind, r) for r in ("mean", "sum"))
    assert total == pytest.approx(3 * mean.item())
    mean, total = (generator_loss(fake, kind, r) for r in ("mean", "sum"))
    assert total == pytest.approx(3 * mean.item())


def test_every_discriminator_counts_alike_whatever_its_resolution():
    real = [torch.zeros(2, 1, 10, 10), torch.ones(2, 1, 1, 1)]
    fake = [-torch.ones(2, 1, 10, 10), torch.zeros(2, 1, 1, 1)]
    assert discriminator_loss(real, fake) == pytest.approx((1 + 0) / 2 + (0 + 1) / 2)
    assert generator_loss(fake) == pytest.approx((2 + 1) / 2)


@pytest.mark.parametrize("kind", ["hinge", "linear_hinge", "least_squares"])
def test_the_two_halves_pull_the_score_of_fakes_apart(kind):
    fake = torch.tensor([0.3], requires_grad=True)
    (down,) = torch.autograd.grad(discriminator_loss(scores(0.0), [fake], kind), [fake])
    (up,) = torch.autograd.grad(generator_loss([fake], kind), [fake])
    assert down > 0 > up


def test_refusals():
    with pytest.raises(ValueError, match="as many discriminators, got 2, 1"):
        discriminator_loss(scores(1.0, 1.0), scores(1.0))
    with pytest.raises(ValueError, match="got none"):
        generator_loss([])
    with pytest.raises(ValueError, match="got 'wasserstein'"):
        generator_loss(scores(1.0), "wasserstein")
    with pytest.raises(ValueError, match="reduction must be mean or sum, got 'max'"):
        generator_loss(scores(1.0), reduction="max")
    with pytest.raises(ValueError, match="got 'wasserstein'"):
        discriminator_loss(scores(1.0), scores(1.0), "wasserstein")
