import pytest
import torch

from latentone.nn.bottlenecks import (
    Bottleneck,
    KLBottleneck,
    MMDBottleneck,
    SphereBottleneck,
    TanhBottleneck,
    maximum_mean_discrepancy,
    normal_kl,
)
from latentone.testing import verify_bottleneck

ALL = [Bottleneck, KLBottleneck, MMDBottleneck, SphereBottleneck, TanhBottleneck]


@pytest.mark.parametrize("kind", ALL)
def test_every_bottleneck_keeps_the_contract(kind):
    verify_bottleneck(kind())


class Leaning(TanhBottleneck):
    """Not pointwise: it takes the mean off."""

    def encode(self, hidden):
        return super().encode(hidden - hidden.mean(-1, keepdim=True))


class Chancy(KLBottleneck):
    """Draws from the global generator."""

    def forward(self, hidden, rng=None):
        return super().forward(hidden, None)


class Boasting(TanhBottleneck):
    has_prior = True


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Leaning, "not pointwise in time"),
        (Chancy, "draws otherwise"),
        (Boasting, "draws nothing"),
    ],
)
def test_broken_bottlenecks_are_found(broken, message):
    with pytest.raises(AssertionError, match=message):
        verify_bottleneck(broken())


def test_kl_equals_that_of_torch_distributions():
    mean, std = torch.randn(2, 4, 9), torch.rand(2, 4, 9) * 3 + 0.01
    standard = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    expected = torch.distributions.kl_divergence(torch.distributions.Normal(mean, std), standard)
    torch.testing.assert_close(normal_kl(mean, std), expected)
    # softplus(s) = std - 1e-4, so s = log(expm1(std - 1e-4))
    out = KLBottleneck().train()(torch.cat([mean, torch.expm1(std - 1e-4).log()], 1))
    torch.testing.assert_close(out.losses["kl"], expected.sum(1).mean(), rtol=1e-4, atol=1e-4)


def test_kl_noise_has_its_mean_and_deviation_and_evaluation_none():
    bottleneck = KLBottleneck().train()
    x = torch.tensor([2.0, -1.0, 0.5, -3.0])[None, :, None].expand(1, 4, 40_000)
    latents = bottleneck(x, torch.Generator().manual_seed(0)).latents[0]
    std = torch.nn.functional.softplus(torch.tensor([0.5, -3.0])) + 1e-4
    torch.testing.assert_close(latents.mean(1), torch.tensor([2.0, -1.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(latents.std(1), std, atol=0, rtol=0.02)
    assert torch.equal(bottleneck.eval()(x).latents, x[:, :2])


def test_kl_of_a_silent_channel_is_not_active():
    x = torch.zeros(1, 4, 10)
    x[:, 0] = torch.randn(10)
    x[:, 2:] = torch.expm1(torch.tensor(1 - 1e-4)).log()  # std 1
    metrics = KLBottleneck()(x).metrics
    assert metrics["active"] == 1
    assert metrics["noise"] == pytest.approx(1, abs=1e-5)


def test_gradients_pass_the_noise():
    x = torch.randn(1, 4, 5, requires_grad=True)
    out = KLBottleneck().train()(x, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(out.latents.sum(), x)
    assert torch.equal(gradient[:, :2], torch.ones(1, 2, 5))
    assert bool(gradient[:, 2:].all())


def test_discrepancy_equals_the_sum_over_pairs():
    x, y = torch.randn(7, 5, dtype=torch.float64), 2 * torch.randn(9, 5, dtype=torch.float64)

    def mean(a, b):
        kernels = [torch.exp(-((u - v) ** 2).mean() / 5) for u in a for v in b]
        return sum(kernels) / len(kernels)

    expected = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    torch.testing.assert_close(maximum_mean_discrepancy(x, y), expected)


def test_discrepancy_of_normal_distributions_in_closed_form():
    """E exp(-|d|^2 / D^2) for d ~ N(0, s I) is (1 + 2 s / D^2)^(-D/2)."""
    rng = torch.Generator().manual_seed(0)
    dim, count, std = 4, 4000, 2.0
    x, y = std * torch.randn(count, dim, generator=rng), torch.randn(count, dim, generator=rng)

    def kernel(variance):
        return (1 + 2 * variance / dim**2) ** (-dim / 2)

    expected = kernel(2 * std**2) + kernel(2) - 2 * kernel(std**2 + 1)
    assert maximum_mean_discrepancy(x, y).item() == pytest.approx(expected, rel=0.05)
    assert maximum_mean_discrepancy(x / std, y).item() < 0.01 * expected


def test_discrepancy_draws_latents_to_the_standard_normal():
    rng = torch.Generator().manual_seed(0)
    shift, scale = torch.tensor(2.0, requires_grad=True), torch.tensor(0.2, requires_grad=True)
    optimizer = torch.optim.Adam([shift, scale], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        x = shift + scale * torch.randn(1, 2, 300, generator=rng)
        MMDBottleneck()(x, rng).losses["mmd"].backward()
        optimizer.step()
    assert abs(shift.item()) < 0.2 and 0.8 < scale.item() < 1.2


def test_long_batches_are_compared_by_a_draw():
    x = torch.randn(1, 3, 5000)
    one, two = (MMDBottleneck()(x, torch.Generator().manual_seed(s)).losses["mmd"] for s in (0, 1))
    assert one != two and one < 0.01


def test_sphere_and_tanh():
    x = torch.randn(2, 6, 9)
    torch.testing.assert_close(SphereBottleneck().encode(x), x / x.square().sum(1, True).sqrt())
    assert torch.equal(TanhBottleneck().encode(x), x.tanh())


def test_priors():
    like = torch.empty(4, 6, 2000)
    for kind in (KLBottleneck, MMDBottleneck):
        drawn = kind().sample(like, torch.Generator().manual_seed(0))
        assert torch.equal(drawn, kind().sample(like, torch.Generator().manual_seed(0)))
        assert drawn.mean().abs() < 0.02 and (drawn.std() - 1).abs() < 0.02
    on_sphere = SphereBottleneck().sample(like, torch.Generator().manual_seed(0))
    torch.testing.assert_close(on_sphere.norm(dim=1), torch.ones(4, 2000))
    for kind in (Bottleneck, TanhBottleneck):
        with pytest.raises(ValueError, match="no prior to sample from"):
            kind().sample(like)
