"""Plucked strings: a delay line with a filter in its loop (Karplus and Strong, 1983; Jaffe and
Smith, "Extensions of the Karplus-Strong plucked-string algorithm", Computer Music Journal 1983)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .envelope import Envelope
from .modal import damped_partials

__all__ = ["Plucked", "loop_filter"]

_TAPS = 6
_SHORTEST_PERIOD = 14


def loop_filter(
    frequency_hz: float, sample_rate: int, ring: float, damping: float
) -> tuple[int, np.ndarray]:
    """Design the loop: a whole delay and a short filter that tune and damp the string.

    The filter is a symmetric low-pass (d/2, 1-d, d/2), one sample of delay, times a third-order
    Lagrange interpolator whose delay lies in 1..2, where it is flattest. The fraction is refined
    until whole delay and phase delay at the fundamental add up to the period.

    Args:
        frequency_hz: the fundamental.
        sample_rate: Hz.
        ring: seconds for the fundamental to fall by 60 dB.
        damping: 0 keeps high partials as long as the fundamental, 0.5 damps them most; it is
            lowered where the string could not ring that long.

    Returns:
        The delay in samples, and the filter `(6,)`: y[n] = sum_k h[k] y[n - delay - k].
    """
    period = sample_rate / frequency_hz
    w = 2 * np.pi / period
    # The low-pass has gain 1 - damping (1 - cos w), and dividing it out at the fundamental raises
    # 0 Hz by as much. Below 1 there, the loop is stable: Lagrange in 1..2 amplifies nothing.
    keep = 10 ** (-3 / (frequency_hz * ring))
    damping = min(damping, 0.5, 0.7 * (1 - keep) / (1 - np.cos(w)))
    lowpass = np.array([damping / 2, 1 - damping, damping / 2])
    delay = int(period - 2.0)
    wanted = period - delay - 1.0  # left to the interpolator, after the low-pass's one sample

    def lagrange(d: float) -> np.ndarray:
        k = np.arange(4)
        return np.array([np.prod([(d - m) / (n - m) for m in k if m != n]) for n in k])

    d = wanted
    for _ in range(20):
        response = np.sum(lagrange(d) * np.exp(-1j * w * np.arange(4)))
        d += wanted + np.angle(response) / w
    taps = np.convolve(lowpass, lagrange(d))
    gain = abs(np.sum(taps * np.exp(-1j * w * np.arange(_TAPS))))
    return delay, taps * keep / gain


@dataclass(frozen=True, kw_only=True)
class Plucked:
    """A string, where and how it is plucked, and how it rings."""

    ring: float = 4.0
    """Seconds for the fundamental of A3 to fall by 60 dB."""
    damping: float = 0.25
    """0 to 0.5: how fast the upper partials die."""
    brightness: float = 0.6
    """0 to 1: how hard the plectrum is."""
    position: float = 0.18
    """Where it is plucked, part of the string."""
    envelope: Envelope = field(
        default_factory=lambda: Envelope(attack=0.001, decay=1.0, sustain=1.0, release=0.12)
    )

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Pluck once; see `Subtractive.render`."""
        gate = self.envelope.render(seconds, sample_rate)
        ring = self.ring * (220 / frequency_hz) ** 0.5
        if sample_rate / frequency_hz < _SHORTEST_PERIOD:
            out = self._short(frequency_hz, ring, gate.size, sample_rate)
        else:
            out = self._string(frequency_hz, ring, velocity, gate.size, sample_rate, rng)
        return out * gate * np.float32(0.15 + 0.85 * velocity)

    def _short(self, frequency_hz: float, ring: float, length: int, sample_rate: int) -> np.ndarray:
        """Above a fourteenth of the sample rate no loop filter fits: the same string's partials."""
        k = np.arange(1, int(0.48 * sample_rate / frequency_hz) + 1)
        decays = ring / (1 + self.damping * (k - 1) * 4)
        level = np.sin(np.pi * k * self.position) / k
        return 0.5 * damped_partials(k * frequency_hz, decays, level, length, sample_rate)

    def _string(
        self,
        frequency_hz: float,
        ring: float,
        velocity: float,
        length: int,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        delay, taps = loop_filter(frequency_hz, sample_rate, ring, self.damping)
        pluck = self._burst(frequency_hz, round(sample_rate / frequency_hz), velocity, rng)
        y = np.zeros(_TAPS + length + delay)
        y[_TAPS : _TAPS + pluck.size] = pluck
        # One pass of the loop at a time: samples a whole delay apart do not depend on each other.
        reverse = taps[::-1]
        for at in range(_TAPS + delay, _TAPS + length, delay):
            past = y[at - delay - _TAPS + 1 : at]
            y[at : at + delay] += np.correlate(past, reverse, "valid")
        return y[_TAPS : _TAPS + length].astype(np.float32)

    def _burst(
        self,
        frequency_hz: float,
        length: int,
        velocity: float,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """One period of noise with the spectrum of a pluck: no mean, a comb, a soft top."""
        k = np.arange(length // 2 + 1)
        edge = frequency_hz * (2 + 28 * self.brightness * (0.3 + 0.7 * velocity))
        shape = np.abs(np.sin(np.pi * k * self.position)) / np.sqrt(
            1 + (k * frequency_hz / edge) ** 4
        )
        shape[1:] /= np.sqrt(k[1:])
        shape[0] = 0.0
        if length % 2 == 0:
            shape[-1] = 0.0
        # Chance has the phases only: every pluck of a string has the same spectrum.
        phase = rng.uniform(0, 2 * np.pi, k.size)
        burst = np.fft.irfft(shape * np.exp(1j * phase), n=length)
        return 0.35 * burst / np.sqrt(np.mean(burst**2))
