"""Levels in decibels: `20 log10`, never `20 ln`, which would be 2.3 times as large."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SILENCE_DB", "crest_factor_db", "rms_db"]

SILENCE_DB = -120.0
"""Level of silence."""


def rms_db(x: Tensor) -> Tensor:
    """Root mean square in dB relative to 1, at least `SILENCE_DB`.

    Shape:
        Input `(..., T)`; output `(...)`. A square wave of amplitude 1 has 0 dB, a sine -3.01 dB.
    """
    return _db(x.double().square().mean(-1).sqrt())


def crest_factor_db(x: Tensor) -> Tensor:
    """Peak over root mean square in dB; 0 for silence.

    Shape:
        Input `(..., T)`; output `(...)` in [0, inf): a square wave has 0 dB, a sine 3.01 dB.
    """
    return _db(x.double().abs().amax(-1)) - rms_db(x)


def _db(amplitude: Tensor) -> Tensor:
    floor = torch.full_like(amplitude, 10 ** (SILENCE_DB / 20))
    return 20 * torch.maximum(amplitude, floor).log10()
