"""Weight normalisation (Salimans & Kingma, 2016) that can be folded away for inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from .channels_last import channels_last

__all__ = ["WeightNorm", "fold_weight_norm"]


class WeightNorm(nn.Module):
    """A weight `g * v / |v|`, with one norm per slice of the first axis.

    `fold` computes the product once and keeps it beside the parameters, so that inference does no
    more work per call. The state dict, hence what is saved and fingerprinted, is the same folded
    or not. Going back to training, or loading other weights, drops the folded copy.

    Shape:
        - `v`: as the weight; `g`: `(n, 1, ..., 1)`.
    """

    folded: Tensor | None

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.g = nn.Parameter(_slice_norm(weight))
        self.v = nn.Parameter(weight)
        self.register_buffer("folded", None, persistent=False)

    def forward(self) -> Tensor:
        if self.folded is not None:
            return self.folded
        return self.v * (self.g / _slice_norm(self.v))

    @torch.no_grad()
    def fold(self) -> None:
        """Compute the weight once, until training goes on or other weights are loaded."""
        self.folded = None
        self.folded = channels_last(self().detach()) if self.v.dim() == 3 else self().detach()

    def train(self, mode: bool = True) -> Self:
        if mode:
            self.folded = None
        return super().train(mode)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], *args: Any) -> None:
        self.folded = None
        super()._load_from_state_dict(state_dict, *args)


def _slice_norm(v: Tensor) -> Tensor:
    dims = tuple(range(1, v.dim()))
    return torch.linalg.vector_norm(v, dim=dims, keepdim=True)


def fold_weight_norm(module: nn.Module) -> None:
    """Fold every `WeightNorm` inside `module`, in place."""
    for child in module.modules():
        if isinstance(child, WeightNorm):
            child.fold()
