"""Residual vector quantisation: each codebook quantises what the ones before it left over.

Zeghidour et al., "SoundStream", 2021. The residual chain is detached code by code, so that every
codebook's commitment penalty reaches the encoder; with straight-through inside the chain (as in
the first EnCodec release) the residual's gradient would cancel after the first codebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from .quantize import EMACodebook
from .quantizer import (
    Quantized,
    check_rows,
    draw_choice,
    pass_straight,
    rank_and_world,
    sameness,
    sum_over_ranks,
)

__all__ = ["ResidualVQ"]


class ResidualVQ(nn.Module):
    """A chain of codebooks with running-average updates.

    In training every codebook learns from every batch, but only the first n, drawn from
    `choices`, are heard and penalised: one model for several bit rates. Under
    `torch.distributed` the statistics of all codebooks and the restart candidates of all ranks
    travel in one `all_reduce`, and the ranks' codebooks stay equal.

    Args:
        num_codebooks: codebooks Q.
        codebook_size: entries of each.
        dim: latent channels D.
        choices: the n to draw from; always Q when empty.
        decay: of the running averages.
        restart_below: fraction of the mean use under which a code is restarted.
        kmeans_iterations: of the start on the first training batch.
    """

    def __init__(
        self,
        num_codebooks: int,
        codebook_size: int,
        dim: int,
        *,
        choices: Sequence[int] = (),
        decay: float = 0.99,
        restart_below: float = 0.1,
        kmeans_iterations: int = 50,
    ) -> None:
        super().__init__()
        self.choices = tuple(choices) or (num_codebooks,)
        self.kmeans_iterations = kmeans_iterations
        self.codebooks = nn.ModuleList(
            EMACodebook(codebook_size, dim, decay=decay, restart_below=restart_below)
            for _ in range(num_codebooks)
        )

    @property
    def vocab(self) -> tuple[int, ...]:
        """Entries of each code row."""
        return tuple(codebook.size for codebook in self._first())

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Quantise `(B, D, F)` to codes `(B, num_codebooks, F)`.

        Raises:
            ValueError: there are not that many codebooks.
        """
        batch, _, frames = latents.shape
        used = self._first(num_codebooks)
        codes, _ = _chain(used, _rows(latents))
        return codes.view(len(used), batch, frames).transpose(0, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """Sum the entries of codes `(B, n, F)`, n at most Q, to latents `(B, D, F)`.

        Raises:
            ValueError: more rows than codebooks.
        """
        total = codes.new_zeros((), dtype=self._first()[0].embed.dtype)
        for row, codebook in zip(codes.unbind(1), self._first(codes.shape[1]), strict=True):
            total = total + codebook.decode(row)
        return total.transpose(1, 2)

    def forward(
        self,
        latents: Tensor,
        rng: torch.Generator | None = None,
        num_codebooks: int | None = None,
    ) -> Quantized:
        """Quantise, and in training mode learn from the batch.

        Args:
            latents: `(B, D, F)`; computed on in float32 whatever autocast says.
            rng: decides the number of codebooks, the k-means start and the restarts.
            num_codebooks: how many are heard; None draws in training, and takes all otherwise.

        Raises:
            ValueError: there are not that many.
        """
        with torch.autocast(latents.device.type, enabled=False):
            return self._forward(latents.float(), rng, num_codebooks)

    def _forward(
        self, latents: Tensor, rng: torch.Generator | None, num_codebooks: int | None
    ) -> Quantized:
        batch, dim, frames = latents.shape
        heard = len(self._first(num_codebooks))
        restarted = latents.new_zeros(())
        if self.training:
            heard = draw_choice(self.choices, rng) if num_codebooks is None else heard
            flat = _rows(latents.detach())
            if not all(bool(codebook.inited) for codebook in self._first()):
                self._start(flat, rng)
        codes, residuals = _chain(self._first(), _rows(latents))
        entries = [b.decode(c) for b, c in zip(self._first(heard), codes, strict=False)]
        commitment = torch.stack(
            [F.mse_loss(r, entry) for r, entry in zip(residuals, entries, strict=False)]
        ).mean()
        if self.training:
            restarted = self._learn(codes, [r.detach() for r in residuals], rng)
        quantized = torch.stack(entries).sum(0).view(batch, frames, dim).transpose(1, 2)
        passed = pass_straight(latents, quantized)
        rows = codes[:heard].view(heard, batch, frames).transpose(0, 1)
        metrics = {**self.health(), "sameness": sameness(codes[None]), "restarted": restarted}
        return Quantized(passed, rows, {"commitment": commitment}, metrics)

    @torch.no_grad()
    def health(self) -> dict[str, Tensor]:
        """Share of live codes and perplexity by the running use, averaged over the codebooks."""
        live = torch.stack([1 - b.dead().float().mean() for b in self._first()])
        even = torch.stack([b.perplexity() for b in self._first()])
        return {"use": live.mean(), "perplexity": even.mean()}

    def _first(self, count: int | None = None) -> list[EMACodebook]:
        chain = cast(list[EMACodebook], list(self.codebooks))
        return chain[: check_rows(count, len(chain))]

    @torch.no_grad()
    def _start(self, rows: Tensor, rng: torch.Generator | None) -> None:
        """Place all codebooks by k-means on the first rank's batch, and share them."""
        rank, world = rank_and_world()
        for codebook in self._first():
            if rank == 0:
                codebook.start(rows, self.kmeans_iterations, rng)
                rows = rows - codebook.decode(codebook.encode(rows))
        if world > 1:
            buffers = [b for c in self._first() for b in (c.embed, c.embed_avg, c.cluster_size)]
            shared = torch.cat([b.flatten() for b in buffers])
            distributed.broadcast(shared, src=0)
            for buffer, part in zip(
                buffers, shared.split([b.numel() for b in buffers]), strict=True
            ):
                buffer.copy_(part.view_as(buffer))
        for codebook in self._first():
            codebook.inited.fill_(True)

    @torch.no_grad()
    def _learn(self, codes: Tensor, residuals: list[Tensor], rng: torch.Generator | None) -> Tensor:
        """Update all codebooks from the batches of all ranks; returns how many codes restarted.

        Which codes are dead was decided by the averages before this batch, which all ranks share:
        so all know the number of candidates. The n-th of a codebook is given by rank n mod world;
        the others leave zeros in its place, and the sum over ranks gathers them.
        """
        rank, world = rank_and_world()
        dead = [codebook.dead() for codebook in self._first()]
        parts = []
        for codebook, row, residual, gone in zip(
            self._first(), codes, residuals, dead, strict=True
        ):
            given = codebook.candidates(residual, int(gone.sum()), rng)
            given[torch.arange(len(given), device=given.device) % world != rank] = 0
            parts += [codebook.statistics(residual, row), given]
        parts = sum_over_ranks(parts)
        for i, codebook in enumerate(self._first()):
            codebook.update(parts[2 * i], dead[i], parts[2 * i + 1])
        return torch.stack([gone.sum() for gone in dead]).sum().float()


def _rows(latents: Tensor) -> Tensor:
    """`(B, D, F)` as `(B * F, D)`."""
    return latents.transpose(1, 2).reshape(-1, latents.shape[1])


def _chain(codebooks: Sequence[EMACodebook], rows: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Codes `(n, N)` of `rows (N, D)`, and what each codebook had before it.

    What is subtracted has no gradient (codes are buffers), so each residual keeps the gradient of
    `rows` whole.
    """
    codes, residuals = [], []
    for codebook in codebooks:
        residuals.append(rows)
        codes.append(codebook.encode(rows.detach()))
        rows = rows - codebook.decode(codes[-1])
    return torch.stack(codes), residuals
