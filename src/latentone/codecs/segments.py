"""Cutting long audio into overlapping segments, and joining them by triangular overlap-add.

As in EnCodec 48 kHz (Defossez et al., 2022). Differs: a last segment whose frames would all lie
inside the segment before it is not made. It adds nothing, the published code fails on many such
lengths, and without it the number of frames alone says how to decode.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

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
        """Join decoded segments `(B, C, t)` to `(B, C, T)`; see `join`."""
        return torch.cat(list(self.join(iter(segments))), dim=-1)

    def join(self, segments: Iterator[Tensor]) -> Iterator[Tensor]:
        """Join decoded segments `(B, C, t)` as they come; yields consecutive sound.

        Each is weighted by a triangle over a whole segment, and the sum is divided by the sum of
        the weights: alone a segment passes unchanged, where two overlap they cross-fade linearly.
        A segment starts half its length or more behind the one before, so no three overlap.
        """
        sound: Tensor | None = None  # weighted, from where the last segment begins
        for segment in segments:
            ramp = torch.linspace(0, 1, self.length + 2, device=segment.device)[1:-1]
            weight = (0.5 - (ramp - 0.5).abs()).to(segment.dtype)[: segment.shape[-1]]
            weighted = segment * weight
            if sound is None:
                sound, weights = weighted, weight
                continue
            yield sound[..., : self.stride] / weights[: self.stride]
            sound, weights = sound[..., self.stride :], weights[self.stride :]
            longer = max(sound.shape[-1], segment.shape[-1])
            sound, weighted = (F.pad(x, (0, longer - x.shape[-1])) for x in (sound, weighted))
            weights, weight = (F.pad(x, (0, longer - x.shape[-1])) for x in (weights, weight))
            sound, weights = sound + weighted, weights + weight
        if sound is not None:
            yield sound / weights
