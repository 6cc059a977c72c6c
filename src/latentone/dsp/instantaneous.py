"""Spectra as log-magnitude and instantaneous frequency, which a network can draw, and back.

Engel et al., "GANSynth: Adversarial Neural Audio Synthesis", 2019. The phase of a steady tone
turns by the same angle from frame to frame: its instantaneous frequency is constant where its
phase is not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "from_instantaneous",
    "instantaneous_frequency",
    "integrate_frequency",
    "to_instantaneous",
]


def instantaneous_frequency(phase: Tensor) -> Tensor:
    """How far the phase turns from frame to frame, in half turns.

    The first frame has the phase itself. Turns are taken the shorter way round.

    Args:
        phase: `(..., N)` in radians.

    Returns:
        `(..., N)` in [-1, 1).
    """
    turns = phase / math.pi
    return _wrap(torch.cat([turns[..., :1], turns[..., 1:] - turns[..., :-1]], dim=-1))


def integrate_frequency(frequency: Tensor) -> Tensor:
    """Undo `instantaneous_frequency`: `(..., N)` in half turns to phases in [-pi, pi).

    Sums are taken in fp64: over an hour of frames a phase drifts by a few thousandths of a radian,
    which is what rounding the turns to fp32 adds up to.
    """
    turns = frequency.double().cumsum(-1)
    return (_wrap(turns) * math.pi).to(frequency.dtype)


def to_instantaneous(spectra: Tensor, floor: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Log-magnitude `ln(|X| + floor)` and instantaneous frequency of complex `(..., N)`.

    Returns:
        Both real, `(..., N)`.
    """
    return (spectra.abs() + floor).log(), instantaneous_frequency(spectra.angle())


def from_instantaneous(log_magnitude: Tensor, frequency: Tensor, floor: float = 1e-6) -> Tensor:
    """Undo `to_instantaneous`; what lies below `ln(floor)` is silence.

    Returns:
        Complex `(..., N)`.
    """
    magnitude = (log_magnitude.exp() - floor).clamp_min(0)
    return torch.polar(magnitude, integrate_frequency(frequency))


def _wrap(turns: Tensor) -> Tensor:
    """The same angle in [-1, 1): a half turn either way is -1, so that it does not flicker."""
    return turns - 2 * torch.floor((turns + 1) / 2)
