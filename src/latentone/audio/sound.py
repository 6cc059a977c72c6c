"""`Audio`: sound in memory, its rate, channels and level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .resample import resample_part, resampled_length

__all__ = ["Audio", "map_channels", "to_tensor"]


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory. Full scale is [-1, 1]; samples beyond it are kept as they are."""

    samples: Tensor
    """`(C, T)` float32."""
    sample_rate: int

    def __post_init__(self) -> None:
        x = self.samples
        if x.ndim != 2 or x.shape[0] < 1 or x.dtype != torch.float32:
            raise ValueError(
                f"samples must be float32 (channels, time), got {x.dtype} {tuple(x.shape)}"
            )
        if self.sample_rate < 1:
            raise ValueError(f"sample_rate must be positive, got {self.sample_rate}")

    @property
    def channels(self) -> int:
        return self.samples.shape[0]

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[1] / self.sample_rate

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 when there is none."""
        return float(self.samples.abs().max()) if self.samples.numel() else 0.0

    def resample(self, sample_rate: int) -> Audio:
        """Change the rate with a band-limited linear-phase filter (soxr HQ)."""
        if sample_rate == self.sample_rate:
            return self
        x = self.samples.detach().cpu().T.contiguous().numpy()
        count = resampled_length(len(x), self.sample_rate, sample_rate)
        y = resample_part(
            lambda start, size: x[start : start + size],
            len(x),
            self.sample_rate,
            sample_rate,
            0,
            count,
        )
        return Audio(to_tensor(y).to(self.samples.device), sample_rate)

    def to_mono(self) -> Audio:
        """The mean of all channels."""
        return Audio(map_channels(self.samples, 1), self.sample_rate)

    def to_stereo(self) -> Audio:
        """Mono twice; stereo as it is.

        Raises:
            ValueError: more than two channels, whose places are unknown.
        """
        return Audio(map_channels(self.samples, 2), self.sample_rate)

    def normalize(self, *, lufs: float) -> Audio:
        """Scale to an integrated loudness (ITU-R BS.1770); peaks may then exceed full scale.

        Raises:
            ValueError: the sound is silent, so no gain reaches the target.
        """
        from ..dsp.loudness import integrated_loudness

        loudness = float(integrated_loudness(self.samples, self.sample_rate))
        if loudness == float("-inf"):
            raise ValueError(f"cannot bring silence to {lufs:g} LUFS; leave it as it is")
        return Audio(self.samples * 10 ** ((lufs - loudness) / 20), self.sample_rate)

    def limit_peak(self, peak: float = 1.0) -> Audio:
        """Scale down so that no sample exceeds `peak`; quieter sound is left as it is."""
        if self.peak <= peak:
            return self
        return Audio((self.samples * (peak / self.peak)).clamp(-peak, peak), self.sample_rate)

    def save(
        self,
        path: str | Path,
        *,
        subtype: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a file; see `save_audio`."""
        from .write import save_audio

        save_audio(path, self, subtype=subtype, tags=tags)


def map_channels(samples: Tensor, channels: int) -> Tensor:
    """Mix `(C, T)` down to mono by the mean, or spread mono over `channels`.

    Raises:
        ValueError: neither side is mono, and they differ.
    """
    if samples.shape[0] == channels:
        return samples
    if channels == 1:
        return samples.mean(0, keepdim=True)
    if samples.shape[0] == 1:
        return samples.repeat(channels, 1)
    raise ValueError(
        f"{samples.shape[0]} channels, which cannot become {channels}: only mono spreads, and "
        "only mono is mixed down to"
    )


def to_tensor(x: np.ndarray) -> Tensor:
    """Interleaved samples `(T, C)`, as libsndfile and soxr have them, to `(C, T)`."""
    return torch.from_numpy(np.ascontiguousarray(x.T))
