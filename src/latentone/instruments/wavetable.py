"""A band-limited oscillator: one period per filter setting, read with interpolation.

A period built from harmonics holds nothing above the Nyquist frequency, so nothing aliases: the
oscillator and its low-pass filter become a table whose rows are the same period at rising cutoff.
Reading between rows moves the filter at audio rate without a recursion, hence vectorised.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["NUM_CUTOFFS", "build_table", "read_table"]

TABLE_LENGTH = 4096
NUM_CUTOFFS = 12


def build_table(
    frequency_hz: float,
    sample_rate: int,
    harmonics: Callable[[np.ndarray], np.ndarray],
    *,
    response: Callable[[np.ndarray], np.ndarray] | None = None,
    resonance: float = 0.0,
    highest_ratio: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Sample one period at 12 cutoffs from the fundamental to the Nyquist frequency.

    Args:
        frequency_hz: the fundamental.
        sample_rate: Hz.
        harmonics: sine amplitudes from harmonic numbers `(H,)`, 1 first.
        response: a fixed filter, gains from frequencies in Hz: a body, formants.
        resonance: height of the low-pass filter's peak, dB.
        highest_ratio: the largest factor by which vibrato and detuning raise the frequency.

    Returns:
        The table `(12, 4097)` float32, its last column repeating the first, and the cutoffs in
        Hz `(12,)`.
    """
    nyquist = sample_rate / 2
    # Two percent of headroom: the top harmonic must not fold under any modulation.
    count = max(1, min(int(0.98 * nyquist / (frequency_hz * highest_ratio)), TABLE_LENGTH // 3))
    number = np.arange(1, count + 1)
    amplitude = harmonics(number).astype(np.float64)
    if response is not None:
        amplitude = amplitude * response(number * frequency_hz)
    cutoffs = np.geomspace(0.7 * frequency_hz, max(nyquist, 1.5 * frequency_hz), NUM_CUTOFFS)
    # Two poles: |H|^2 = 1 / ((1 - w^2)^2 + (w / Q)^2), w = f / cutoff; Q = 1/sqrt(2) is flat.
    w = number * frequency_hz / cutoffs[:, None]
    q = 10 ** (resonance / 20) / np.sqrt(2)
    lowpass = 1 / np.sqrt((1 - w**2) ** 2 + (w / q) ** 2)
    spectrum = np.zeros((NUM_CUTOFFS, TABLE_LENGTH // 2 + 1), dtype=np.complex128)
    spectrum[:, 1 : count + 1] = -0.5j * TABLE_LENGTH * amplitude * lowpass
    table = np.fft.irfft(spectrum, n=TABLE_LENGTH, axis=1)
    return np.concatenate([table, table[:, :1]], axis=1).astype(np.float32), cutoffs


def read_table(
    table: np.ndarray, cutoffs: np.ndarray, phase: np.ndarray, cutoff_hz: np.ndarray | float
) -> np.ndarray:
    """Play a table.

    Args:
        table: `(12, 4097)`.
        cutoffs: `(12,)`, geometric.
        phase: `(T,)` in periods, any range, float64.
        cutoff_hz: `(T,)` or one number.

    Returns:
        `(T,)` float32.
    """
    width = TABLE_LENGTH + 1
    position = (phase - np.floor(phase)) * TABLE_LENGTH
    column = position.astype(np.int32)
    between = (position - column).astype(np.float32)
    step = np.log(cutoffs[1] / cutoffs[0])
    row = np.clip(np.log(np.asarray(cutoff_hz) / cutoffs[0]) / step, 0, NUM_CUTOFFS - 1.001)
    flat = table.ravel()
    if row.ndim == 0:
        low = int(row)
        mix = np.float32(row - low)
        period = (1 - mix) * table[low] + mix * table[low + 1]
        return period[column] * (1 - between) + period[column + 1] * between
    low_row = row.astype(np.int32)
    mixing = (row - low_row).astype(np.float32)
    index = low_row * width + column
    below = flat[index] * (1 - between) + flat[index + 1] * between
    index += width
    above = flat[index] * (1 - between) + flat[index + 1] * between
    return below + mixing * (above - below)
