"""How varied the pitches of a set of notes are."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import torch

__all__ = ["pitch_class_entropy", "pitch_entropy"]


def pitch_entropy(pitches: Iterable[float]) -> float:
    """Entropy of a set's pitches in bits, from 0 (all equal) to log2 of the number of pitches.

    Of generated notes it shows how much of the keyboard a model covers, as the pitch entropy of
    Engel et al., *GANSynth*, 2019, does with a classifier's pitches; compare with the entropy of
    the pitches that were asked for.

    Args:
        pitches: MIDI numbers, taken to the nearest whole one; those of `note_pitch` that are NaN
            have to be left out.

    Raises:
        ValueError: no pitches, or pitches that are not finite.
    """
    return _entropy([round(p) for p in _finite(pitches)])


def pitch_class_entropy(pitches: Iterable[float]) -> float:
    """Entropy of the pitch classes in bits, 0 to log2(12) = 3.585; see `pitch_entropy`."""
    return _entropy([round(p) % 12 for p in _finite(pitches)])


def _finite(pitches: Iterable[float]) -> list[float]:
    listed = [float(p) for p in pitches]
    if not listed or not all(isfinite(p) for p in listed):
        raise ValueError(
            f"expected one finite pitch or more, got {len(listed)} with "
            f"{sum(not isfinite(p) for p in listed)} that are not finite"
        )
    return listed


def _entropy(values: list[int]) -> float:
    _, counts = torch.tensor(values).unique(return_counts=True)
    p = counts.double() / len(values)
    return max(0.0, float(-(p * p.log2()).sum()))
