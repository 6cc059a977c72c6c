"""Factorised residual vector quantisation: codes of a few numbers, learned by gradient.

Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (DAC), 2023; low-dimensional
and L2-normalised codes as in Yu et al., "Vector-quantized Image Modeling with Improved VQGAN",
2021. Each codebook projects what is left to `code_dim` numbers, takes the code of the nearest
direction, and projects that code, as it is, back.

The residual is not detached between codebooks: the straight-through gradient of `P_i` projections
in a chain is then that of the chain itself, `1 - prod(1 - P_i)`, where a detached one would count
what two projections share twice. (With EnCodec's full-width codes P_i is 1, and only the first
codebook's commitment would reach the encoder; here a projection takes a few of many dimensions.)

Differs: each item of a batch drops codebooks with the given probability, on its own, where DAC
takes a fixed number of first items (none, for a batch of one). Two things that DAC has not are off
unless asked for: k-means places the codes on the first batch, and dead ones restart. Without them,
a thousand steps on small batches ended with all frames in one code.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import Conv1d
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

__all__ = ["FactorizedCodebook", "FactorizedRVQ"]


class FactorizedCodebook(nn.Module):
    """Codes of `code_dim` numbers between two projections.

    Args:
        size: codes K.
        dim: channels D outside.
        code_dim: numbers of a code.
    """

    def __init__(self, size: int, dim: int, code_dim: int) -> None:
        super().__init__()
        self.in_proj = Conv1d(dim, code_dim, 1, norm="weight_norm")
        self.entries = nn.Parameter(torch.randn(size, code_dim))
        self.out_proj = Conv1d(code_dim, dim, 1, norm="weight_norm")

    def search(self, projected: Tensor) -> Tensor:
        """Codes `(B, F)` of the directions nearest to those of `(B, code_dim, F)`."""
        batch, dim, frames = projected.shape
        rows = projected.detach().transpose(1, 2).reshape(-1, dim)
        codes = nearest(F.normalize(rows), F.normalize(self.entries.detach()))
        return codes.view(batch, frames)

    def look_up(self, codes: Tensor) -> Tensor:
        """Entries `(B, code_dim, F)` of codes `(B, F)`, as they are: not normalised."""
        return F.embedding(codes, self.entries).transpose(1, 2)


class FactorizedRVQ(nn.Module):
    """A chain of factorised codebooks, one model for several bit rates.

    In training an item hears, with probability `dropout`, only the first n codebooks, n uniform in
    1 ... Q. By default nothing but gradients moves the codes.

    Args:
        num_codebooks: codebooks Q.
        codebook_size: entries of each.
        dim: latent channels D.
        code_dim: numbers of a code.
        dropout: probability with which an item of a training batch hears fewer codebooks.
        kmeans_iterations: of the start on the first training batch; 0 starts from noise.
        restart_below: fraction of the mean use under which a code restarts; 0 never.

    Raises:
        ValueError: a size below 1, or a dropout outside [0, 1].
    """

    def __init__(
        self,
        num_codebooks: int,
        codebook_size: int,
        dim: int,
        *,
        code_dim: int = 8,
        dropout: float = 0.5,
        kmeans_iterations: int = 0,
        restart_below: float = 0.0,
    ) -> None:
        super().__init__()
        if min(num_codebooks, codebook_size, dim, code_dim) < 1:
            raise ValueError("sizes must be at least 1")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be in [0, 1], got {dropout}")
        self.code_dim, self.dropout = code_dim, dropout
        self.kmeans_iterations, self.restart_below = kmeans_iterations, restart_below
        self.codebooks = nn.ModuleList(
            FactorizedCodebook(codebook_size, dim, code_dim) for _ in range(num_codebooks)
        )
        sizes = (codebook_size,) * num_codebooks
        self.code_use = CodeUse(sizes, dead_below=restart_below or 0.1)

    @property
    def vocab(self) -> tuple[int, ...]:
        """Entries of each codebook."""
        return self.code_use.vocab

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Quantise `(B, D, F)` to codes `(B, num_codebooks, F)`.

        Raises:
            ValueError: there are not that many codebooks.
        """
        return self._chain(latents, self._first(num_codebooks))[0]

    def project(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Projections `(B, num_codebooks * code_dim, F)` of `(B, D, F)` just before the search.

        A continuous view of the same latents, for generators that do not want codes; see
        `from_latents`.
        """
        return self._chain(latents, self._first(num_codebooks))[1]

    def decode(self, codes: Tensor) -> Tensor:
        """Sum the entries of codes `(B, n, F)`, n at most Q, to latents `(B, D, F)`.

        Raises:
            ValueError: more rows than codebooks.
        """
        pairs = zip(self._first(codes.shape[1]), codes.unbind(1), strict=True)
        return torch.stack([book.out_proj(book.look_up(row)) for book, row in pairs]).sum(0)

    def from_latents(self, projections: Tensor) -> tuple[Tensor, Tensor]:
        """Quantise projections `(B, n * code_dim, F)`, such as a generator gives.

        Returns:
            Latents `(B, D, F)` and codes `(B, n, F)`.

        Raises:
            ValueError: the channels are no whole number of codebooks, 1 to Q.
        """
        channels = projections.shape[1]
        if channels % self.code_dim:
            raise ValueError(
                f"expected projections (B, n * {self.code_dim}, F), got {tuple(projections.shape)}"
            )
        used = self._first(channels // self.code_dim)
        parts = zip(used, projections.split(self.code_dim, dim=1), strict=True)
        codes = torch.stack([book.search(part) for book, part in parts], dim=1)
        return self.decode(codes), codes

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise, in training mode with dropout of codebooks.

        Args:
            latents: `(B, D, F)`; computed on in float32 whatever autocast says.
            rng: decides which items hear fewer codebooks.

        Returns:
            Codes of all codebooks, heard or not. The losses `commitment`, which moves the
            projections, and `codebook`, which moves the codes, are the mean squared distance
            of the two: averaged over items, summed over the codebooks that each item heard.
        """
        with torch.autocast(latents.device.type, enabled=False):
            return self._forward(latents.float(), rng)

    def _forward(self, latents: Tensor, rng: torch.Generator | None) -> Quantized:
        if self.training and self.kmeans_iterations and not bool(self.code_use.seen):
            self._start(latents.detach(), rng)
        heard = self._draw(latents, rng)
        residual, total = latents, torch.zeros_like(latents)
        rows, asked, commitments, distances = [], [], [], []
        for i, book in enumerate(self._first()):
            projected = book.in_proj(residual)
            rows.append(book.search(projected))
            asked.append(projected.detach().transpose(1, 2).flatten(0, 1))
            entries = book.look_up(rows[-1])
            passed = book.out_proj(pass_straight(projected, entries))
            takes_part = (heard > i).to(latents.dtype)
            total = total + passed * takes_part[:, None, None]
            residual = residual - passed
            commitments.append(_distance(projected, entries.detach()) * takes_part)
            distances.append(_distance(entries, projected.detach()) * takes_part)
        codes, restarted = torch.stack(rows, dim=1), latents.new_zeros(())
        if self.training:
            books, restart = [book.entries for book in self._first()], self.restart_below > 0
            # All at once would put one frame behind many codes, and leave nothing to the next
            # codebook, whose codes, being directions, cannot say nothing.
            most = len(asked[0]) // 4
            restarted = follow_use(
                self.code_use, codes, books, asked, rng, restart=restart, most=most
            )
        losses = {
            "commitment": torch.stack(commitments).sum(0).mean(),
            "codebook": torch.stack(distances).sum(0).mean(),
        }
        health = {**self.code_use.health(), "sameness": sameness(codes), "restarted": restarted}
        return Quantized(total, codes, losses, health)

    @torch.no_grad()
    def _start(self, latents: Tensor, rng: torch.Generator | None) -> None:
        """Place all codes by k-means on the first rank's batch `(B, D, F)`, and share them."""
        rank, _ = rank_and_world()
        found, residual = [], latents
        for book in self._first():
            centres = torch.zeros_like(book.entries)
            if rank == 0:
                projected = book.in_proj(residual)
                rows = projected.transpose(1, 2).flatten(0, 1)
                iterations = self.kmeans_iterations
                centres, _ = k_means(rows, len(book.entries), iterations=iterations, rng=rng)
                book.entries.copy_(centres)
                residual = residual - book.out_proj(book.look_up(book.search(projected)))
            found.append(centres)
        for book, centres in zip(self._first(), sum_over_ranks(found), strict=True):
            book.entries.copy_(centres)

    def _chain(self, latents: Tensor, used: list[FactorizedCodebook]) -> tuple[Tensor, Tensor]:
        """Codes `(B, n, F)` of `(B, D, F)`, and what was searched for, `(B, n * code_dim, F)`."""
        codes, projections = [], []
        for book in used:
            projections.append(book.in_proj(latents))
            codes.append(book.search(projections[-1]))
            latents = latents - book.out_proj(book.look_up(codes[-1]))
        return torch.stack(codes, dim=1), torch.cat(projections, dim=1)

    def _first(self, count: int | None = None) -> list[FactorizedCodebook]:
        chain = cast(list[FactorizedCodebook], list(self.codebooks))
        return chain[: check_rows(count, len(chain))]

    def _draw(self, latents: Tensor, rng: torch.Generator | None) -> Tensor:
        """How many codebooks each item hears `(B,)`."""
        every, batch = len(self.codebooks), len(latents)
        if not self.training:
            return torch.full((batch,), every, device=latents.device)
        device = latents.device if rng is None else rng.device
        fewer = torch.randint(1, every + 1, (batch,), generator=rng, device=device)
        drops = torch.rand(batch, generator=rng, device=device) < self.dropout
        return torch.where(drops, fewer, every).to(latents.device)


def _distance(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of each item `(B,)`."""
    return (x - target).square().mean(dim=(1, 2))
