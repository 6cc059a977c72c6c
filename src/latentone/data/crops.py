"""Random excerpts of audio files, padded where files are short."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import AudioError, AudioSource
from ..dsp.loudness import integrated_loudness
from .augment import AugmentConfig, augment
from .manifest import Item
from .sampler import Draw, DrawBy, draw_weights

__all__ = ["AudioCrops"]

logger = logging.getLogger(__name__)

TRIES = 8
"""Excerpts of a file that are looked at for one that is loud enough."""


class AudioCrops:
    """Excerpts of `crop_seconds`, read from disk when they are drawn.

    Args:
        root: the manifest's folder.
        items: what to draw from.
        source: rate and channels that the codec wants.
        crop_seconds: length of an excerpt; shorter files are padded with silence at the end.
        draw_by: what is equally likely to be drawn: a moment, a file or a folder below `root`.
        targets: turns the items of a batch into tensors, for what is learned beside the sound.
        augmented: how excerpts are changed; None leaves them as they are.
        salient_db: excerpts below this loudness in LUFS are drawn again from the same file, up to
            seven times; None takes all.

    What is changed or drawn again is a function of the draw, as the excerpt itself.
    """

    def __init__(
        self,
        root: str | Path,
        items: Sequence[Item],
        source: AudioSource,
        crop_seconds: float,
        draw_by: DrawBy = "moment",
        *,
        targets: Callable[[Sequence[Item]], Mapping[str, Tensor]] | None = None,
        augmented: AugmentConfig | None = None,
        salient_db: float | None = None,
    ) -> None:
        self.root, self.items, self.source = Path(root), list(items), source
        self.targets = targets
        self.augmented, self.salient_db = augmented, salient_db
        self.crop_seconds, self.draw_by = crop_seconds, draw_by
        self.crop_samples = round(crop_seconds * source.sample_rate)
        self.failures: dict[str, str] = {}
        """Files that could not be read so far by this process: id -> reason."""
        if self.crop_samples < 1:
            raise ValueError(f"crop_seconds must hold one sample, got {crop_seconds}")

    def lasting(self, seconds: float) -> Self:
        """The same items in excerpts of another length: long enough to be listened to."""
        longer = copy(self)
        longer.crop_seconds = seconds
        longer.crop_samples = round(seconds * self.source.sample_rate)
        return longer

    def __len__(self) -> int:
        return len(self.items)

    @property
    def weights(self) -> list[float]:
        """See `draw_weights`."""
        durations = [item.duration for item in self.items]
        parts = [Path(item.path).parts for item in self.items]
        folders = [p[0] if len(p) > 1 else "" for p in parts]
        return draw_weights(durations, self.crop_seconds, self.draw_by, folders)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        """Read one excerpt.

        A file that cannot be read is reported once to the log and to `failures`, and the next
        item that can be read takes its place, so that one bad file never ends a training.

        Returns:
            `x (C, crop samples)`, `length` (samples that are sound, not padding), `item`.

        Raises:
            AudioError: not one item can be read.
        """
        for step in range(len(self.items)):
            item = self.items[(draw.index + step) % len(self.items)]
            try:
                x = self._excerpt(item, draw.offset)
            except (AudioError, OSError) as error:
                if item.id not in self.failures:
                    reason = error.reason if isinstance(error, AudioError) else str(error)
                    self.failures[item.id] = reason
                    logger.warning("%s is left out of training: %s", item.id, reason)
                continue
            length = x.shape[-1]
            padded = F.pad(x, (0, self.crop_samples - length))
            return {"x": padded, "length": length, "item": item}
        first = self.items[0].id if self.items else None
        came = f"{first}: {self.failures[first]}, and so on" if first else "no item at all"
        raise AudioError(self.root, "at least one readable item", came)

    def _excerpt(self, item: Item, offset: float) -> Tensor:
        rng = torch.Generator().manual_seed(int(offset * 2**53))
        x = self._load(item, offset)
        if self.salient_db is not None:
            rate = self.source.sample_rate
            for _ in range(TRIES - 1):
                if float(integrated_loudness(x, rate)) > self.salient_db:
                    break
                x = self._load(item, float(torch.rand((), generator=rng, dtype=torch.float64)))
        if self.augmented is not None:
            x = augment(x, self.source.sample_rate, self.augmented, rng)
        return x

    def _load(self, item: Item, offset: float) -> Tensor:
        path = self.root / item.path
        latest = self.source.length(path) - self.crop_samples
        start = int(offset * (latest + 1)) if latest > 0 else 0
        rate = self.source.sample_rate
        return self.source.load(path, start / rate, self.crop_samples / rate)

    def collate(self, crops: list[dict[str, Any]]) -> dict[str, Any]:
        """Stack excerpts to `x (B, C, T)`, `lengths (B,)`, `ids`, and `targets` where wanted."""
        items = [crop["item"] for crop in crops]
        batch = {
            "x": torch.stack([crop["x"] for crop in crops]),
            "lengths": torch.tensor([crop["length"] for crop in crops]),
            "ids": [item.id for item in items],
        }
        if self.targets is not None:
            batch["targets"] = dict(self.targets(items))
        return batch
