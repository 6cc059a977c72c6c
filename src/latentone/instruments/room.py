"""A room: reverberation from a synthetic impulse response."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.signal import butter, oaconvolve, sosfilt

__all__ = ["impulse_response", "reverberate"]


@lru_cache(maxsize=8)
def impulse_response(seconds: float, sample_rate: int, seed: int = 0) -> np.ndarray:
    """Decaying noise in four bands, the high ones shorter, two independent channels.

    Args:
        seconds: time for the middle bands to fall by 60 dB.
        sample_rate: Hz.
        seed: which room.

    Returns:
        `(2, T)` float32 with unit energy per channel; the direct sound is not in it.
    """
    rng = np.random.default_rng([seed, 77])
    length = round(1.1 * seconds * sample_rate)
    t = np.arange(length) / sample_rate
    noise = rng.standard_normal((2, length))
    out = np.zeros((2, length))
    top = 0.45 * sample_rate
    edges = [min(edge, top) for edge in (80.0, 400.0, 1600.0, 4800.0, top)]
    for low, high, ratio in zip(edges[:-1], edges[1:], (1.1, 1.0, 0.75, 0.45), strict=True):
        if high <= low:
            continue
        sections = butter(2, [low, high], "bandpass", fs=sample_rate, output="sos")
        out += sosfilt(sections, noise, axis=-1) * np.exp(-6.9 / (ratio * seconds) * t)
    # The first reflections build up over some milliseconds after a pre-delay.
    out *= np.minimum(np.maximum(t - 0.008, 0) / 0.02, 1.0)
    return (out / np.sqrt(np.sum(out**2, axis=1, keepdims=True))).astype(np.float32)


def reverberate(
    send: np.ndarray, sample_rate: int, *, seconds: float = 1.2, seed: int = 0
) -> np.ndarray:
    """What a room adds to a mono signal.

    Args:
        send: `(T,)`.
        sample_rate: Hz.
        seconds: reverberation time.
        seed: which room.

    Returns:
        `(2, T)` float32 without the direct sound.
    """
    response = impulse_response(seconds, sample_rate, seed)
    return oaconvolve(send[None], response, axes=-1)[:, : send.size].astype(np.float32)
