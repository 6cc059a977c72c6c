"""What a codec knows of files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .read import audio_info, load_audio
from .resample import resampled_length
from .sound import Audio

__all__ = ["AudioSource"]


@dataclass(frozen=True, kw_only=True)
class AudioSource:
    """How a codec wants its sound: files in, `(C, T)` at its rate and channels out."""

    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        if self.sample_rate < 1 or self.channels < 1:
            raise ValueError(f"sample_rate and channels must be positive, got {self}")

    def load(self, path: str | Path, offset: float = 0.0, duration: float | None = None) -> Tensor:
        """Samples `(C, T)` from `offset` seconds on; `T` is smaller where the file ends."""
        audio = load_audio(
            path,
            sample_rate=self.sample_rate,
            channels=self.channels,
            offset=offset,
            duration=duration,
        )
        return audio.samples

    def length(self, path: str | Path) -> int:
        """Samples per channel that `load` gives for the whole file, from its header alone."""
        info = audio_info(path)
        return resampled_length(info.frames, info.sample_rate, self.sample_rate)

    def render(self, x: Tensor) -> Audio:
        """Turn samples `(C, T)` of any float type and device into `Audio`."""
        if x.ndim != 2 or x.shape[0] != self.channels:
            raise ValueError(f"expected ({self.channels}, time), got {tuple(x.shape)}")
        return Audio(x.detach().to("cpu", torch.float32), self.sample_rate)
