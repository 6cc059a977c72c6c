"""What every analysis starts from: one channel of finite samples, and the times of its frames."""

from __future__ import annotations

import torch
from torch import Tensor

from ..audio import Audio

__all__ = ["frame_times", "mono_signal", "require_frame_rate"]


def mono_signal(audio: Audio) -> Tensor:
    """The mean of all channels, `(T,)`; no samples give an empty tensor.

    Raises:
        ValueError: a sample is NaN or infinite.
    """
    x = audio.samples.mean(0)
    if not bool(torch.isfinite(audio.samples).all()):
        bad = int((~torch.isfinite(audio.samples)).sum())
        raise ValueError(
            f"{bad} of {audio.samples.numel()} samples are NaN or infinite: analysis needs finite "
            "sound; replace them (torch.nan_to_num) or leave the file out"
        )
    return x


def frame_times(count: int, frame_rate: float) -> Tensor:
    """Centres of `count` frames in seconds, float64 `(count,)`: the first lies at 0."""
    return torch.arange(count, dtype=torch.float64) / frame_rate


def require_frame_rate(sample_rate: int, frame_rate: float) -> int:
    """Samples between frames, at least one.

    Raises:
        ValueError: the frame rate is not in (0, sample rate].
    """
    if not 0 < frame_rate <= sample_rate:
        raise ValueError(
            f"frame_rate must be in (0, {sample_rate}], the sample rate, got {frame_rate}"
        )
    return max(1, round(sample_rate / frame_rate))
