"""Known damage in steps, for `monotone.py`: what a metric should find worse at every step."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy.signal import butter, sosfiltfilt

from latentone.audio import Audio

__all__ = ["LADDERS", "Ladder", "damage"]


@dataclass(frozen=True)
class Ladder:
    """Levels of one kind of damage, from the least to the most."""

    levels: tuple[float, ...]
    unit: str
    about: str


LADDERS = {
    "noise": Ladder((40, 30, 20, 10, 0), "dB SNR", "white noise"),
    "low-pass": Ladder(
        (8000, 4000, 2000, 1000, 500), "Hz", "Butterworth of order 8, forth and back: no delay"
    ),
    "clipping": Ladder((6, 12, 18, 24, 30), "dB", "all beyond so much below the peak is cut off"),
    "pitch shift": Ladder(
        (0.25, 0.5, 1, 2, 4),
        "semitones",
        "up, by resampling (soxr): the sound also gets shorter and faster, by a fifth at the end",
    ),
    "mode dropping": Ladder(
        (3, 6, 9, 12), "genres of 15 missing", "as many windows, of ever fewer genres"
    ),
}


def damage(audio: Audio, kind: str, level: float) -> Audio:
    """One sound at one level of a ladder; the same sound and level give the same samples.

    `mode dropping` is damage of a set, not of a sound: see `monotone.py`.
    """
    x, rate = audio.samples, audio.sample_rate
    if kind == "noise":
        seed = zlib.crc32(x.numpy().tobytes())
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
        return Audio(x + noise * x.square().mean().sqrt() * 10 ** (-level / 20), rate)
    if kind == "low-pass":
        sos = butter(8, level, fs=rate, output="sos")
        y = sosfiltfilt(sos, x.double().numpy(), axis=-1)
        return Audio(torch.from_numpy(np.ascontiguousarray(y)).float(), rate)
    if kind == "clipping":
        ceiling = float(x.abs().max()) * 10 ** (-level / 20)
        return Audio(x.clamp(-ceiling, ceiling), rate)
    if kind == "pitch shift":
        shorter = audio.resample(round(rate * 2 ** (-level / 12)))
        return Audio(shorter.samples, rate)
    raise ValueError(f"unknown damage {kind!r}; known: {', '.join(LADDERS)}")
