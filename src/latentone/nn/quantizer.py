"""What every quantiser promises, and what they share: code use, and sums over processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, distributed, nn

__all__ = [
    "CodeUse",
    "Quantized",
    "Quantizer",
    "check_rows",
    "draw_choice",
    "pass_straight",
    "rank_and_world",
    "sameness",
    "sum_over_ranks",
]


class Quantized(NamedTuple):
    """What a training pass through a quantiser gives."""

    latents: Tensor
    """Quantised `(B, D, F)`; gradients reach the input as if nothing had been quantised."""
    codes: Tensor
    """`(B, n, F)` int64 of the n code rows that were heard."""
    losses: dict[str, Tensor]
    """Unweighted scalars: `commitment` pulls the input to the codes, `codebook` codes to it."""
    metrics: dict[str, Tensor]
    """Health: `use` (share of live codes), `perplexity`, `sameness`; `restarted` if they expire."""

    @property
    def commitment(self) -> Tensor:
        """The commitment penalty, zero where there is none."""
        return self.losses.get("commitment", self.latents.new_zeros(()))


@runtime_checkable
class Quantizer(Protocol):
    """Latents `(B, D, F)` to codes `(B, K, F)` and back; a module in training learns its codes."""

    @property
    def vocab(self) -> tuple[int, ...]:
        """Entries of each of the K code rows."""
        ...

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """The first `num_codebooks` code rows of latents; all of them when None.

        Raises:
            ValueError: there are not that many.
        """
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Latents of the first n code rows `(B, n, F)`, n at most K."""
        ...

    def __call__(self, latents: Tensor, rng: torch.Generator | None = None) -> Any:
        """Quantise, and in training mode learn from the batch; gives a `Quantized`."""
        ...


def check_rows(count: int | None, available: int) -> int:
    """How many code rows are meant.

    Raises:
        ValueError: there are not that many.
    """
    count = available if count is None else count
    if not 1 <= count <= available:
        raise ValueError(f"expected 1 to {available} codebooks, got {count}")
    return count


def draw_choice(choices: Sequence[int], rng: torch.Generator | None) -> int:
    """One of the numbers, all equally likely."""
    device = None if rng is None else rng.device
    return choices[int(torch.randint(len(choices), (), generator=rng, device=device))]


def pass_straight(latents: Tensor, quantized: Tensor) -> Tensor:
    """The values of `quantized` with the gradient of `latents` (Bengio et al., 2013)."""
    return latents + (quantized - latents).detach()


def rank_and_world() -> tuple[int, int]:
    """This process's number and how many there are; `(0, 1)` when it is alone."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def sum_over_ranks(parts: Sequence[Tensor]) -> list[Tensor]:
    """Sum each tensor over all processes, in one reduction; as they are when it is alone."""
    if rank_and_world()[1] == 1:
        return list(parts)
    shared = torch.cat([part.flatten() for part in parts])
    distributed.all_reduce(shared)
    split = shared.split([part.numel() for part in parts])
    return [new.view_as(part) for new, part in zip(split, parts, strict=True)]


@torch.no_grad()
def sameness(codes: Tensor) -> Tensor:
    """How often two frames of a batch `(B, K, F)` share a code, in the row where they do most.

    Simpson, "Measurement of Diversity", 1949: `sum n (n - 1) / (N (N - 1))` over the codes. Its
    mean is `1 / size` for any N where all are as frequent; it is 1 where a row says nothing. The
    running use cannot tell that: a code that restarts counts as used.

    Returns:
        A scalar; 0 for a single frame.
    """
    rows = codes.transpose(0, 1).flatten(1)
    frames = rows.shape[1]
    counts = [torch.bincount(row).float() for row in rows]
    pairs = torch.stack([(n * (n - 1)).sum() for n in counts])
    return (pairs / max(frames * (frames - 1), 1)).max().float()


class CodeUse(nn.Module):
    """The running use of each entry of each code row, equal on all processes.

    Args:
        vocab: entries of each row.
        decay: of the running average.
        dead_below: fraction of the mean use under which a code is dead.
    """

    uses: Tensor
    seen: Tensor

    def __init__(
        self, vocab: Sequence[int], *, decay: float = 0.99, dead_below: float = 0.1
    ) -> None:
        super().__init__()
        self.vocab, self.decay, self.dead_below = tuple(vocab), decay, dead_below
        self.register_buffer("uses", torch.cat([torch.full((n,), 1.0 / n) for n in self.vocab]))
        self.register_buffer("seen", torch.tensor(False))

    def count(self, codes: Tensor) -> Tensor:
        """Uses of all rows' entries, one row after the other, in codes `(B, K, F)`."""
        sizes = torch.tensor((0, *self.vocab[:-1]), device=codes.device)
        flat = (codes + sizes.cumsum(0)[:, None]).flatten()
        return torch.bincount(flat, minlength=sum(self.vocab)).to(self.uses.dtype)

    @torch.no_grad()
    def update(self, counts: Tensor) -> None:
        """Follow the counts of one batch (of all ranks); the first one is taken as it is."""
        rows = counts.split(self.vocab)
        shares = torch.cat([row / row.sum().clamp_min(1) for row in rows])
        if bool(self.seen):
            self.uses.lerp_(shares, 1 - self.decay)
        else:
            self.uses.copy_(shares)
            self.seen.fill_(True)

    def dead(self) -> list[Tensor]:
        """Codes `(size,)` bool of each row that are hardly used; none before the first batch."""
        return [row < self.dead_below * row.mean() for row in self.uses.split(self.vocab)]

    @torch.no_grad()
    def revive(self, dead: Sequence[Tensor]) -> None:
        """Give codes that start anew the mean use of their row."""
        rows = zip(self.uses.split(self.vocab), dead, strict=True)
        self.uses.copy_(torch.cat([torch.where(gone, row.mean(), row) for row, gone in rows]))

    @torch.no_grad()
    def health(self) -> dict[str, Tensor]:
        """`use`, share of live codes, and `perplexity`, as many evenly used codes; row means."""
        live = [1 - gone.float().mean() for gone in self.dead()]
        shares = [row / row.sum() for row in self.uses.split(self.vocab)]
        even = [torch.special.entr(share).sum().exp() for share in shares]
        return {"use": torch.stack(live).mean(), "perplexity": torch.stack(even).mean()}
