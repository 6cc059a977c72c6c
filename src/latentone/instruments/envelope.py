"""Amplitude over time: the four-part envelope, without clicks at any note length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Envelope"]

_FALL = 6.9078  # ln 1000: a decay time is the time to fall by 60 dB.


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """Attack, decay, sustain, release; times in seconds, the sustain level 0 to 1."""

    attack: float = 0.005
    decay: float = 0.3
    """Time to fall by 60 dB towards the sustain level."""
    sustain: float = 0.7
    release: float = 0.15
    """Time from the release to silence."""

    def length(self, seconds: float, sample_rate: int) -> int:
        """Samples from the stroke to silence of a note held for `seconds`."""
        return round(seconds * sample_rate) + max(1, round(self.release * sample_rate))

    def render(self, seconds: float, sample_rate: int) -> np.ndarray:
        """The envelope of a note held for `seconds`, `(T,)` float32 in 0..1.

        It starts and ends at 0, and a note released during its attack fades from where it was.
        """
        total = self.length(seconds, sample_rate)
        held = min(max(1, round(seconds * sample_rate)), total)
        t = np.arange(held) / sample_rate
        attack = max(self.attack, 0.001)
        rise = 0.5 - 0.5 * np.cos(np.pi * np.minimum(t / attack, 1.0))
        after = np.maximum(t - attack, 0.0)
        fall = self.sustain + (1 - self.sustain) * np.exp(-_FALL * after / max(self.decay, 0.001))
        out = np.empty(total, dtype=np.float32)
        out[:held] = rise * fall
        # An exponential that arrives: exp(-7u) is moved and scaled to be 1 at u=0 and 0 at u=1.
        u = np.arange(1, total - held + 1) / max(total - held, 1)
        floor = np.exp(-_FALL)
        out[held:] = out[held - 1] * (np.exp(-_FALL * u) - floor) / (1 - floor)
        return out
