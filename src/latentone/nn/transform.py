"""The one place for what is done to latents between a store and a generator."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

__all__ = ["LatentTransform"]


class LatentTransform(nn.Module):
    """Centre, scale and rotate continuous latents; codes pass untouched.

    `forward` maps store latents `(B, D, F)` to `rotation @ ((z - mean) / std)` and zeroes the
    dimensions that are not `active`; `inverse` maps back. Saved with the model that uses it.
    """

    mean: Tensor
    std: Tensor
    rotation: Tensor
    active: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))
        self.register_buffer("rotation", torch.eye(dim))
        self.register_buffer("active", torch.ones(dim, dtype=torch.bool))

    @classmethod
    def from_statistics(cls, mean: Tensor, std: Tensor) -> Self:
        """Standardise each dimension by store statistics `(D,)`."""
        transform = cls(mean.shape[0])
        transform.mean.copy_(mean)
        transform.std.copy_(std.clamp_min(1e-5))
        return transform

    def forward(self, latents: Tensor) -> Tensor:
        if not latents.is_floating_point():
            return latents
        z = (latents - self.mean[:, None]) / self.std[:, None]
        return (self.rotation @ z) * self.active[:, None]

    def inverse(self, latents: Tensor) -> Tensor:
        """Undo `forward` on the active dimensions (`rotation` is orthogonal)."""
        if not latents.is_floating_point():
            return latents
        z = self.rotation.T @ (latents * self.active[:, None])
        return z * self.std[:, None] + self.mean[:, None]
