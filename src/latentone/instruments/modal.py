"""Struck things as sums of decaying partials: piano, mallets, bells, and the bodies of drums."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .envelope import Envelope

__all__ = ["Bar", "Piano", "damped_partials"]

_BLOCK = 256


def damped_partials(
    frequencies_hz: np.ndarray,
    decays: np.ndarray,
    amplitudes: np.ndarray,
    length: int,
    sample_rate: int,
    phases: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Sum of sines that decay exponentially, fast.

    With z = exp(-d + iw) and n = 256 a + b, z^n = (z^256)^a z^b: the sum over partials is a product
    of two matrices, one over a and one over b, instead of P sines per sample.

    Args:
        frequencies_hz: `(P,)`; partials at 0.49 of the sample rate and above are left out.
        decays: `(P,)` seconds to fall by 60 dB.
        amplitudes: `(P,)`.
        length: samples.
        sample_rate: Hz.
        phases: `(P,)` or one, radians, of a sine.

    Returns:
        `(length,)` float32.
    """
    audible = (frequencies_hz > 0) & (frequencies_hz < 0.49 * sample_rate)
    start = np.broadcast_to(np.asarray(phases, dtype=np.float64), frequencies_hz.shape)[audible]
    w = 2 * np.pi * frequencies_hz[audible] / sample_rate
    d = 6.9078 / (np.maximum(decays[audible], 1e-3) * sample_rate)
    rows = -(-length // _BLOCK)
    n = _BLOCK * np.arange(rows)[:, None]
    coarse = amplitudes[audible] * np.exp(-d * n + 1j * (w * n + start))
    fine = np.exp((-d + 1j * w)[:, None] * np.arange(_BLOCK))
    # Im(xy) = Re x Im y + Im x Re y, as one real product.
    left = np.concatenate([coarse.real, coarse.imag], axis=1).astype(np.float32)
    right = np.concatenate([fine.imag, fine.real], axis=0).astype(np.float32)
    return (left @ right).reshape(-1)[:length]


def _strike(length: int, sample_rate: int, seconds: float) -> np.ndarray:
    """A contact that is not instantaneous: a raised cosine from 0 to 1."""
    out = np.ones(length, dtype=np.float32)
    n = min(length, max(2, round(seconds * sample_rate)))
    out[:n] = 0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)
    return out


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Bars, tines and bells: a few inharmonic partials."""

    ratios: tuple[float, ...] = (1.0, 4.0, 10.0)
    """Partials in multiples of the note's frequency."""
    levels: tuple[float, ...] = (1.0, 0.3, 0.1)
    ring: float = 1.5
    """Seconds for the first partial of A4 to fall by 60 dB."""
    damping: float = 0.7
    """How much faster high partials and high notes die: decay ~ frequency^-damping."""
    tremolo_hz: float = 0.0
    contact: float = 0.0015
    """Seconds of the mallet's touch."""
    envelope: Envelope = field(
        default_factory=lambda: Envelope(attack=0.001, decay=1.0, sustain=1.0, release=0.3)
    )

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Strike once; see `Subtractive.render`."""
        gate = self.envelope.render(seconds, sample_rate)
        ratios, levels = np.array(self.ratios), np.array(self.levels)
        # A harder stroke excites the upper partials more than the first.
        levels = levels * np.where(ratios > 1.01, 0.3 + 0.7 * velocity, 1.0)
        decays = self.ring * (440 / frequency_hz) ** (self.damping / 2) * ratios**-self.damping
        phases = rng.uniform(-0.3, 0.3, ratios.size)
        out = damped_partials(ratios * frequency_hz, decays, levels, gate.size, sample_rate, phases)
        out *= _strike(gate.size, sample_rate, self.contact) * gate
        if self.tremolo_hz:
            t = np.arange(gate.size) / sample_rate
            out *= (1 - 0.3 * np.sin(2 * np.pi * self.tremolo_hz * t) ** 2).astype(np.float32)
        return 0.6 * out * np.float32(0.15 + 0.85 * velocity)


@dataclass(frozen=True, kw_only=True)
class Piano:
    """Stiff strings under a hammer, two per note, with a prompt and an after-sound.

    Partials of a stiff string lie at k f0 sqrt(1 + B k^2) (Fletcher, JASA 1964); energy moves from
    vertical motion, which decays fast, to horizontal, which decays slowly (Weinreich, JASA 1977).
    """

    brightness: float = 1.0
    ring: float = 9.0
    """Seconds for the after-sound of A3 to fall by 60 dB."""
    envelope: Envelope = field(
        default_factory=lambda: Envelope(attack=0.001, decay=1.0, sustain=1.0, release=0.18)
    )

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Strike one key; see `Subtractive.render`."""
        gate = self.envelope.render(seconds, sample_rate)
        k = np.arange(1, min(40, int(0.48 * sample_rate / frequency_hz)) + 1)
        stiffness = 1e-4 * (frequency_hz / 220) ** 1.2
        stretched = k * frequency_hz * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))
        # The hammer: its felt is a low-pass that hardens with velocity; its place, an eighth of
        # the string, mutes every eighth partial.
        softness = (0.22 + 0.4 * (1 - velocity)) / self.brightness * (frequency_hz / 220) ** 0.3
        level = np.abs(np.sin(np.pi * k / 8.3)) * np.exp(-softness * (k - 1)) / np.sqrt(k)
        level /= np.sqrt(np.sum(level**2))
        slow = self.ring * (220 / frequency_hz) ** 0.6 / (1 + 0.04 * k**1.5)
        detune = 2 ** (0.35 / 1200)
        out = damped_partials(
            np.concatenate([stretched / detune, stretched * detune]),
            np.concatenate([0.25 * slow, slow]),
            np.concatenate([0.75 * level, 0.35 * level]),
            gate.size,
            sample_rate,
            np.tile(rng.uniform(-0.5, 0.5, k.size), 2),
        )
        n = min(gate.size, round(0.03 * sample_rate))
        knock = np.cumsum(rng.standard_normal(n))
        knock = (knock - knock.mean()) * np.hanning(n) * np.exp(-np.arange(n) / (0.2 * n))
        out[:n] += (0.02 * velocity / max(float(np.abs(knock).max()), 1e-9) * knock).astype(
            np.float32
        )
        touch = 0.0008 + 0.003 * (1 - velocity)
        out *= _strike(gate.size, sample_rate, touch) * gate
        return 0.6 * out * np.float32(0.12 + 0.88 * velocity)
