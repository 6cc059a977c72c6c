"""A-weighting: how loud ears take soft tones of each frequency to be (IEC 61672-1:2013)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["a_weighting"]

POLES = (20.598997, 107.65265, 737.86223, 12194.217)
"""In Hz, of an analogue filter with four zeros at 0; the first and the last are double."""


def a_weighting(hertz: Tensor) -> Tensor:
    """Gain of the A-weighting curve at each frequency, as a factor on amplitudes.

        R(f) = p4^2 f^4 / ((f^2 + p1^2) sqrt((f^2 + p2^2) (f^2 + p3^2)) (f^2 + p4^2))

    divided by R(1000), so that the gain is 1 at 1 kHz.

    Args:
        hertz: frequencies of any shape; the curve is even.

    Returns:
        Gains of the same shape: 0 at 0 Hz, at most 1.16 (1.3 dB, near 2.5 kHz).
    """
    thousand = torch.tensor(1000.0, dtype=torch.float64)
    return (_response(hertz.double()) / _response(thousand)).to(hertz.dtype)


def _response(hertz: Tensor) -> Tensor:
    square = hertz.square()
    first, second, third, last = (square + pole**2 for pole in POLES)
    return square.square() * POLES[-1] ** 2 / (first * (second * third).sqrt() * last)
