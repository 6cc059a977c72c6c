"""Maps along time: what steers a generator frame by frame, measured from a sound or given.

For music they are what segment maps are for the pictures of Esser, Rombach, Ommer, "Taming
Transformers for High-Resolution Image Synthesis", 2021.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..audio import Audio, load_audio
from ..config import to_dict
from ..hub import fingerprint_of
from ..spec import LatentSpec
from .base import Condition, Conditioner, ConditionerConfig

__all__ = ["FrameMap", "FramesConditioner", "FramesConfig", "frame_means"]

BLOCK_SECONDS, MARGIN_SECONDS = 64, 16
"""A sound is measured in blocks that hear this much of what lies around them."""


class FrameMap(NamedTuple):
    """Values along time; frame n covers the seconds from `n / frame_rate` on."""

    values: Tensor
    """`(rows, N)`."""
    frame_rate: float
    """Frames per second."""


@dataclass(frozen=True, kw_only=True)
class FramesConfig(ConditionerConfig):
    """What a map is made of; a subclass says how it is measured."""

    rows: ClassVar[int]
    """Values of one frame."""
    frame_rate: float | None = None
    """Frames per second, those of the codes that it steers; None until they are known."""

    def build(self, dim: int) -> FramesConditioner:
        return FramesConditioner(self, dim)

    def fitted(self, latent: LatentSpec) -> Self:
        """This map at the frame rate of such latents.

        Raises:
            ValueError: they have none.
        """
        if latent.frame_rate is None:
            raise ValueError("a map along time needs latents with a frame rate, these have none")
        return replace(self, frame_rate=latent.frame_rate)

    @property
    def rate(self) -> float:
        """`frame_rate`.

        Raises:
            ValueError: it is still open.
        """
        if self.frame_rate is None:
            raise ValueError(f"{type(self).__name__}.frame_rate is open: use `fitted` first")
        return self.frame_rate

    @property
    def stream(self) -> LatentSpec:
        """The spec of the stream in which a latent store keeps such maps."""
        return LatentSpec(
            kind="continuous",
            shape=(self.rows,),
            frame_rate=self.rate,
            fingerprint=fingerprint_of(to_dict(self), []),
        )

    def measure(self, audio: Audio, num_frames: int | None = None) -> Tensor:
        """The map of a sound, `(rows, num_frames)`.

        Args:
            audio: any sound with at least one sample; memory does not grow with its length.
            num_frames: how many; None covers the sound.

        Raises:
            ValueError: a sample is not finite.
        """
        count = math.ceil(audio.duration * self.rate) if num_frames is None else num_frames
        edges = torch.arange(count + 1, dtype=torch.float64) / self.rate
        blocks = []
        # The last block takes what a count beyond the end of the sound asks for.
        for first in range(0, max(1, math.ceil(audio.duration)), BLOCK_SECONDS):
            low = math.ceil(first * self.rate)
            last = first + BLOCK_SECONDS >= audio.duration
            high = count if last else min(count, math.ceil((first + BLOCK_SECONDS) * self.rate))
            if high <= low:
                continue
            start = max(0, first - MARGIN_SECONDS)
            stop = first + BLOCK_SECONDS + MARGIN_SECONDS
            rate = audio.sample_rate
            part = Audio(audio.samples[:, start * rate : stop * rate], rate)
            blocks.append(self.measure_block(part, edges[low : high + 1] - start))
        return torch.cat(blocks, dim=1) if blocks else torch.zeros(self.rows, 0)

    @abstractmethod
    def measure_block(self, audio: Audio, edges: Tensor) -> Tensor:
        """Measure the frames between `edges (n + 1,)`, in seconds of `audio`: `(rows, n)`."""

    def resample(self, given: FrameMap) -> Tensor:
        """A given map at this frame rate, `(rows, N)`: the mean over the time of each frame."""
        if given.frame_rate == self.rate:
            return given.values.float()
        count = math.ceil(given.values.shape[1] / given.frame_rate * self.rate - 1e-9)
        edges = torch.arange(count + 1, dtype=torch.float64) / self.rate
        return frame_means(given.values, edges * given.frame_rate)


class FramesConditioner(Conditioner):
    """One vector a frame: a linear map of its values, or the learned null.

    A raw value is a sound (a path or an `Audio`), which is measured; a `FrameMap` at any rate; or a
    tensor `(rows, N)` at the rate of the codes. Frames behind its end are missing.
    """

    kind = "frames"

    def __init__(self, config: FramesConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.frame_rate = config.rate
        self.project = nn.Linear(config.rows, dim)
        self.null = nn.Parameter(torch.zeros(dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        maps = [self._map(value) for value in raw]
        longest = max([m.shape[1] for m in maps] + [1])
        values = torch.stack([F.pad(m, (0, longest - m.shape[1])) for m in maps])
        lengths = torch.tensor([m.shape[1] for m in maps])
        return {"values": values, "present": torch.arange(longest) < lengths[:, None]}

    def _map(self, value: Any) -> Tensor:
        rows = self.config.rows
        if value is None:
            return torch.zeros(rows, 0)
        if isinstance(value, str | Path):
            value = load_audio(value)
        if isinstance(value, Audio):
            return self.config.measure(value)
        if isinstance(value, Tensor):
            value = FrameMap(value, self.frame_rate)
        if not isinstance(value, FrameMap):
            raise ValueError(
                "expected a sound file, an Audio, a FrameMap, or a tensor "
                f"({rows}, frames), got {type(value).__name__}"
            )
        found = value.values
        if found.dim() != 2 or found.shape[0] != rows or not value.frame_rate > 0:
            raise ValueError(
                f"expected ({rows}, frames) at a positive rate, got {tuple(found.shape)} at "
                f"{value.frame_rate:g} frames per second"
            )
        if not bool(found.isfinite().all()):
            raise ValueError("expected finite values of a map, got NaN or infinity")
        return self.config.resample(value) if found.shape[1] else found.float()

    def spread(self, prepared: dict[str, Tensor], num_frames: int) -> dict[str, Tensor]:
        """Cut prepared maps to `num_frames`, or fill them up with missing frames."""
        extra = num_frames - prepared["present"].shape[1]
        return {name: F.pad(value, (0, extra)) for name, value in prepared.items()}

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        present = prepared["present"]
        value = self.project(prepared["values"].to(self.null.dtype).transpose(1, 2))
        value = torch.where(present[..., None], value, self.null)
        return Condition(value.transpose(1, 2), present)


def frame_means(values: Tensor, edges: Tensor) -> Tensor:
    """Means of a step function between edges.

    Args:
        values: `(rows, N)`; value n holds from n to n + 1, the outer ones hold for ever.
        edges: float64 `(n + 1,)`, ascending.

    Returns:
        `(rows, n)`.
    """
    # The integral up to an edge e is that up to floor(e), and a part of the value there.
    total = F.pad(values.double().cumsum(1), (1, 0))
    whole = edges.floor().clamp(0, values.shape[1] - 1).long()
    area = total[:, whole] + values.double()[:, whole] * (edges - whole)
    return (area.diff(dim=1) / edges.diff()).float()
