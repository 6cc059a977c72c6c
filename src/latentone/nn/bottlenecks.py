"""Bottlenecks of continuous autoencoders: what shapes the latents so that others can make them.

KL: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013. MMD: Tolstikhin et al.,
"Wasserstein Auto-Encoders", 2017, with the kernel of Caillon and Esling's RAVE. Sphere: Davidson
et al., "Hyperspherical Variational Auto-Encoders", 2018, without its noise.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "Bottleneck",
    "Bottlenecked",
    "KLBottleneck",
    "MMDBottleneck",
    "SphereBottleneck",
    "TanhBottleneck",
    "maximum_mean_discrepancy",
    "normal_kl",
]

ACTIVE_NATS = 0.01
"""KL per frame above which a channel says something."""
SMALLEST_STD = 1e-4
MOST_ROWS = 2048
"""Frames that the discrepancy compares: its memory grows with their square."""


class Bottlenecked(NamedTuple):
    """What a training pass through a bottleneck gives."""

    latents: Tensor
    """`(B, D, F)`, with noise where the bottleneck has some."""
    losses: dict[str, Tensor]
    """Unweighted scalars."""
    metrics: dict[str, Tensor]
    """Health: `std`, of the latents over batch and time, averaged over the channels."""


class Bottleneck(nn.Module):
    """Latents as they are, the bottleneck of a plain autoencoder; others derive from it.

    A bottleneck is pointwise in time, so it streams with whatever stands before it.
    """

    expansion = 1
    """Channels that the encoder must give for each latent channel."""
    has_prior = False
    """Whether something pulls the latents to a distribution that `sample` draws from."""

    def encode(self, hidden: Tensor) -> Tensor:
        """Latents `(B, D, F)` of the encoder's `(B, expansion * D, F)`, without chance."""
        return hidden

    def forward(self, hidden: Tensor, rng: torch.Generator | None = None) -> Bottlenecked:
        """One training pass.

        Args:
            hidden: `(B, expansion * D, F)`.
            rng: decides the noise.
        """
        latents = self.encode(hidden)
        return Bottlenecked(latents, {}, {"std": _spread(latents)})

    def sample(self, like: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Draw latents from the prior.

        Args:
            like: `(B, D, F)`, of whose shape, type and device they are.
            rng: decides the draw.

        Raises:
            ValueError: nothing pulls the latents to a prior.
        """
        raise ValueError(
            f"{type(self).__name__} has no prior to sample from: train a generator on the latents, "
            "or an autoencoder with a KL, MMD or sphere bottleneck"
        )


class KLBottleneck(Bottleneck):
    """A diagonal normal distribution per frame, drawn to the standard normal one.

    The encoder gives means and raw scales; `std = softplus(scale) + 1e-4`. The loss `kl` is in
    nats per frame: summed over channels, averaged over batch and time.
    """

    expansion = 2
    has_prior = True

    def encode(self, hidden: Tensor) -> Tensor:
        """The means."""
        return hidden.chunk(2, dim=1)[0]

    def distribution(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations `(B, D, F)` in float32."""
        mean, scale = hidden.float().chunk(2, dim=1)
        return mean, F.softplus(scale) + SMALLEST_STD

    def forward(self, hidden: Tensor, rng: torch.Generator | None = None) -> Bottlenecked:
        """Draw latents when training, take the means when not.

        Metrics are `std` (of the means), `noise` (mean standard deviation of the draw) and
        `active`, the number of channels with at least 0.01 nats per frame.
        """
        with torch.autocast(hidden.device.type, enabled=False):
            mean, std = self.distribution(hidden)
            per_channel = normal_kl(mean, std).mean(dim=(0, 2))
            latents = mean + std * _normal(mean, rng) if self.training else mean
        metrics = {
            "std": _spread(mean),
            "noise": std.detach().mean(),
            "active": (per_channel.detach() > ACTIVE_NATS).sum().float(),
        }
        return Bottlenecked(latents, {"kl": per_channel.sum()}, metrics)

    def sample(self, like: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Standard normal latents; see `Bottleneck.sample`."""
        return _normal(like, rng)


class MMDBottleneck(Bottleneck):
    """Free latents whose distribution over frames is compared to the standard normal one."""

    has_prior = True

    def forward(self, hidden: Tensor, rng: torch.Generator | None = None) -> Bottlenecked:
        """The loss `mmd` compares the batch's frames with as many normal vectors.

        At most 2048 frames, drawn anew each time, are compared.
        """
        rows = hidden.float().transpose(1, 2).flatten(0, 1)
        if len(rows) > MOST_ROWS:
            device = rows.device if rng is None else rng.device
            picks = torch.randperm(len(rows), generator=rng, device=device)[:MOST_ROWS]
            rows = rows[picks.to(rows.device)]
        with torch.autocast(hidden.device.type, enabled=False):
            mmd = maximum_mean_discrepancy(rows, _normal(rows, rng))
        return Bottlenecked(hidden, {"mmd": mmd}, {"std": _spread(hidden)})

    def sample(self, like: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Standard normal latents; see `Bottleneck.sample`."""
        return _normal(like, rng)


class SphereBottleneck(Bottleneck):
    """Frames as directions: latents of length 1."""

    has_prior = True

    def encode(self, hidden: Tensor) -> Tensor:
        """`z / |z|` over the channels."""
        return F.normalize(hidden, dim=1)

    def sample(self, like: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Directions, all equally likely; see `Bottleneck.sample`."""
        return F.normalize(_normal(like, rng), dim=1)


class TanhBottleneck(Bottleneck):
    """Latents in [-1, 1]."""

    def encode(self, hidden: Tensor) -> Tensor:
        """`tanh z`."""
        return hidden.tanh()


def normal_kl(mean: Tensor, std: Tensor) -> Tensor:
    """KL divergence in nats of normal distributions from the standard one, element by element.

    `E[ln p - ln q] = (mean^2 + std^2 - 1) / 2 - ln std`
    """
    return (mean.square() + std.square() - 1) / 2 - std.log()


def maximum_mean_discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """Squared distance of two samples' kernel means, biased, in [0, 2].

    The kernel is RAVE's, `exp(-|x - y|^2 / D^2)`: one part in D of the mean squared difference.

    Shape:
        - `x`: `(N, D)`; `y`: `(M, D)`; returns a scalar.
    """
    return _kernel_mean(x, x) + _kernel_mean(y, y) - 2 * _kernel_mean(x, y)


def _kernel_mean(x: Tensor, y: Tensor) -> Tensor:
    """`|x - y|^2 = |x|^2 + |y|^2 - 2 x.y`, by one product instead of `(N, M, D)` differences."""
    squares = x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T
    return torch.exp(-squares.clamp_min(0) / x.shape[1] ** 2).mean()


def _normal(like: Tensor, rng: torch.Generator | None) -> Tensor:
    if rng is None:
        return torch.randn_like(like)
    noise = torch.randn(like.shape, generator=rng, device=rng.device, dtype=like.dtype)
    return noise.to(like.device)


@torch.no_grad()
def _spread(latents: Tensor) -> Tensor:
    """Standard deviation `(B, D, F)` over batch and time, averaged over channels."""
    return latents.float().std(dim=(0, 2), correction=0).mean()
