"""Crops of a latent store as training data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..conditioning import Conditioner, FrameMap, FramesConditioner
from ..data.sampler import Draw, DrawBy, draw_weights
from .format import StoredItem, StoreError
from .reading import failure_reason
from .store import LatentStore
from .timed import crop_field

__all__ = ["LatentCrops"]

logger = logging.getLogger(__name__)


class LatentCrops:
    """Serves `fit`: crops by `Draw`, conditions prepared in the worker that collates.

    Items shorter than a crop are taken whole and padded with zeros; `lengths` says how far each is
    real. An item that cannot be read (a virtual store reads audio) is reported once, to the log
    and to `failures`, and replaced by the next one that can.
    """

    def __init__(
        self,
        store: LatentStore,
        split: str,
        crop_frames: int | None,
        conditioners: Mapping[str, Conditioner] | None = None,
        stream: str = "acoustic",
        *,
        fields: Mapping[str, str] | None = None,
        draw_by: DrawBy = "moment",
    ) -> None:
        """Choose what to serve.

        Args:
            store: where from.
            split: train, valid or test.
            crop_frames: frames of a crop; None takes items whole.
            conditioners: by the name of the condition.
            stream: of the store.
            fields: which field each condition is prepared from (see `crop_field`); by default the
                one of its own name. Of those that vary by frame it is a stream of the store.
            draw_by: what is equally likely to be drawn, a moment or an item.

        Raises:
            ValueError: no such split or stream, or maps that were measured in another way.
        """
        if stream not in store.specs:
            raise StoreError(f"{store.folder} has no stream {stream!r}, only {sorted(store.specs)}")
        if crop_frames is not None and crop_frames < 1:
            raise ValueError(f"crop_frames must be at least 1, got {crop_frames}")
        self.store, self.stream, self.crop_frames = store, stream, crop_frames
        self.draw_by = draw_by
        self.spec = store.specs[stream]
        self.conditioners = dict(conditioners or {})
        self.fields = {name: name for name in self.conditioners} | dict(fields or {})
        self.maps = {
            name: self._require_map(self.fields[name], conditioner)
            for name, conditioner in self.conditioners.items()
            if isinstance(conditioner, FramesConditioner)
        }
        self.items: list[StoredItem] = store.items(split)
        if not self.items:
            raise StoreError(f"{store.folder} has no items in the split {split!r}")
        self.failures: dict[str, str] = {}
        """Items that could not be read so far by this process: id -> reason."""
        self.key = "codes" if self.spec.kind == "discrete" else "latents"

    def _require_map(self, stream: str, conditioner: FramesConditioner) -> str:
        """The name of a stream of maps, once it is sure that they are this conditioner's."""
        if stream not in self.store.specs:
            raise StoreError(
                f"{self.store.folder} has no stream {stream!r}, only {sorted(self.store.specs)}: "
                "encode the folder again, into a new store, with the recipe that wants this map"
            )
        if self.store.specs[stream] != conditioner.config.stream:
            raise StoreError(
                f"the maps {stream!r} in {self.store.folder} were measured with other settings "
                f"than {conditioner.config}: encode the folder again, into a new store"
            )
        return stream

    def __len__(self) -> int:
        return len(self.items)

    @property
    def weights(self) -> Sequence[float]:
        """See `draw_weights`."""
        frames = [item.frames[self.stream] for item in self.items]
        return draw_weights(frames, self.crop_frames or 1, self.draw_by)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        """Read the crop of a draw: `offset` in [0, 1) places it among all that fit."""
        for skipped in range(len(self.items)):
            item = self.items[(draw.index + skipped) % len(self.items)]
            try:
                return self._crop(item, draw.offset)
            except (ValueError, OSError) as error:
                if item.id not in self.failures:
                    self.failures[item.id] = failure_reason(error)
                    logger.warning("%s is left out: %s", item.path, self.failures[item.id])
        raise StoreError(f"not one item of {self.store.folder} can be read")

    def raw(self, index: int, offset: float = 0.0) -> dict[str, Any]:
        """Return what each condition of a draw is prepared from, without reading `stream`."""
        item = self.items[index]
        return self._raw(item, *self._place(item, offset))

    def _place(self, item: StoredItem, offset: float) -> tuple[int, int]:
        """First frame and number of frames of a crop."""
        total = item.frames[self.stream]
        frames = total if self.crop_frames is None else min(self.crop_frames, total)
        return min(int(offset * (total - frames + 1)), total - frames), frames

    def _raw(self, item: StoredItem, start: int, frames: int) -> dict[str, Any]:
        # Frames per second by the item itself, so that untimed and segmented streams work too.
        pace = item.duration / item.frames[self.stream]
        metadata = self.store.metadata(item.id) if self.conditioners else {}
        raw: dict[str, Any] = {}
        for name in self.conditioners:
            if name in self.maps:
                raw[name] = self._map(item, self.maps[name], start, frames)
            else:
                field = self.fields[name]
                raw[name] = crop_field(item, metadata, field, start * pace, frames * pace)
        return raw

    def _map(self, item: StoredItem, stream: str, start: int, frames: int) -> FrameMap:
        rate = self.store.specs[stream].frame_rate
        return FrameMap(self.store.read(item.id, stream, start, frames), rate or 0.0)

    def _crop(self, item: StoredItem, offset: float) -> dict[str, Any]:
        start, frames = self._place(item, offset)
        latents = self.store.read(item.id, self.stream, start, frames)
        return {"id": item.id, self.key: latents, "raw": self._raw(item, start, frames)}

    def collate(self, crops: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Pad crops to one batch.

        Returns:
            `codes (B, K, F)` or `latents (B, D, F)`, `lengths (B,)`, `conditions` as each
            conditioner prepared them, and `ids`. F is `crop_frames`, or the longest item.
        """
        lengths = torch.tensor([crop[self.key].shape[-1] for crop in crops])
        frames = self.crop_frames or int(lengths.max())
        first: Tensor = crops[0][self.key]
        batch = first.new_zeros(len(crops), first.shape[0], frames)
        for row, crop, length in zip(batch, crops, lengths.tolist(), strict=True):
            row[:, :length] = crop[self.key]
        prepared = {
            name: conditioner.prepare([crop["raw"][name] for crop in crops])
            for name, conditioner in self.conditioners.items()
        }
        ids = [crop["id"] for crop in crops]
        return {self.key: batch, "lengths": lengths, "conditions": prepared, "ids": ids}
