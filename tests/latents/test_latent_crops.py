from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_codec import RATE, tiny, write_folder
from torch import Tensor
from torch.utils.data import DataLoader

from latentone.codecs import MuLawWaveform, MuLawWaveformConfig
from latentone.conditioning.base import Condition, Conditioner
from latentone.data.manifest import Manifest
from latentone.data.sampler import Draw, draw
from latentone.latents import LatentCrops, LatentStore, StoreError, encode_folder
from latentone.latents.format import StoredItem
from latentone.latents.timed import crop_field

LENGTHS = [4000, 400, 2000, 8000, 4000]  # 100, 10, 50, 200 and (validation) 100 frames


class Count(Conditioner):
    """Numbers as they are, missing ones as NaN; lists by their length and first entry."""

    kind = "vector"

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        values = []
        for value in raw:
            if isinstance(value, list):
                values.append([len(value), value[0] if value else -1.0])
            else:
                values.append([float("nan") if value is None else float(value), 0.0])
        return {"value": torch.tensor(values)}

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        raise NotImplementedError


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_folder(tmp_path_factory.mktemp("crops") / "audio", LENGTHS)


@pytest.fixture(scope="module")
def store(manifest: Manifest) -> LatentStore:
    return encode_folder(tiny((16, 300)), manifest, manifest.root.parent / "store")


def test_crops_are_slices_and_short_items_are_padded(store: LatentStore) -> None:
    crops = LatentCrops(store, "train", 60)
    ids = [item.id for item in crops.items]
    assert sorted(ids) == ["000", "001", "002", "003"]
    batch = crops.collate([crops[Draw(ids.index(i), 0.5)] for i in ("000", "001", "002", "003")])
    assert batch["codes"].shape == (4, 2, 60) and batch["codes"].dtype == torch.int64
    assert batch["lengths"].tolist() == [60, 10, 50, 60]
    assert batch["ids"] == ["000", "001", "002", "003"] and batch["conditions"] == {}
    for row, (item, start, length) in zip(
        batch["codes"], [("000", 20, 60), ("001", 0, 10), ("002", 0, 50), ("003", 70, 60)],
        strict=True,
    ):  # fmt: skip
        assert torch.equal(row[:, :length], store.read(item, start=start, frames=length))
        assert not row[:, length:].any()


def test_whole_items_are_padded_to_the_longest(store: LatentStore) -> None:
    crops = LatentCrops(store, "train", None)
    batch = crops.collate([crops[Draw(i, 0.99)] for i in range(4)])
    assert batch["codes"].shape[-1] == 200 == int(batch["lengths"].max())


@given(offset=st.floats(0, 1, exclude_max=True), index=st.integers(0, 3))
def test_every_offset_gives_a_whole_crop(store: LatentStore, offset: float, index: int) -> None:
    crop = LatentCrops(store, "train", 30)[Draw(index, offset)]
    assert crop["codes"].shape[-1] in (10, 30)


def test_first_and_last_frames_are_reached(store: LatentStore) -> None:
    crops = LatentCrops(store, "valid", 30)
    assert torch.equal(crops[Draw(0, 0.0)]["codes"], store.read("004", start=0, frames=30))
    last = crops[Draw(0, 1 - 2**-53)]["codes"]
    assert torch.equal(last, store.read("004", start=70, frames=30))


def test_every_moment_is_as_likely_and_short_items_count_as_a_crop(store: LatentStore) -> None:
    crops = LatentCrops(store, "train", 60)
    weights = dict(zip([item.id for item in crops.items], crops.weights, strict=True))
    assert weights == {"000": 100, "001": 60, "002": 60, "003": 200}


def test_conditions_follow_the_crop(store: LatentStore) -> None:
    names = {"bpm": "bpm", "start": "seconds_start", "total": "seconds_total", "beats": "beats"}
    conditioners = {name: Count() for name in names}
    crops = LatentCrops(store, "train", 60, conditioners, fields=names)
    ids = [item.id for item in crops.items]
    batch = crops.collate([crops[Draw(ids.index("003"), 0.9)], crops[Draw(ids.index("001"), 0.9)]])
    assert crops.raw(ids.index("003"), 0.9)["start"] == pytest.approx(126 / 200)
    prepared = {name: value["value"] for name, value in batch["conditions"].items()}
    assert prepared["bpm"][:, 0].tolist() == [103, 101]
    torch.testing.assert_close(prepared["start"][:, 0], torch.tensor([126 / 200, 0.0]))
    torch.testing.assert_close(prepared["total"][:, 0], torch.tensor([1.0, 0.05]))
    # Beats at 0, 0.5 and 1 s: the crop from 0.63 to 0.93 s has none, the short item one.
    assert prepared["beats"].tolist() == [[0.0, -1.0], [1.0, 0.0]]


def test_a_condition_reads_the_field_of_its_name(store: LatentStore) -> None:
    batch_of = LatentCrops(store, "train", 60, {"bpm": Count(), "nothing": Count()})
    batch = batch_of.collate([batch_of[Draw(0, 0.0)]])
    assert batch["conditions"]["bpm"]["value"][0, 0] >= 100
    assert batch["conditions"]["nothing"]["value"][0, 0].isnan()


def test_it_works_in_data_workers(store: LatentStore) -> None:
    crops = LatentCrops(store, "train", 30, {"bpm": Count()})
    draws = [draw(0, step, 0, 1, 3, crops.weights) for step in range(4)]
    flat = [one for step in draws for one in step]
    loader = DataLoader(
        crops,
        batch_size=3,
        sampler=flat,
        num_workers=2,
        collate_fn=crops.collate,  # type: ignore[arg-type]
    )
    for batch, step in zip(loader, draws, strict=True):
        expected = crops.collate([crops[one] for one in step])
        assert torch.equal(batch["codes"], expected["codes"]) and batch["ids"] == expected["ids"]


def test_continuous_streams_are_latents(manifest: Manifest, tmp_path: Path) -> None:
    crops = LatentCrops(encode_folder(tiny(), manifest, tmp_path / "store"), "valid", 30)
    batch = crops.collate([crops[Draw(0, 0.0)]])
    assert batch["latents"].shape == (1, 4, 30) and batch["latents"].dtype == torch.float32


def test_an_unreadable_item_of_a_virtual_store_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900, 1000])
    codec = MuLawWaveform(MuLawWaveformConfig(sample_rate=RATE))
    crops = LatentCrops(encode_folder(codec, manifest, tmp_path / "store"), "train", 500)
    (tmp_path / "audio" / "001.wav").unlink()
    with caplog.at_level(logging.WARNING):
        found = [crops[Draw(1, 0.5)] for _ in range(2)]
    assert [crop["id"] for crop in found] == ["002", "002"]
    assert torch.equal(found[0]["codes"], crops[Draw(2, 0.5)]["codes"])
    assert len(caplog.messages) == 1 and "001.wav" in caplog.messages[0]
    for name in ("000", "002"):
        (tmp_path / "audio" / f"{name}.wav").unlink()
    with pytest.raises(StoreError, match="not one item"):
        crops[Draw(0, 0.0)]


def test_what_is_not_there_is_refused(store: LatentStore) -> None:
    with pytest.raises(StoreError, match="no items in the split 'test'"):
        LatentCrops(store, "test", 10)
    with pytest.raises(StoreError, match="no stream 'semantic'"):
        LatentCrops(store, "train", 10, stream="semantic")
    with pytest.raises(ValueError, match="crop_frames must be at least 1"):
        LatentCrops(store, "train", 0)


def test_times_are_moved_to_the_clock_of_the_crop() -> None:
    item = StoredItem(
        id="a", path="a.wav", group="g", split="train", duration=10.0, frames={}, caption="words"
    )
    metadata = {
        "beats": [1.0, 2.0, 3.0, 4.0],
        "chords": [[0.0, 2.5, "C"], [2.5, 3.5, "F"], [3.5, 9.0, "G"], [9.0, 10.0, "C"]],
        "notes": [[1.9, 2.0, 60, 90, 0], [2.0, 2.2, 62, 80, 1]],
        "sections": [[0.0, "intro"], [1.0, "verse"], [3.0, "chorus"], [8.0, "end"]],
        "instruments": ["piano", "bass"],
        "bpm": 60,
    }

    def field(name: str) -> Any:
        return crop_field(item, metadata, name, 2.0, 2.0)

    assert field("beats") == [0.0, 1.0]
    assert field("chords") == [[0.0, 0.5, "C"], [0.5, 1.5, "F"], [1.5, 2.0, "G"]]
    assert field("notes") == [[0.0, pytest.approx(0.2), 62, 80, 1]]
    assert field("sections") == [[0.0, "verse"], [1.0, "chorus"]]
    assert field("instruments") == ["piano", "bass"] and field("bpm") == 60
    assert (field("seconds_start"), field("seconds_total")) == (2.0, 10.0)
    assert (field("caption"), field("group"), field("missing")) == ("words", "g", None)
    assert crop_field(replace(item, caption=None), metadata, "caption", 2.0, 2.0) is None
