"""Split quantisation: one quantiser for meaning and one for the rest, on the same latents.

Defossez et al., "Moshi: a speech-text foundation model for real-time dialogue", 2024 (Mimi). The
semantic quantiser is taught by another model's features, from `semantic_latents`; keeping it out
of the acoustic chain keeps that from costing sound.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .quantizer import Quantized, check_rows

__all__ = ["SplitVQ"]


class SplitVQ(nn.Module):
    """Semantic code rows first, then acoustic ones; what both decode to is added.

    Each side has linear projections into its own space and back, without which the gradients of
    both would add up to twice the input's.

    Args:
        semantic: quantiser of `inner` channels.
        acoustic: another one.
        dim: latent channels D.
        inner: channels that the quantisers work on.
    """

    semantic: Any
    acoustic: Any

    def __init__(self, semantic: nn.Module, acoustic: nn.Module, dim: int, inner: int) -> None:
        super().__init__()
        self.semantic, self.acoustic = semantic, acoustic
        self.semantic_in, self.semantic_out = _projections(dim, inner)
        self.acoustic_in, self.acoustic_out = _projections(dim, inner)

    @property
    def vocab(self) -> tuple[int, ...]:
        return self.semantic.vocab + self.acoustic.vocab

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """The first `num_codebooks` code rows of latents `(B, D, F)`.

        Raises:
            ValueError: there are not that many.
        """
        count = check_rows(num_codebooks, len(self.vocab))
        first = min(count, len(self.semantic.vocab))
        codes = [self.semantic.encode(self.semantic_in(latents), first)]
        if count > first:
            rest = self.acoustic_in(latents)
            codes.append(self.acoustic.encode(rest, count - first))
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of the first n code rows `(B, n, F)`.

        Raises:
            ValueError: more rows than there are.
        """
        count = check_rows(codes.shape[1], len(self.vocab))
        first = min(count, len(self.semantic.vocab))
        total = self.semantic_latents(codes[:, :first])
        if count > first:
            rest = self.acoustic.decode(codes[:, first:])
            total = total + self.acoustic_out(rest)
        return total

    def semantic_latents(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of semantic code rows alone."""
        latents: Tensor = self.semantic_out(self.semantic.decode(codes))
        return latents

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise; losses are means weighted by code rows, metrics those of both sides.

        All rows of the semantic side are heard whatever the acoustic side draws.
        """
        with torch.autocast(latents.device.type, enabled=False):
            meant = self.semantic(self.semantic_in(latents.float()), rng)
            rest = self.acoustic(self.acoustic_in(latents.float()), rng)
            total = self.semantic_out(meant.latents) + self.acoustic_out(rest.latents)
        share = meant.codes.shape[1] / (meant.codes.shape[1] + rest.codes.shape[1])
        metrics = _blend(meant.metrics, rest.metrics, share)
        both = meant.metrics["sameness"], rest.metrics["sameness"]
        metrics["sameness"] = torch.stack(both).max()
        if "restarted" in meant.metrics and "restarted" in rest.metrics:
            metrics["restarted"] = meant.metrics["restarted"] + rest.metrics["restarted"]
        metrics |= {f"semantic_{name}": meant.metrics[name] for name in ("use", "perplexity")}
        losses = _blend(meant.losses, rest.losses, share)
        return Quantized(total, torch.cat([meant.codes, rest.codes], dim=1), losses, metrics)

    def surrogate(self, latents: Tensor) -> Tensor:
        """The smooth function whose gradient `forward` has, where both sides pass it straight."""
        meant: Tensor = self.semantic_out(self.semantic_in(latents))
        rest: Tensor = self.acoustic_out(self.acoustic_in(latents))
        return meant + rest


def _projections(dim: int, inner: int) -> tuple[nn.Conv1d, nn.Conv1d]:
    return nn.Conv1d(dim, inner, 1, bias=False), nn.Conv1d(inner, dim, 1, bias=False)


def _blend(a: dict[str, Tensor], b: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """Weighted mean by name; what only one side has counts with that side's weight."""
    blended = {name: share * value for name, value in a.items()}
    for name, value in b.items():
        rest = (1 - share) * value
        blended[name] = blended[name] + rest if name in blended else rest
    return blended
