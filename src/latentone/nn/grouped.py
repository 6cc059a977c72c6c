"""Grouped quantisation: the channels are shared out to quantisers that work side by side.

Yang et al., "HiFi-Codec: Group-residual Vector Quantization for High Fidelity Audio Codec", 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from .quantizer import Quantized, Quantizer, check_rows, draw_choice
from .residual import ResidualVQ

__all__ = ["GroupedVQ"]


class GroupedVQ(nn.Module):
    """G quantisers of equal width and depth, each over its share of the channels.

    Code rows are ordered by depth, then by group: with two groups of three codebooks, rows 0 and 1
    are the first codebooks of both. So the first rows are the coarse ones, as in a plain chain.

    Args:
        groups: the quantisers, with as many code rows each.
        choices: of how many code rows of each group are heard in training, drawn for all groups
            together (quantiser dropout); always all when empty. For groups that are `ResidualVQ`.

    Raises:
        ValueError: no groups, or of different depth; choices that they do not have, or groups
            that draw their own.
    """

    def __init__(self, groups: Sequence[nn.Module], *, choices: Sequence[int] = ()) -> None:
        super().__init__()
        self.groups = nn.ModuleList(groups)
        depths = {len(cast(Quantizer, group).vocab) for group in groups}
        if len(depths) != 1:
            raise ValueError(f"expected groups of as many code rows each, got {sorted(depths)}")
        (self.depth,) = depths
        self.choices = tuple(check_rows(choice, self.depth) for choice in choices)
        if self.choices and not all(isinstance(group, ResidualVQ) for group in groups):
            raise ValueError("choices of depth take groups that are ResidualVQ")
        if any(len(getattr(group, "choices", ())) > 1 for group in groups):
            raise ValueError(
                "groups that each draw how many codebooks are heard would differ in depth: give "
                "`choices` to GroupedVQ"
            )

    @property
    def vocab(self) -> tuple[int, ...]:
        groups = [group.vocab for group in self.groups]
        return tuple(size for level in zip(*groups, strict=True) for size in level)

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """The first `num_codebooks` code rows of latents `(B, D, F)`.

        Raises:
            ValueError: there are not that many, or D does not divide by the groups.
        """
        count = check_rows(num_codebooks, self.depth * len(self.groups))
        level = -(-count // len(self.groups))
        codes = [group.encode(part, level) for group, part in self._share(latents)]
        return torch.stack(codes, dim=2).flatten(1, 2)[:, :count]

    def decode(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of the first n code rows `(B, n, F)`; zeros in groups without a row.

        Raises:
            ValueError: more rows than there are.
        """
        groups: list[Any] = list(self.groups)
        count = check_rows(codes.shape[1], len(self.vocab))
        rows = [codes[:, i :: len(groups)] for i in range(min(count, len(groups)))]
        parts = [group.decode(row) for group, row in zip(groups, rows, strict=False)]
        parts += [torch.zeros_like(parts[0])] * (len(groups) - len(parts))
        return torch.cat(parts, dim=1)

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise; losses and metrics are means over the groups.

        Of them `sameness` is the largest instead, and `restarted` a sum.

        Args:
            latents: `(B, D, F)`.
            rng: decides the depth, and all chance of the groups.
        """
        heard = (draw_choice(self.choices, rng),) if self.training and self.choices else ()
        found = [group(part, rng, *heard) for group, part in self._share(latents)]
        codes = torch.stack([one.codes for one in found], dim=2).flatten(1, 2)
        losses = _mean([one.losses for one in found])
        metrics = _mean([one.metrics for one in found])
        metrics["sameness"] = torch.stack([one.metrics["sameness"] for one in found]).max()
        if "restarted" in metrics:
            metrics["restarted"] = metrics["restarted"] * len(self.groups)
        return Quantized(torch.cat([one.latents for one in found], dim=1), codes, losses, metrics)

    def _share(self, latents: Tensor) -> list[tuple[Any, Tensor]]:
        groups, dim = len(self.groups), latents.shape[1]
        if dim % groups:
            raise ValueError(f"expected channels that divide by {groups} groups, got {dim}")
        return list(zip(self.groups, latents.chunk(groups, dim=1), strict=True))


def _mean(found: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in found]).mean() for name in found[0]}
