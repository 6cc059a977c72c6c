"""Cutting long audio into overlapping segments, and joining them by triangular overlap-add.

As in EnCodec 48 kHz (Defossez et al., 2022). Differs: a last segment whose frames would all lie
inside the segment before it is not made. It adds nothing, the published code fails on many such
lengths, and without it the number of frames alone says how to decode.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Segments"]


@dataclass(frozen=True)
class Segments:
    """Segments of `length` samples every `stride` samples, encoded at `hop` samples a frame."""

    length: int
    stride: int
    hop: int

    def __post_init__(self) -> None:
        if self.length % self.hop:
            raise ValueError(
                f"a segment of {self.length} samples is no whole number of {self.hop}-sample frames"
            )
        if not self.length / 2 <= self.stride <= self.length:
            raise ValueError(
                f"segments of {self.length} samples must start every {self.length / 2:g} to "
                f"{self.length} samples, got {self.stride}"
            )

    @property
    def frames(self) -> int:
        """Frames of a whole segment."""
        return self.length // self.hop

    def count(self, num_samples: int) -> int:
        """Segments that cover this many samples."""
        count = -(-num_samples // self.stride)
        last = num_samples - (count - 1) * self.stride
        inside = -(-last // self.hop) * self.hop <= self.length - self.stride
        return count - 1 if inside and count > 1 else count

    def num_frames(self, num_samples: int) -> int:
        """Frames of all segments of this many samples, one after the other."""
        count = self.count(num_samples)
        last = num_samples - (count - 1) * self.stride
        return (count - 1) * self.frames + -(-last // self.hop)

    def num_samples(self, num_frames: int) -> int:
        """Samples that the segments of this many frames reach."""
        count = self.count_frames(num_frames)
        last = num_frames - (count - 1) * self.frames
        reach = (count - 1) * self.stride + last * self.hop
        return max(reach, (count - 2) * self.stride + self.length) if count > 1 else reach

    def count_frames(self, num_frames: int) -> int:
        """Segments that make up this many frames."""
        return -(-num_frames // self.frames)

    def cut(self, x: Tensor) -> list[Tensor]:
        """Cut `(B, C, T)` into segments; the last may be shorter, the others are whole."""
        starts = range(0, self.count(x.shape[-1]) * self.stride, self.stride)
        return [x[..., start : start + self.length] for start in starts]

    def overlap_add(self, segments: list[Tensor]) -> Tensor:
        """Join decoded segments `(B, C, t)` to `(B, C, T)`.

        Each is weighted by a triangle over a whole segment, and the sum is divided by the sum of
        the weights: alone a segment passes unchanged, where two overlap they cross-fade linearly.
        """
        last = (len(segments) - 1) * self.stride + segments[-1].shape[-1]
        total = max(last, (len(segments) - 2) * self.stride + segments[0].shape[-1])
        ramp = torch.linspace(0, 1, self.length + 2, device=segments[0].device)[1:-1]
        triangle = (0.5 - (ramp - 0.5).abs()).to(segments[0].dtype)
        joined = segments[0].new_zeros(*segments[0].shape[:-1], total)
        weights = segments[0].new_zeros(total)
        for i, segment in enumerate(segments):
            reach = slice(i * self.stride, i * self.stride + segment.shape[-1])
            joined[..., reach] += segment * triangle[: segment.shape[-1]]
            weights[reach] += triangle[: segment.shape[-1]]
        return joined / weights
