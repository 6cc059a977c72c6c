"""A drum kit by synthesis: swept sines, decaying modes and shaped noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt

from ..symbolic.general_midi import DRUMS
from .modal import damped_partials

__all__ = ["VARIATIONS", "DrumKit"]

VARIATIONS = 4
"""Different strokes of each drum: no two neighbours are the same recording."""


@dataclass(frozen=True, kw_only=True)
class DrumKit:
    """A kit; its character is one number per question."""

    tuning: float = 1.0
    """Factor on all frequencies."""
    length: float = 1.0
    """Factor on all decay times."""
    electronic: float = 0.0
    """0 is a room with skins, 1 a machine: longer kicks, cleaner tones."""

    def render(self, drum: int, velocity: float, sample_rate: int, variation: int) -> np.ndarray:
        """Strike a drum of the General MIDI kit once.

        Args:
            drum: MIDI number; what is not in the kit sounds as hand percussion.
            velocity: 0 to 1; louder is brighter.
            sample_rate: Hz.
            variation: which stroke; taken modulo 4.

        Returns:
            `(T,)` float32.
        """
        # Three layers of force, as sampled kits have them; the gain within is continuous.
        layer = 0 if velocity < 0.4 else 1 if velocity < 0.75 else 2
        stroke = _stroke(self, drum, layer, sample_rate, variation % VARIATIONS)
        return stroke * np.float32(0.08 + 0.92 * velocity**1.3)


def _noise(
    rng: np.random.Generator, length: int, sample_rate: int, low: float, high: float
) -> np.ndarray:
    top = min(high, 0.45 * sample_rate)
    low = min(low, 0.5 * top)
    sections = butter(2, [low, top], "bandpass", fs=sample_rate, output="sos")
    out = sosfilt(sections, rng.standard_normal(length))
    return out / max(float(np.sqrt(np.mean(out**2))), 1e-9)


def _fall(t: np.ndarray, seconds: float) -> np.ndarray:
    return np.exp(-6.9078 * t / seconds)


def _metal(
    rng: np.random.Generator, length: int, sample_rate: int, base: float, decay: float
) -> np.ndarray:
    """A plate: many inharmonic partials, denser with frequency; the high ones die first."""
    ratios = np.sort(1.0 + 9.0 * np.random.default_rng(808).random(48) ** 0.8)
    frequencies = base * ratios
    phases = rng.uniform(0, 2 * np.pi, ratios.size)
    decays = decay * ratios**-0.3
    out = damped_partials(frequencies, decays, np.ones(ratios.size), length, sample_rate, phases)
    return out / np.sqrt(ratios.size / 2)


@lru_cache(maxsize=1024)
def _stroke(kit: DrumKit, drum: int, layer: int, sample_rate: int, variation: int) -> np.ndarray:
    rng = np.random.default_rng([drum, layer, variation, 5])
    kind = DRUMS.get(drum, "percussion")
    bright = (0.5, 0.75, 1.0)[layer]
    tune = kit.tuning * (1 + 0.004 * (variation - 1.5))
    machine = kit.electronic

    def span(seconds: float) -> tuple[int, np.ndarray]:
        n = round(seconds * kit.length * sample_rate)
        return n, np.arange(n) / sample_rate / kit.length

    if kind == "kick":
        n, t = span(0.45 + 0.45 * machine)
        # A skin pulled tight by the stroke relaxes: the pitch falls, its integral is the phase.
        low, high, tau = 47 * tune, (140 + 80 * bright) * tune, 0.018 + 0.012 * machine
        seconds = np.arange(n) / sample_rate
        phase = 2 * np.pi * (low * seconds + high * tau * (1 - np.exp(-seconds / tau)))
        out = np.sin(phase) * _fall(t, 0.4 + 0.45 * machine)
        out += 0.15 * bright * _noise(rng, n, sample_rate, 1500, 7000) * _fall(t, 0.02)
        out *= 1.1
    elif kind == "snare":
        n, t = span(0.35)
        tones = damped_partials(
            tune * np.array([183.0, 331.0, 472.0]),
            kit.length * np.array([0.2, 0.14, 0.1]),
            np.array([0.8, 0.5, 0.25]),
            n,
            sample_rate,
        )
        wires = _noise(rng, n, sample_rate, 900 * tune, 4000 + 7000 * bright)
        out = 0.7 * tones + 0.28 * wires * _fall(t, 0.16 + 0.12 * bright)
    elif kind == "rimshot":
        n, t = span(0.12)
        out = damped_partials(
            tune * np.array([540.0, 1710.0, 2630.0]),
            kit.length * np.array([0.05, 0.06, 0.03]),
            np.array([0.5, 0.7, 0.3]),
            n,
            sample_rate,
        )
        out = out + 0.1 * _noise(rng, n, sample_rate, 2000, 9000) * _fall(t, 0.03)
    elif kind == "clap":
        n, t = span(0.3)
        hands = np.zeros(n)
        for delay in (0.0, 0.011, 0.021, 0.030):
            later = t - delay * (1 + 0.1 * rng.standard_normal())
            length = 0.25 if delay == 0.030 else 0.03
            hands += np.where(later >= 0, _fall(np.maximum(later, 0), length), 0.0)
        out = 0.3 * _noise(rng, n, sample_rate, 800 * tune, 3200) * hands
    elif kind in ("closed hi-hat", "pedal hi-hat", "open hi-hat"):
        decay = {"closed hi-hat": 0.09, "pedal hi-hat": 0.06, "open hi-hat": 0.55}[kind]
        n, t = span(1.1 * decay)
        sheet = _metal(rng, n, sample_rate, 2900 * tune, 1.5 * decay)
        air = _noise(rng, n, sample_rate, 6000 * tune, 9000 + 7000 * bright)
        out = (0.16 * sheet + 0.14 * air) * _fall(t, decay)
        out = sosfilt(butter(2, 3000, "highpass", fs=sample_rate, output="sos"), out)
    elif kind in ("crash", "ride"):
        decay, base = (2.2, 900.0) if kind == "crash" else (1.3, 1500.0)
        n, t = span(decay)
        wash = _noise(rng, n, sample_rate, 2500, 8000 + 8000 * bright)
        sheet = _metal(rng, n, sample_rate, base * tune, decay)
        if kind == "crash":
            out = (0.12 * sheet + 0.16 * wash) * _fall(t, decay) * np.minimum(t / 0.004, 1)
        else:
            ping = damped_partials(
                tune * np.array([2450.0, 3710.0, 5230.0]),
                np.array([0.6, 0.4, 0.3]),
                np.array([0.12, 0.08, 0.05]),
                n,
                sample_rate,
            )
            out = (0.08 * sheet + 0.05 * wash) * _fall(t, decay) + ping
    elif kind == "tom":
        n, t = span(0.55)
        base = tune * 82.0 * 2 ** ((drum - 41) / 11)
        seconds = np.arange(n) / sample_rate
        phase = 2 * np.pi * base * (seconds + 0.25 * 0.05 * (1 - np.exp(-seconds / 0.05)))
        skin = np.sin(phase) + 0.3 * np.sin(1.59 * phase) * _fall(t, 0.2)
        out = 0.85 * skin * _fall(t, 0.5)
        out += 0.06 * bright * _noise(rng, n, sample_rate, 500, 5000) * _fall(t, 0.06)
    elif kind == "cowbell":
        n, t = span(0.35)
        frequencies = tune * np.array([562.0, 845.0, 1686.0, 2535.0])
        out = damped_partials(
            frequencies, np.full(4, 0.3), np.array([0.3, 0.4, 0.15, 0.1]), n, sample_rate
        )
    elif kind in ("tambourine", "shaker"):
        n, t = span(0.22 if kind == "tambourine" else 0.1)
        rise = np.minimum(t / (0.002 if kind == "tambourine" else 0.02), 1)
        out = 0.14 * _noise(rng, n, sample_rate, 5500, 12000) * rise * _fall(t, t[-1])
        if kind == "tambourine":
            out = out + 0.08 * _metal(rng, n, sample_rate, 4200 * tune, 0.2)
    else:
        n, t = span(0.3)
        base = tune * 220.0 * 2 ** ((drum - 60) / 24)
        out = 0.7 * damped_partials(
            base * np.array([1.0, 1.59, 2.14]),
            np.array([0.25, 0.15, 0.1]),
            np.array([1.0, 0.4, 0.2]),
            n,
            sample_rate,
        )
        out = out + 0.05 * _noise(rng, n, sample_rate, 800, 5000) * _fall(t, 0.04)
    # A stroke begins and ends at 0: half a millisecond in, five out.
    begin, end = max(2, sample_rate // 2000), max(2, sample_rate // 200)
    out = np.array(out, dtype=np.float32)
    out[:begin] *= np.linspace(0, 1, begin, dtype=np.float32)
    out[-end:] *= np.linspace(1, 0, end, dtype=np.float32)
    out.setflags(write=False)
    return out
