"""Levels and placement: what turns rendered parts into a recording."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

__all__ = ["block_dc", "level", "place"]


def place(mono: np.ndarray, pan: int) -> np.ndarray:
    """Put a mono part into the stereo field at constant power.

    Args:
        mono: `(T,)`.
        pan: MIDI pan, 0 left to 127 right.

    Returns:
        `(2, T)` of the same energy.
    """
    angle = np.clip(pan / 127, 0, 1) * np.pi / 2
    gains = np.array([np.cos(angle), np.sin(angle)], dtype=mono.dtype)
    return gains[:, None] * mono


def block_dc(x: np.ndarray, sample_rate: int, cutoff_hz: float = 15.0) -> np.ndarray:
    """Remove what no loudspeaker plays: y[n] = x[n] - x[n-1] + r y[n-1].

    The zero at z = 1 makes the gain at 0 Hz exactly 0.
    """
    r = np.exp(-2 * np.pi * cutoff_hz / sample_rate)
    gain = (1 + r) / 2
    return lfilter([gain, -gain], [1.0, -r], x, axis=-1).astype(x.dtype)


def level(x: np.ndarray, *, rms_db: float = -20.0, peak_db: float = -1.0) -> np.ndarray:
    """Scale to a level by one gain, so that dynamics stay and nothing clips.

    Args:
        x: `(C, T)`.
        rms_db: the wanted root mean square, dB of full scale, over what is not silent.
        peak_db: a ceiling for the highest sample; where it is met first, it decides.

    Raises:
        ValueError: silence, or values that are not finite.
    """
    peak = float(np.max(np.abs(x), initial=0.0))
    if not np.isfinite(peak) or peak < 1e-6:
        what = "silence" if np.isfinite(peak) else "values that are not finite"
        raise ValueError(f"cannot set the level of {what}: an instrument rendered nothing usable")
    loud = x[np.abs(x) > 1e-3 * peak]
    rms = float(np.sqrt(np.mean(np.square(loud, dtype=np.float64))))
    gain = min(10 ** (rms_db / 20) / rms, 10 ** (peak_db / 20) / peak)
    return (x * gain).astype(np.float32)
