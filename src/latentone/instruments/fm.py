"""Frequency modulation with a bound on its sidebands (Chowning, "The synthesis of complex audio
spectra by means of frequency modulation", JAES 1973)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.special import jv

from .envelope import Envelope

__all__ = ["FM", "FMPair", "largest_index"]

ALIAS_LEVEL = 1e-4
"""The most that a sideband beyond the Nyquist frequency may have, of the carrier: -80 dB."""


@lru_cache(maxsize=4096)
def largest_index(order: int) -> float:
    """The largest modulation index whose sidebands of `order` and above stay below -80 dB.

    sin(a + I sin b) has sidebands J_n(I) at a + n b. J_n rises monotonically in I below its first
    maximum near n, and falls with n there, so bisection on J_order bounds all higher ones too.
    """
    if order < 1:
        return 0.0
    low, high = 0.0, float(order)
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if jv(order, middle) < ALIAS_LEVEL else (low, middle)
    return low


@dataclass(frozen=True, kw_only=True)
class FMPair:
    """A carrier and its modulator, in multiples of the note's frequency."""

    carrier: float = 1.0
    modulator: float = 1.0
    index: float = 2.0
    """Modulation index at full velocity."""
    index_decay: float = 0.8
    """Seconds for the index to fall by 60 dB towards `index_rest`."""
    index_rest: float = 0.3
    """Part of the index that stays."""
    index_attack: float = 0.0
    """Seconds for the index to rise, as in brass."""
    level: float = 1.0
    decay: float | None = None
    """Seconds for this pair to fall by 60 dB on its own; None follows the envelope."""


@dataclass(frozen=True, kw_only=True)
class FM:
    """A voice of carrier and modulator pairs under one envelope."""

    pairs: tuple[FMPair, ...]
    envelope: Envelope = field(default_factory=Envelope)

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Play one note; see `Subtractive.render`. Nothing here is left to chance."""
        gate = self.envelope.render(seconds, sample_rate)
        t = np.arange(gate.size) / sample_rate
        turn = 2 * np.pi * frequency_hz
        out = np.zeros(gate.size, dtype=np.float32)
        nyquist = sample_rate / 2
        for pair in self.pairs:
            if pair.carrier * frequency_hz >= nyquist:
                continue
            order = int((nyquist / frequency_hz - pair.carrier) / pair.modulator) + 1
            index = min(pair.index * velocity, largest_index(order))
            curve = pair.index_rest + (1 - pair.index_rest) * np.exp(-6.9 / pair.index_decay * t)
            if pair.index_attack:
                curve = curve * np.minimum(t / pair.index_attack, 1.0)
            # Phases are reduced in float64 before the fast float32 sine.
            modulator = np.sin(_wrapped(turn * pair.modulator * t))
            carrier = _wrapped(turn * pair.carrier * t)
            wave = np.sin(carrier + (index * curve).astype(np.float32) * modulator)
            if pair.decay is not None:
                wave = wave * np.exp(-6.9 / pair.decay * t).astype(np.float32)
            out += np.float32(pair.level) * wave
        return 0.5 * out * gate * np.float32(0.15 + 0.85 * velocity)


def _wrapped(phase: np.ndarray) -> np.ndarray:
    return (phase - 2 * np.pi * np.floor(phase / (2 * np.pi))).astype(np.float32)
