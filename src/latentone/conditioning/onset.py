"""Rhythm along time: in which frames notes and strokes begin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..analysis.onsets import onsets
from ..audio import Audio
from .frames import FrameMap, FramesConfig

__all__ = ["OnsetConfig"]


@dataclass(frozen=True, kw_only=True)
class OnsetConfig(FramesConfig):
    """An onset map: 1 in frames in which something begins, else 0."""

    rows: ClassVar[int] = 1
    threshold: float = 0.5
    """How far an onset must stand above its surroundings, as `analysis.onsets`."""

    def measure_block(self, audio: Audio, edges: Tensor) -> Tensor:
        times = onsets(audio, threshold=self.threshold).times.to(edges.device)
        counts = torch.searchsorted(times, edges).diff()
        return (counts > 0).float()[None]

    def resample(self, given: FrameMap) -> Tensor:
        """A given map at this frame rate, `(1, N)`: an onset stays one, in the frame it is in."""
        values = given.values.float()
        count = math.ceil(values.shape[1] / given.frame_rate * self.rate - 1e-9)
        middle = torch.arange(values.shape[1], dtype=torch.float64) + 0.5
        index = (middle / given.frame_rate * self.rate).long().clamp_max(count - 1)
        return values.new_zeros(1, count).scatter_reduce(1, index[None], values, "amax")
