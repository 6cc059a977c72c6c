"""Step 3 for one generator: from a store and a codec to a trained folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..audio import Audio
from ..codecs.base import Codec
from ..conditioning.base import Conditioner
from ..data.sampler import Draw
from ..device import choose_device
from ..generators.base import Generator
from ..latents import LatentCrops, LatentStore
from ..latents.timed import crop_field
from .chance import seed_everything
from .fit import fit
from .recipe import Stage
from .tasks.language_model import LanguageModelTask

__all__ = ["fit_on_latents"]

PREVIEWS = 2


def fit_on_latents(
    stage: Stage,
    run_dir: Path,
    store: LatentStore,
    codec: Codec,
    *,
    stream: str = "acoustic",
    pretrained: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Path:
    """Fill in what only the store knows, and train.

    Args:
        stage: its task's `fitted` takes the store's spec and the length of an excerpt.
        run_dir: becomes the generator's folder.
        store: training and validation items.
        codec: plays the previews.
        stream: of the store.
        pretrained: folder of a generator to fine-tune.
        device: auto, cpu, cuda, cuda:N or mps.
        progress: whether to show it on stderr.

    Raises:
        ValueError: the store is of another codec, or holds a condition that the generator cannot
            read; the item is named.
    """
    store.require(codec.stream_specs()[stream], owner="the codec of this run", stream=stream)
    spec = store.specs[stream]
    longest = max(item.frames[stream] for item in store.items())
    crop = longest  # untimed streams are taken whole
    if spec.frame_rate is not None:
        crop = max(1, min(longest, round(stage.train.crop_seconds * spec.frame_rate)))
    raw = _open_values(store, stage.task.open_conditions())
    stage = replace(stage, task=stage.task.fitted(spec, crop).learned(raw))
    seed_everything(stage.train.seed)
    task = stage.task.build(pretrained)
    if not isinstance(task.model, Generator):
        raise ValueError(f"the generator stage of a recipe trains a {type(task.model).__name__}")
    conditioners, fields = task.model.conditioners, stage.task.conditions()
    sets = {
        split: LatentCrops(
            store, split, crop, conditioners, stream, fields=fields, draw_by=stage.train.draw_by
        )
        for split in ("train", "valid")
        if store.items(split)
    }
    if "train" not in sets:
        raise ValueError(f"{store.folder} has no training items")
    for crops in sets.values():
        _check_conditions(crops, conditioners)
    if isinstance(task, LanguageModelTask):
        task.decode = _player(codec.to(choose_device(device)).eval(), stream)
        task.preview_conditions = _some_conditions(sets.get("valid", sets["train"]), conditioners)
    return fit(
        stage,
        run_dir,
        sets["train"],
        sets.get("valid"),
        task=task,
        device=device,
        progress=progress,
    )


def _open_values(store: LatentStore, fields: Mapping[str, str]) -> dict[str, list[Any]]:
    """Raw values of some conditions for all items, from their metadata fields."""
    items = store.items() if fields else []
    known = [(item, store.metadata(item.id)) for item in items]
    return {
        name: [crop_field(item, metadata, field, 0.0, item.duration) for item, metadata in known]
        for name, field in fields.items()
    }


def _check_conditions(crops: LatentCrops, conditioners: Mapping[str, Conditioner]) -> None:
    """Prepare the conditions of every item once: better now than after an hour."""
    for index, item in enumerate(crops.items):
        raw = _raw(crops, index)
        for name, conditioner in conditioners.items():
            try:
                conditioner.prepare([raw[name]])
            except ValueError as error:
                raise ValueError(f"{item.path} has an unusable {name!r}: {error}") from error


def _raw(crops: LatentCrops, index: int) -> dict[str, Any]:
    raw: dict[str, Any] = crops[Draw(index, 0.0)]["raw"] if crops.conditioners else {}
    return raw


def _some_conditions(
    crops: LatentCrops, conditioners: Mapping[str, Conditioner]
) -> dict[str, Sequence[Any]]:
    chosen = [_raw(crops, i * len(crops) // PREVIEWS) for i in range(min(PREVIEWS, len(crops)))]
    return {name: [raw[name] for raw in chosen] for name in conditioners}


def _player(codec: Codec, stream: str) -> Callable[[Tensor], Audio]:
    """A function that turns latents `(rows, F)` of a stream into sound."""
    device = next((t.device for t in codec.state_dict().values()), torch.device("cpu"))

    @torch.no_grad()
    def play(latents: Tensor) -> Audio:
        y = codec.decode_streams({stream: latents[None].to(device)})
        return codec.source.render(y[0].float())

    return play
