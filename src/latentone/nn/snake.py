"""Snake, an activation that bends periodically: `x + sin^2(a x) / a`.

Ziyin, Hartwig, Ueda, "Neural Networks Fail to Learn Periodic Functions and How to Fix It", 2020.
With a frequency per channel as in Kumar et al., "High-Fidelity Audio Compression with Improved
RVQGAN", 2023; with frequency and size apart and in logarithms, `SnakeBeta`, as in Lee et al.,
"BigVGAN", 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .conv import infers_on_cpu

__all__ = ["Snake", "SnakeBeta", "snake"]

EPSILON = 1e-9
"""Keeps the division finite; part of the published definition, so weights rely on it."""


def snake(x: Tensor, frequency: Tensor, size: Tensor) -> Tensor:
    """Bend `x` to `x + sin^2(frequency x) / (size + 1e-9)`.

    Shape:
        - `x`: `(B, C, T)`; `frequency` and `size`: `(1, C, 1)`. Returns `(B, C, T)`.
    """
    height = (size + EPSILON).reciprocal().to(x.dtype)
    frequency = frequency.to(x.dtype)
    if infers_on_cpu(x):  # fresh memory costs a CPU more than the sine
        return torch.addcmul(x, (frequency * x).sin_().square_(), height)
    return x + height * torch.sin(frequency * x).square()


class Snake(nn.Module):
    """`x + sin^2(alpha x) / alpha` with a learned alpha for each channel, 1 at first.

    Shape:
        - Input and output: `(B, channels, T)`; `alpha`: `(1, channels, 1)`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return snake(x, self.alpha, self.alpha)


class SnakeBeta(nn.Module):
    """`x + sin^2(e^alpha x) / e^beta` with alpha and beta for each channel, 0 at first.

    Shape:
        - Input and output: `(B, channels, T)`; `alpha`, `beta`: `(1, channels, 1)`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1, channels, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return snake(x, self.alpha.exp(), self.beta.exp())
