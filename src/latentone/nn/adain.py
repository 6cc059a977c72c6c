"""Adaptive instance normalisation that is learned after training, from examples.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
2017, as RAVE v3 uses it: while a model is trained the layer is the identity. Differs: statistics
are those of all examples together, not one set for each row of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["AdaptiveInstanceNorm", "exchange_statistics", "forget_statistics"]

EPSILON = 1e-5
Role = Literal["source", "target"]


class AdaptiveInstanceNorm(nn.Module):
    """Gives each channel the mean and deviation that it had on other sound.

    The identity until statistics of a source and of a target are known, and in training mode
    always; from then on `(x - source mean) / source deviation * target deviation + target mean`.
    Pointwise in time, so it streams. While it learns a target it is the identity; while it learns a
    source it moves already, since layers behind must learn what they will hear.

    Shape:
        - `(B, channels, T)` to the same.
    """

    statistics: Tensor
    counts: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.learning: Role | None = None
        start = torch.tensor([[0.0, 1.0], [0.0, 1.0]])[:, :, None].repeat(1, 1, channels)
        self.register_buffer("statistics", start)  # (source | target, mean | deviation, channel)
        self.register_buffer("counts", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return x
        if self.learning is not None:
            self._learn(0 if self.learning == "source" else 1, x)
            if self.learning == "target":
                return x
        # Tensors decide, so that the layer can be exported: both choices are cheap.
        (from_mean, from_std), (to_mean, to_std) = self.statistics.to(x.dtype)[..., None]
        moved = (x - from_mean) / (from_std + EPSILON) * to_std + to_mean
        return torch.where(self.counts.min() > 0, moved, x)

    @torch.no_grad()
    def _learn(self, role: int, x: Tensor) -> None:
        """Running means over calls of each channel's mean and deviation over time."""
        if x.shape[-1] < 2:
            return
        new = torch.stack([x.mean(-1).mean(0), x.std(-1).mean(0)])
        self.counts[role] += 1
        self.statistics[role] += (new - self.statistics[role]) / self.counts[role]


@contextmanager
def exchange_statistics(model: nn.Module, role: Role) -> Iterator[None]:
    """While it lasts, every such layer of `model` learns the source, or target, from what it hears.

    The model must be in eval mode; run examples through it inside the `with`, of the target first:
    what layers behind another hear of the source is what that one has made like the target.
    """
    layers = [m for m in model.modules() if isinstance(m, AdaptiveInstanceNorm)]
    if not layers:
        raise ValueError("the model has no adaptive instance normalisation: take a v3 recipe")
    for layer in layers:
        layer.learning = role
    try:
        yield
    finally:
        for layer in layers:
            layer.learning = None


def forget_statistics(model: nn.Module) -> None:
    """Make every such layer of `model` the identity again."""
    for layer in model.modules():
        if isinstance(layer, AdaptiveInstanceNorm):
            layer.counts.zero_()
            layer.statistics[:, 0] = 0.0
            layer.statistics[:, 1] = 1.0
