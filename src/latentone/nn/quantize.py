"""A codebook learned by running averages: vector quantisation without gradients.

Van den Oord et al., "Neural Discrete Representation Learning", 2017, appendix A; k-means start and
restart of dead codes as in Zeghidour et al., "SoundStream", 2021. Differs: a code is dead when its
use falls below a fraction of the mean use (Mimi's rule), since SoundStream's fixed two counts
per batch would restart every code forever when batches are small; and a restarted code also gets
new running averages, without which the next update would undo the restart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import channels_last as last
from .conv import infers_on_cpu

__all__ = ["EMACodebook", "k_means", "nearest"]


def nearest(x: Tensor, codebook: Tensor, squares: Tensor | None = None) -> Tensor:
    """Index of the nearest code by Euclidean distance.

    `|x - e|^2 = (|x|^2 - 2 x.e) + |e|^2`, added in this order: it is that of EnCodec, so that near
    ties fall as they fell where published codes were made.

    Shape:
        - `x`: `(N, D)`; `codebook`: `(K, D)`; `squares`, `|e|^2` where known: `(K,)`.
        - Returns `(N,)` int64.
    """
    products = _products(x, codebook)
    distances = torch.sub(x.square().sum(1, keepdim=True), products, alpha=2, out=products)
    distances.add_(codebook.square().sum(1) if squares is None else squares)
    return distances.min(dim=1).indices  # argmin takes twice as long


def _products(x: Tensor, codebook: Tensor) -> Tensor:
    """`x @ codebook.T`; where a CPU infers, as a convolution of one tap, which is faster."""
    if not infers_on_cpu(x):
        return x @ codebook.T
    return last.conv1d(x.T.unsqueeze(0), codebook.unsqueeze(2), None, 1, 1, 0)[0].T


def _draw(x: Tensor, count: int, rng: torch.Generator | None) -> Tensor:
    """Rows of `x (N, D)` at random, without repetition when there are enough."""
    device = x.device if rng is None else rng.device
    if count <= len(x):
        picks = torch.randperm(len(x), generator=rng, device=device)[:count]
    else:
        picks = torch.randint(len(x), (count,), generator=rng, device=device)
    return x[picks.to(x.device)]


def k_means(
    x: Tensor,
    count: int,
    *,
    iterations: int = 50,
    start: Tensor | None = None,
    rng: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm; a centre that loses all its points stays where it is.

    Distances come from one matrix product, never from an `(N, K, D)` tensor of differences.

    Args:
        x: points `(N, D)`.
        count: centres K.
        iterations: assignments at most; it ends when one changes nothing.
        start: first centres `(K, D)`; points drawn at random when None.
        rng: decides the draw.

    Returns:
        Centres `(K, D)`, and how many points the last assignment gave to each `(K,)`.
    """
    centres = _draw(x, count, rng) if start is None else start
    counts, codes = x.new_zeros(count), None
    for _ in range(iterations):
        before, codes = codes, nearest(x, centres)
        if before is not None and torch.equal(before, codes):
            break
        counts, sums = cluster(x, codes, count)
        centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp_min(1), centres)
    return centres, counts


def cluster(x: Tensor, codes: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """How many points `(K,)` each code got, and their sums `(K, D)`."""
    counts = torch.bincount(codes, minlength=count).to(x.dtype)
    return counts, x.new_zeros(count, x.shape[1]).index_add_(0, codes, x)


class EMACodebook(nn.Module):
    """K codes of D numbers that follow the running mean of what they quantise.

    The module only keeps and updates the codes; it never decides when. Splitting the update into
    `statistics` (linear in the batch: may be summed over processes) and `update` is what lets
    many codebooks share one reduction.

    Args:
        size: codes K.
        dim: numbers per code D.
        decay: of the running averages.
        restart_below: fraction of the mean use under which a code is dead.
        epsilon: Laplace smoothing of the use.
    """

    embed: Tensor
    embed_avg: Tensor
    cluster_size: Tensor
    inited: Tensor

    def __init__(
        self,
        size: int,
        dim: int,
        *,
        decay: float = 0.99,
        restart_below: float = 0.1,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.size, self.dim = size, dim
        self.decay, self.restart_below, self.epsilon = decay, restart_below, epsilon
        bound = dim**-0.5
        self.register_buffer("embed", torch.empty(size, dim).uniform_(-bound, bound))
        self.register_buffer("embed_avg", self.embed.clone())
        self.register_buffer("cluster_size", torch.ones(size))
        self.register_buffer("inited", torch.tensor(False))
        self._known_squares = self.embed, -1, self.embed

    def __getstate__(self) -> dict[str, Any]:
        # A copy's codes count their changes anew: what is known of these says nothing of them.
        return {**super().__getstate__(), "_known_squares": (self.embed, -1, self.embed)}

    def encode(self, x: Tensor) -> Tensor:
        """Nearest codes `(N,)` of `x (N, D)`."""
        return nearest(x, self.embed, self._squares())

    def _squares(self) -> Tensor:
        """`|e|^2 (K,)`, computed when the codes have changed: a stream asks at every frame."""
        if self.embed.is_inference():  # made in inference mode: it does not tell when it changes
            return self.embed.square().sum(1)
        embed, version, squares = self._known_squares
        if embed is not self.embed or version != self.embed._version:
            squares = self.embed.square().sum(1)
            self._known_squares = self.embed, self.embed._version, squares
        return squares

    def decode(self, codes: Tensor) -> Tensor:
        """Look up codes `(...)` as `(..., D)`."""
        return F.embedding(codes, self.embed)

    @torch.no_grad()
    def start(self, x: Tensor, iterations: int, rng: torch.Generator | None = None) -> None:
        """Place the codes by k-means on the first batch `(N, D)`."""
        centres, counts = k_means(x, self.size, iterations=iterations, rng=rng)
        uses = counts + self.epsilon
        self.embed.copy_(centres)
        self.cluster_size.copy_(uses)
        self.embed_avg.copy_(centres * uses[:, None])
        self.inited.fill_(True)

    def dead(self) -> Tensor:
        """Codes `(K,)` bool that are used so little that they should start anew."""
        return self.cluster_size < self.restart_below * self.cluster_size.mean()

    def statistics(self, x: Tensor, codes: Tensor) -> Tensor:
        """Uses and sums of a batch in one tensor `(K, 1 + D)`; add those of other batches."""
        counts, sums = cluster(x, codes, self.size)
        return torch.cat([counts[:, None], sums], dim=1)

    def candidates(self, x: Tensor, count: int, rng: torch.Generator | None = None) -> Tensor:
        """Points `(count, D)` of the batch to restart dead codes from."""
        return _draw(x, count, rng)

    @torch.no_grad()
    def update(self, statistics: Tensor, dead: Tensor, candidates: Tensor) -> None:
        """Follow one batch.

        With decay d, a code used n times with sum s moves to `embed_avg / use`, where
        `use = d * use + (1 - d) * n` and `embed_avg = d * embed_avg + (1 - d) * s`. Laplace
        smoothing keeps the division sane for unused codes.

        Args:
            statistics: of the batch (of all ranks), see `statistics`.
            dead: what `dead` said before this update.
            candidates: new values for the dead codes, in order.
        """
        uses, sums = statistics[:, 0], statistics[:, 1:]
        self.cluster_size.lerp_(uses, 1 - self.decay)
        self.embed_avg.lerp_(sums, 1 - self.decay)
        if len(candidates):
            use = self.cluster_size.mean()
            self.cluster_size[dead] = use
            self.embed_avg[dead] = candidates * use
        total = self.cluster_size.sum()
        share = (self.cluster_size + self.epsilon) / (total + self.size * self.epsilon)
        self.embed.copy_(self.embed_avg / (share * total)[:, None])

    @torch.no_grad()
    def perplexity(self) -> Tensor:
        """Exponential of the entropy of the running use: as many evenly used codes."""
        share = self.cluster_size / self.cluster_size.sum()
        return torch.special.entr(share).sum().exp()
