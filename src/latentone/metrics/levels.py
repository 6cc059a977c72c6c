"""What numbers say about a sound before anyone listens: level, clipping, silence, spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

import torch
from torch import Tensor

from ..audio import Audio

__all__ = ["Levels", "measure", "power_spectrogram"]

SILENCE_DB = -60.0
WINDOW_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What numbers say about a sound before anyone listens."""

    peak_db: float
    """Largest absolute sample, dB relative to full scale."""
    rms_db: float
    """Root mean square over all channels, dB relative to full scale."""
    clipped: float
    """Share of samples at or beyond full scale."""
    silent: float
    """Share of 50 ms windows whose RMS lies below -60 dB."""
    centroid_hz: float
    """Mean frequency, weighted by power; 0 for silence."""

    def describe(self) -> str:
        """One line: `peak -1.2 dB, RMS -18.4 dB, centre 1.3 kHz, 4 % silent`."""
        parts = [f"peak {self.peak_db:.1f} dB", f"RMS {self.rms_db:.1f} dB"]
        parts.append(f"centre {self.centroid_hz / 1000:.2g} kHz")
        if self.silent:
            parts.append(f"{100 * self.silent:.0f} % silent")
        return ", ".join(parts)

    def problems(self) -> tuple[str, ...]:
        """What a listener would complain about; empty when all is well."""
        found = []
        if self.silent > 0.95:
            found.append("silent throughout")
        elif self.silent > 0.5:
            found.append(f"{100 * self.silent:.0f} % of it is silence")
        if self.clipped > 1e-4:
            found.append(f"{100 * self.clipped:.2f} % of the samples are clipped")
        return tuple(found)


def _db(power: float) -> float:
    return 10 * log10(max(power, 1e-12))


def power_spectrogram(x: Tensor, n_fft: int, hop: int) -> Tensor:
    """Power `(n_fft // 2 + 1, frames)`, mean of the channels, a full-scale sine at 0 dB."""
    window = torch.hann_window(n_fft)
    if x.shape[-1] < n_fft:
        x = torch.nn.functional.pad(x, (0, n_fft - x.shape[-1]))
    spectrum = torch.stft(
        x, n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True
    )
    return (spectrum.abs() / (window.sum() / 2)).square().mean(0)


def measure(audio: Audio) -> Levels:
    """Measure levels, clipping, silence and spectral centre."""
    x = audio.samples
    size = max(1, min(x.shape[1], round(WINDOW_SECONDS * audio.sample_rate)))
    windows = x.unfold(1, size, size).square().mean((0, 2))
    power = power_spectrogram(x, 2048, 1024).sum(1)
    hz = torch.linspace(0, audio.sample_rate / 2, power.shape[0])
    total = float(power.sum())
    return Levels(
        peak_db=20 * log10(max(audio.peak, 1e-6)),
        rms_db=_db(float(x.square().mean())),
        clipped=float((x.abs() >= 0.9999).double().mean()),
        silent=float((windows < 10 ** (SILENCE_DB / 10)).double().mean()),
        centroid_hz=float((hz * power).sum()) / total if total > 1e-9 else 0.0,
    )
