"""Finite scalar quantisation: every channel rounds to a few levels, and there is no codebook.

Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2023; the bound reaches a little
beyond the outer levels, as in vector-quantize-pytorch, so that they are rounded to with certainty.
Noise in place of rounding: Parker et al., "Scaling Transformers for Low-Bitrate High-Quality Speech
Coding", 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from .quantizer import CodeUse, Quantized, check_rows, pass_straight, sameness, sum_over_ranks

__all__ = ["FSQ"]

MARGIN = 1e-3


class FSQ(nn.Module):
    """One code row of `prod(levels)` entries over as many scalars as there are levels.

    Args:
        levels: of each scalar, at least 2.
        dim: latent channels D; linear projections lead to the scalars and back where D is not
            their number.
        noise_dropout: probability in training that a scalar is not rounded, but moved by uniform
            noise as wide as a step: the decoder hears what lies between the levels, and nothing
            changes in evaluation.

    Raises:
        ValueError: a scalar with less than two levels, or no probability.
    """

    half_range: Tensor
    offset: Tensor
    width: Tensor
    basis: Tensor

    def __init__(
        self, levels: Sequence[int], dim: int | None = None, *, noise_dropout: float = 0.0
    ) -> None:
        super().__init__()
        if not 0 <= noise_dropout <= 1:
            raise ValueError(f"noise_dropout must be in [0, 1], got {noise_dropout}")
        self.noise_dropout = noise_dropout
        self.levels = tuple(levels)
        if not self.levels or min(self.levels) < 2:
            raise ValueError(f"levels must be 2 or more for each scalar, got {self.levels}")
        scalars = len(self.levels)
        dim = scalars if dim is None else dim
        self.into = nn.Identity() if dim == scalars else nn.Linear(dim, scalars)
        self.out = nn.Identity() if dim == scalars else nn.Linear(scalars, dim)
        counts = torch.tensor(self.levels)
        constants = {
            "half_range": (counts - 1) * (1 + MARGIN) / 2,
            "offset": torch.where(counts % 2 == 0, 0.5, 0.0),
            "width": counts // 2,
            "basis": torch.tensor([prod(self.levels[:i]) for i in range(scalars)]),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.use = CodeUse(self.vocab)

    @property
    def vocab(self) -> tuple[int, ...]:
        return (prod(self.levels),)

    def bound(self, scalars: Tensor) -> Tensor:
        """Squash `(..., S)` so that rounding gives exactly the levels.

        L levels around zero: odd L from -(L-1)/2 to (L-1)/2, even L one more below. An even L
        would put zero between two levels; half a step down, and as much before the tanh, keeps
        `bound(0) = 0` a level.
        """
        shift = (self.offset / self.half_range).atanh()
        return (scalars + shift).tanh() * self.half_range - self.offset

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, 1, F)` of latents `(B, D, F)`: the levels as digits, the first the lowest."""
        check_rows(num_codebooks, 1)
        with torch.autocast(latents.device.type, enabled=False):
            return self._index(self.bound(self.into(latents.float().transpose(1, 2))).round())

    def decode(self, codes: Tensor) -> Tensor:
        """Latents `(B, D, F)` of codes `(B, 1, F)`; scalars lie in [-1, 1]."""
        check_rows(codes.shape[1], 1)
        counts = 2 * self.width + (self.offset == 0)
        digits = codes[:, 0, :, None] // self.basis % counts
        scalars = (digits - self.width).to(self.half_range.dtype) / self.width
        latents: Tensor = self.out(scalars)
        return latents.transpose(1, 2)

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise; gradients pass the rounding, not the bound.

        Args:
            latents: `(B, D, F)`.
            rng: decides the noise in training, where there is some; codes are always the levels.
        """
        with torch.autocast(latents.device.type, enabled=False):
            bounded = self.bound(self.into(latents.float().transpose(1, 2)))
            rounded = bounded.detach().round()
            codes = self._index(rounded)
            heard = rounded
            if self.training:
                self.use.update(*sum_over_ranks([self.use.count(codes)]))
                if self.noise_dropout:
                    heard = self._disturb(bounded.detach(), rounded, rng)
            passed = self.out(pass_straight(bounded, heard) / self.width).transpose(1, 2)
            health = {**self.use.health(), "sameness": sameness(codes)}
            return Quantized(passed, codes, {}, health)

    def surrogate(self, latents: Tensor) -> Tensor:
        """The smooth function whose gradient `forward` has."""
        smooth: Tensor = self.out(self.bound(self.into(latents.transpose(1, 2))) / self.width)
        return smooth.transpose(1, 2)

    def _disturb(self, bounded: Tensor, rounded: Tensor, rng: torch.Generator | None) -> Tensor:
        """Some scalars with noise in [-1/2, 1/2), the width of a rounding error, in its place."""
        device = bounded.device if rng is None else rng.device
        draws = torch.rand((2, *bounded.shape), generator=rng, device=device).to(bounded.device)
        return torch.where(draws[0] < self.noise_dropout, bounded + draws[1] - 0.5, rounded)

    def _index(self, rounded: Tensor) -> Tensor:
        digits = rounded.long() + self.width
        return (digits * self.basis).sum(-1)[:, None]
