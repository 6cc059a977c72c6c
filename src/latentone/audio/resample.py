"""Resampling of parts in phase with the whole."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np
import soxr

__all__ = ["resample_part", "resampled_length"]

MARGIN = 1024
"""Samples of the lower rate on both sides of a block: more than soxr's filters reach."""

BLOCK = 65_536
"""Output samples of one call to soxr."""


def resampled_length(num_samples: int, source_rate: int, target_rate: int) -> int:
    """Samples after resampling: `num_samples * target / source`, halves rounded up."""
    return (2 * num_samples * target_rate + source_rate) // (2 * source_rate)


def resample_part(
    read: Callable[[int, int], np.ndarray],
    frames: int,
    source: int,
    target: int,
    start: int,
    count: int,
) -> np.ndarray:
    """Output samples `start` to `start + count` of a resampled signal, as float32 `(count, C)`.

    Args:
        read: `(first, size)` -> that part of the input, `(size, C)`.
        frames: input samples in all.
        source: rate of the input in Hz.
        target: rate of the output in Hz.
        start: first output sample.
        count: output samples; `start + count` is at most `resampled_length(frames, ...)`.
    """
    # Output sample n sits at input position n * down / up, so the two grids meet every `down`
    # input samples. A block that begins at a meeting point is resampled in phase with the whole
    # file; a margin on both sides, longer than half of the filter, keeps its edges out.
    # Always by blocks, because soxr steps through awkward ratios (44101 : 24000) in fixed point
    # and would drift, by 5e-8 s in ten minutes.
    divisor = gcd(source, target)
    down, up = source // divisor, target // divisor
    margin = MARGIN * max(1, -(-source // target))
    pieces = []
    for begin in range(start, start + count, BLOCK):
        end = min(begin + BLOCK, start + count)
        first = max(0, (begin * down // up - margin) // down * down)
        last = min(frames, -(-end * down // up) + margin)
        block = soxr.resample(read(first, last - first), source, target, quality="HQ")
        origin = first // down * up
        pieces.append(block[begin - origin : end - origin])
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
