"""What every bottleneck of a continuous autoencoder promises."""

from __future__ import annotations

import copy

import torch

from ..nn.bottlenecks import Bottleneck
from .promises import require, require_close

__all__ = ["verify_bottleneck"]


def verify_bottleneck(bottleneck: Bottleneck, *, dim: int = 6, seed: int = 0) -> None:
    """Check a bottleneck against its contract on noise.

    Latents of the right shape, pointwise in time and batch; evaluation without chance, equal to
    `encode`; training decided by its generator; finite scalar losses and a spread that is that of
    the latents; gradients that reach the encoder; and a prior that can be drawn from where it says
    so, refused where not.

    Args:
        bottleneck: left as it was.
        dim: latent channels D.
        seed: of the noise.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    bottleneck = copy.deepcopy(bottleneck)
    rng = torch.Generator().manual_seed(seed)
    hidden = torch.randn(3, bottleneck.expansion * dim, 50, generator=rng)
    bottleneck.eval()
    latents = bottleneck.encode(hidden)
    require(latents.shape == (3, dim, 50), f"latents are {tuple(latents.shape)}")
    parts = [bottleneck.encode(x) for x in hidden.split(7, -1)]
    require(torch.equal(torch.cat(parts, -1), latents), "it is not pointwise in time")
    rows = [bottleneck.encode(x) for x in hidden.split(1)]
    require(torch.equal(torch.cat(rows), latents), "batch differs from single")
    require(torch.equal(bottleneck(hidden).latents, latents), "in evaluation, a pass is no encode")

    bottleneck.train()
    hidden.requires_grad_()
    one, two = (bottleneck(hidden, torch.Generator().manual_seed(seed)) for _ in range(2))
    require(torch.equal(one.latents, two.latents), "the same generator draws otherwise")
    for name, loss in one.losses.items():
        require(loss.dim() == 0 and bool(loss.isfinite()), f"loss {name} is no finite scalar")
        require(torch.equal(loss, two.losses[name]), f"the same generator gives another {name}")
        (gradient,) = torch.autograd.grad(loss, hidden, retain_graph=True)
        require(bool(gradient.any()), f"loss {name} does not move the encoder")
    (gradient,) = torch.autograd.grad((one.latents * latents).sum(), hidden)
    require(bool(gradient.any()), "the gradient stops at the bottleneck")
    spread = latents.detach().std(dim=(0, 2), correction=0).mean()
    require_close(one.metrics["std"], spread, 1e-5, "std is not that of the latents")
    try:
        drawn = bottleneck.sample(latents, torch.Generator().manual_seed(seed))
    except ValueError:
        require(not bottleneck.has_prior, "it says that it has a prior, and draws nothing")
        return
    require(bool(bottleneck.has_prior), "it draws from a prior that it says it has not")
    require(drawn.shape == latents.shape, f"draws are {tuple(drawn.shape)}")
