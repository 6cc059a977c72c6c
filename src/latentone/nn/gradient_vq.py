"""Vector quantisation with codes that are ordinary weights, learned by gradient.

Van den Oord et al., "Neural Discrete Representation Learning", 2017; codes compared by direction
as in Yu et al., "Vector-quantized Image Modeling with Improved VQGAN", 2021. Differs: the first
batch places the codes (k-means) and dead codes restart, as with running averages; several
codebooks make a residual chain.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .quantize import k_means, nearest
from .quantizer import (
    CodeUse,
    Quantized,
    check_rows,
    pass_straight,
    rank_and_world,
    sameness,
    sum_over_ranks,
)
from .restart import follow_use
from .rotation import pass_rotated

__all__ = ["GradientPass", "GradientVQ"]

GradientPass = Literal["straight", "rotation"]
"""How gradients come past the quantiser: unchanged, or turned with the code."""


class GradientVQ(nn.Module):
    """A chain of codebooks that follow their gradients; one codebook is a VQ-VAE's.

    Two losses, averaged over the codebooks: `commitment`, which moves latents only, and
    `codebook`, which moves codes only. Both are the mean squared distance to the code.

    Args:
        codebook_size: entries of each.
        dim: latent channels D.
        num_codebooks: codebooks Q.
        normalized: whether the nearest code is the one of the nearest direction; what is emitted
            keeps its length.
        gradient: how gradients pass.
        kmeans_iterations: of the start on the first training batch; 0 starts from noise.
        restart_below: fraction of the mean use under which a code restarts; 0 never.
        decay: of the running use.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        *,
        num_codebooks: int = 1,
        normalized: bool = False,
        gradient: GradientPass = "straight",
        kmeans_iterations: int = 50,
        restart_below: float = 0.1,
        decay: float = 0.99,
    ) -> None:
        super().__init__()
        self.normalized, self.gradient = normalized, gradient
        self.kmeans_iterations, self.restart_below = kmeans_iterations, restart_below
        bound = dim**-0.5
        self.codebooks = nn.ParameterList(
            torch.empty(codebook_size, dim).uniform_(-bound, bound) for _ in range(num_codebooks)
        )
        self.use = CodeUse(self.vocab, decay=decay, dead_below=restart_below or 0.1)

    @property
    def vocab(self) -> tuple[int, ...]:
        return tuple(len(codes) for codes in self.codebooks)

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, D, F)`.

        Raises:
            ValueError: there are not that many codebooks.
        """
        rows, codes = latents.float().transpose(1, 2), []
        for codebook in self._first(num_codebooks):
            codes.append(self._nearest(rows, codebook))
            rows = rows - F.embedding(codes[-1], codebook)
        return torch.stack(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Sum the entries of codes `(B, n, F)`, n at most Q, to latents `(B, D, F)`.

        Raises:
            ValueError: more rows than codebooks.
        """
        books = self._first(codes.shape[1])
        rows = zip(codes.unbind(1), books, strict=True)
        return torch.stack([F.embedding(row, book) for row, book in rows]).sum(0).transpose(1, 2)

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise; in training mode place the codes first, and restart dead ones behind.

        Args:
            latents: `(B, D, F)`; computed on in float32 whatever autocast says.
            rng: decides the k-means start and the restarts.
        """
        with torch.autocast(latents.device.type, enabled=False):
            return self._forward(latents.float(), rng)

    def _forward(self, latents: Tensor, rng: torch.Generator | None) -> Quantized:
        rows = latents.transpose(1, 2)
        if self.training and self.kmeans_iterations and not bool(self.use.seen):
            self._start(rows.detach().flatten(0, 1), rng)
        codes, entries, residuals = [], [], []
        residual = rows
        for codebook in self._first():
            codes.append(self._nearest(residual, codebook))
            entries.append(F.embedding(codes[-1], codebook))
            residuals.append(residual)
            # Without a gradient in what is subtracted, each residual keeps that of `rows` whole.
            residual = residual - entries[-1].detach()
        pairs = list(zip(residuals, entries, strict=True))
        losses = {
            "commitment": torch.stack([F.mse_loss(r, e.detach()) for r, e in pairs]).mean(),
            "codebook": torch.stack([F.mse_loss(e, r.detach()) for r, e in pairs]).mean(),
        }
        passing = pass_rotated if self.gradient == "rotation" else pass_straight
        passed = passing(rows, torch.stack(entries).sum(0).detach()).transpose(1, 2)
        found = torch.stack(codes, dim=1)
        restarted = latents.new_zeros(())
        if self.training:
            restarted = self._learn(found, [r.detach().flatten(0, 1) for r in residuals], rng)
        health = {**self.use.health(), "sameness": sameness(found), "restarted": restarted}
        return Quantized(passed, found, losses, health)

    def surrogate(self, latents: Tensor) -> Tensor:
        """The smooth function whose gradient `forward` has, near `latents`."""
        if self.gradient == "straight":
            return latents
        quantized = self.decode(self.encode(latents)).transpose(1, 2).detach()
        return pass_rotated(latents.transpose(1, 2), quantized).transpose(1, 2)

    def _first(self, count: int | None = None) -> list[Tensor]:
        return list(self.codebooks)[: check_rows(count, len(self.codebooks))]

    @torch.no_grad()
    def _nearest(self, rows: Tensor, codebook: Tensor) -> Tensor:
        """Codes `(B, F)` of `rows (B, F, D)`.

        Between unit vectors `|x - e|^2 = 2 - 2 x.e`: the nearest has the largest inner product.
        """
        flat = rows.flatten(0, 1)
        if self.normalized:
            flat, codebook = F.normalize(flat, dim=-1), F.normalize(codebook, dim=-1)
        return nearest(flat, codebook).view(rows.shape[:2])

    @torch.no_grad()
    def _start(self, rows: Tensor, rng: torch.Generator | None) -> None:
        """Place all codebooks by k-means on the first rank's batch, and share them."""
        rank, _ = rank_and_world()
        found = []
        for codebook in self.codebooks:
            centres = torch.zeros_like(codebook)
            if rank == 0:
                iterations = self.kmeans_iterations
                centres, _ = k_means(rows, len(codebook), iterations=iterations, rng=rng)
                codes = self._nearest(rows[None], centres)[0]
                rows = rows - F.embedding(codes, centres)
            found.append(centres)
        for codebook, centres in zip(self.codebooks, sum_over_ranks(found), strict=True):
            codebook.copy_(centres)

    def _learn(self, codes: Tensor, residuals: list[Tensor], rng: torch.Generator | None) -> Tensor:
        restart = self.restart_below > 0
        return follow_use(self.use, codes, list(self.codebooks), residuals, rng, restart=restart)
