from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codec import RATE, VirtualTiny, contents, tiny, write_folder

from latentone.codecs import (
    IdentityWaveform,
    IdentityWaveformConfig,
    MuLawWaveform,
    MuLawWaveformConfig,
)
from latentone.codecs.base import Codec
from latentone.latents import LatentStore, StoreError, encode_folder
from latentone.latents.statistics import ContinuousStatistics, DiscreteStatistics
from latentone.latents.virtual import VirtualStore

LENGTHS = [8000, 2000, 41, 12_345, 1]


def virtual_tiny() -> Codec:
    return VirtualTiny(tiny((16, 300)).config).eval()


def mu_law() -> Codec:
    return MuLawWaveform(MuLawWaveformConfig(sample_rate=RATE))


def identity() -> Codec:
    return IdentityWaveform(IdentityWaveformConfig(sample_rate=RATE))


@pytest.fixture(scope="module", params=[mu_law, identity, virtual_tiny])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("virtual")
    torch.manual_seed(0)
    codec = request.param()
    encode_folder(codec, write_folder(folder / "audio", LENGTHS), folder / "store", name="it")
    return codec, folder


def whole(codec: Codec, path: Path) -> torch.Tensor:
    with torch.inference_mode():
        return codec.streams(codec.source.load(path)[None])["acoustic"][0]


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_crop_equals_the_slice_of_the_whole_encoding(made: Any, data: st.DataObject) -> None:
    codec, folder = made
    store = LatentStore.open(folder / "store")
    item = data.draw(st.sampled_from(store.items()))
    total = item.frames["acoustic"]
    start = data.draw(st.integers(0, total))
    frames = data.draw(st.integers(0, total - start))
    crop = store.read(item.id, "acoustic", start, frames)
    expected = whole(codec, folder / "audio" / item.path)[:, start : start + frames]
    assert crop.dtype == (torch.int64 if codec.vocab else torch.float32)
    assert crop.shape == expected.shape
    torch.testing.assert_close(crop, expected, rtol=0, atol=0)


def test_a_crop_reads_only_the_audio_it_needs(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, folder = made
    store = LatentStore.open(folder / "store")
    assert isinstance(store, VirtualStore)
    asked: list[float] = []
    load = type(store.codec.source).load

    def watch(self: Any, path: Any, offset: float = 0.0, duration: float | None = None) -> Any:
        asked.append(float("inf") if duration is None else duration)
        return load(self, path, offset, duration)

    monkeypatch.setattr(type(store.codec.source), "load", watch)
    store.read("000", start=50, frames=10)
    seconds = 10 / codec.frame_rate
    assert sum(asked) <= seconds + 2 * (codec.context or 0) / codec.frame_rate + 1e-9


def test_nothing_but_an_index_is_written(made: Any) -> None:
    codec, folder = made
    names = set(contents(folder / "store"))
    assert not any(name.endswith(".safetensors") and "/" not in name for name in names)
    store = LatentStore.open(folder / "store")
    assert store.metadata("003")["bpm"] == 103 and store.items()[1].caption == "sound 1"
    assert torch.equal(pickle.loads(pickle.dumps(store)).read("003"), store.read("003"))
    before = contents(folder / "store")
    encode_folder(codec, _manifest(folder), folder / "store", name="it")
    assert contents(folder / "store") == before


def _manifest(folder: Path) -> Any:
    from tiny_codec import manifest_of

    return manifest_of(folder / "audio")


def test_statistics_equal_numpy_on_everything(made: Any) -> None:
    _, folder = made
    store = LatentStore.open(folder / "store")
    everything = np.concatenate([store.read(i.id).numpy().T for i in store.items()])
    found = store.statistics["acoustic"]
    assert found.count == len(everything)
    if isinstance(found, DiscreteStatistics):
        for row, usage in zip(everything.T, found.usage, strict=True):
            assert list(usage) == np.bincount(row, minlength=len(usage)).tolist()
    else:
        assert isinstance(found, ContinuousStatistics)
        np.testing.assert_allclose(found.mean, everything.mean(0, np.float64), rtol=1e-9)
        np.testing.assert_allclose(found.std, everything.std(0, dtype=np.float64), rtol=1e-9)


def test_statistics_of_much_audio_are_a_spread_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentone.latents.virtual.STATISTICS_SECONDS", 0.1)
    manifest = write_folder(tmp_path / "audio", [8000, 8000, 8000, 8000])
    store = encode_folder(identity(), manifest, tmp_path / "store")
    assert store.statistics["acoustic"].count == 0.1 * RATE


def test_unreadable_files_are_listed(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 800, 800])
    (tmp_path / "audio" / "001.wav").write_bytes(b"no sound")
    store = encode_folder(mu_law(), manifest, tmp_path / "store")
    assert [item.id for item in store.items()] == ["000", "002"]
    (line,) = (tmp_path / "store" / "failures.jsonl").read_text().splitlines()
    assert json.loads(line)["path"] == "001.wav"


def test_nothing_readable_says_why(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800])
    (tmp_path / "audio" / "000.wav").write_bytes(b"no sound")
    with pytest.raises(StoreError, match=r"not one item .*000\.wav"):
        encode_folder(mu_law(), manifest, tmp_path / "store")
    write_folder(tmp_path / "audio", [800])
    assert len(encode_folder(mu_law(), manifest, tmp_path / "store")) == 1


def test_another_codec_or_folder_is_refused(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900])
    encode_folder(mu_law(), manifest, tmp_path / "store", name="mu-law 256")
    other = MuLawWaveform(MuLawWaveformConfig(sample_rate=RATE, levels=64))
    with pytest.raises(StoreError, match=r"latents of mu-law 256.*mu-law 64 makes"):
        encode_folder(other, manifest, tmp_path / "store", name="mu-law 64")
    with pytest.raises(StoreError, match="items 2, now it is 1"):
        encode_folder(mu_law(), replace(manifest, items=manifest.items[:1]), tmp_path / "store")
    shutil.move(tmp_path / "audio", tmp_path / "moved")
    with pytest.raises(StoreError, match="audio, which is gone"):
        LatentStore.open(tmp_path / "store")


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900])
    encode_folder(mu_law(), manifest, tmp_path / "store")
    items = tmp_path / "store" / "items.jsonl"
    data = items.read_text()
    items.write_text(data.splitlines()[0] + "\n")
    with pytest.raises(StoreError, match=r"items\.jsonl is damaged: 1 items, expected 2"):
        LatentStore.open(tmp_path / "store")
    items.write_text(data[:-20])
    with pytest.raises(StoreError, match=r"items\.jsonl is damaged"):
        LatentStore.open(tmp_path / "store")
    items.unlink()
    with pytest.raises(StoreError, match=r"items\.jsonl is damaged"):
        LatentStore.open(tmp_path / "store")
