"""Subtractive synthesis: a rich wave through a moving filter, for held notes of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from .envelope import Envelope
from .wavetable import build_table, read_table

__all__ = ["Subtractive"]

Shape = Literal["saw", "square", "pulse", "triangle", "sine", "drawbars", "soft"]

DRAWBARS = {1: 0.6, 2: 1.0, 3: 0.5, 4: 0.7, 6: 0.35, 8: 0.45, 10: 0.15, 12: 0.15, 16: 0.2}
"""A tonewheel registration over the sub-octave: 16', 8', 5 1/3', 4', 2 2/3', 2', ..."""


def _harmonics(shape: Shape, number: np.ndarray) -> np.ndarray:
    odd = number % 2 == 1
    if shape == "saw":
        return 1.0 / number
    if shape == "square":
        return np.where(odd, 1.0 / number, 0.0)
    if shape == "pulse":
        return np.sin(np.pi * number * 0.22) / number
    if shape == "triangle":
        return np.where(odd, (-1.0) ** (number // 2) / number**2, 0.0)
    if shape == "sine":
        return np.where(number == 1, 1.0, 0.0)
    if shape == "soft":
        return np.exp(-0.9 * (number - 1))
    return np.array([DRAWBARS.get(int(n), 0.0) for n in number])


@dataclass(frozen=True, kw_only=True)
class Subtractive:
    """A voice: oscillators, a low-pass filter with its own envelope, formants, breath, vibrato."""

    shape: Shape = "saw"
    envelope: Envelope = field(default_factory=Envelope)
    cutoff: float = 4.0
    """Where the filter rests, in multiples of the fundamental."""
    sweep: float = 8.0
    """How far a full stroke opens it beyond that, in multiples of the fundamental."""
    sweep_decay: float = 0.4
    """Seconds for the sweep to fall by 60 dB."""
    resonance: float = 2.0
    """Peak of the filter, dB."""
    voices: int = 1
    """Detuned oscillators."""
    detune_cents: float = 0.0
    """Distance of the outer oscillators from the middle."""
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.2
    breath: float = 0.0
    """Level of noise around the note's own frequencies."""
    formants: tuple[tuple[float, float, float], ...] = ()
    """(centre in Hz, width in Hz, gain in dB): the body of an instrument, or a vowel."""

    def render(
        self,
        frequency_hz: float,
        seconds: float,
        velocity: float,
        sample_rate: int,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Play one note.

        Args:
            frequency_hz: the fundamental, below the Nyquist frequency.
            seconds: from stroke to release.
            velocity: 0 to 1; louder is brighter.
            sample_rate: Hz.
            rng: where free oscillators start, and the breath.

        Returns:
            `(T,)` float32, the release included.
        """
        gate = self.envelope.render(seconds, sample_rate)
        t = np.arange(gate.size) / sample_rate
        table, cutoffs = _table(self, frequency_hz, sample_rate)
        cutoff: np.ndarray | float = frequency_hz * (self.cutoff + self.sweep * velocity**1.5)
        if self.sweep_decay:
            fall = np.exp(-6.9 / self.sweep_decay * t)
            cutoff = frequency_hz * (self.cutoff + self.sweep * velocity**1.5 * fall)

        unit = 2.0 if self.shape == "drawbars" else 1.0  # drawbars count from the sub-octave
        phase = frequency_hz / unit * t
        if self.vibrato_cents:
            # f(t) = f0 (1 + d(t) sin wt); d rises over the first half second as players do it.
            depth = self.vibrato_cents / 1200 * np.log(2) * np.minimum(t / 0.5, 1.0) ** 2
            wobble = np.cumsum(depth * np.sin(2 * np.pi * self.vibrato_hz * t)) / sample_rate
            phase = phase + frequency_hz / unit * wobble
        out = np.zeros(gate.size, dtype=np.float32)
        spread = np.linspace(-1, 1, self.voices) if self.voices > 1 else np.zeros(1)
        for offset in spread:
            ratio = 2 ** (offset * self.detune_cents / 1200)
            start = rng.random() if self.voices > 1 else 0.0
            out += read_table(table, cutoffs, ratio * phase + start, cutoff)
        out /= np.sqrt(self.voices)
        if self.breath:
            out += self.breath * _breath(frequency_hz, gate.size, sample_rate, rng)
        return out * gate * np.float32(0.15 + 0.85 * velocity)


@lru_cache(maxsize=512)
def _table(
    voice: Subtractive, frequency_hz: float, sample_rate: int
) -> tuple[np.ndarray, np.ndarray]:
    def body(frequencies: np.ndarray) -> np.ndarray:
        gain = np.full(frequencies.shape, 0.25 if voice.formants else 1.0)
        for centre, width, gain_db in voice.formants:
            gain += 10 ** (gain_db / 20) / (1 + ((frequencies - centre) / (width / 2)) ** 2)
        return gain

    base = frequency_hz / 2 if voice.shape == "drawbars" else frequency_hz
    cents = voice.detune_cents + voice.vibrato_cents
    table, cutoffs = build_table(
        base,
        sample_rate,
        lambda number: _harmonics(voice.shape, number),
        response=body,
        resonance=voice.resonance,
        highest_ratio=2 ** (cents / 1200),
    )
    # Equal loudness over shapes and formants: the open table has the level of a sine of 0.5.
    table *= 0.3536 / max(float(np.sqrt(np.mean(np.square(table[-1])))), 1e-9)
    return table, cutoffs


def _breath(
    frequency_hz: float, length: int, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    low = min(frequency_hz, 0.2 * sample_rate)
    high = min(6 * frequency_hz, 0.45 * sample_rate)
    sections = butter(2, [low, high], "bandpass", fs=sample_rate, output="sos")
    return sosfilt(sections, rng.standard_normal(length)).astype(np.float32)
