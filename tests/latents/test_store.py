from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_codec import TinyCodec, contents, tiny, write_folder

from latentone.latents import LatentStore, StoreError, encode_folder
from latentone.latents.format import storage_dtype
from latentone.latents.writer import ShardWriter
from latentone.spec import LatentSpec

LENGTHS = [800, 2000, 41, 800, 5000, 12_345, 1200, 1]


def whole(codec: TinyCodec, path: Path) -> torch.Tensor:
    with torch.inference_mode():
        return codec.streams(codec.source.load(path)[None])["acoustic"][0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[TinyCodec, Path, Path]:
    folder = tmp_path_factory.mktemp("store")
    codec = tiny((16, 300))
    manifest = write_folder(folder / "audio", LENGTHS)
    encode_folder(codec, manifest, folder / "store", shard_seconds=0.4, name="runs/tiny")
    return codec, folder / "audio", folder / "store"


@pytest.fixture
def copy(made: tuple[TinyCodec, Path, Path], tmp_path: Path) -> Path:
    for name, data in contents(made[2]).items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_crop_equals_the_slice_of_the_whole_encoding(
    made: tuple[TinyCodec, Path, Path], data: st.DataObject
) -> None:
    codec, audio, folder = made
    store = LatentStore.open(folder)
    item = data.draw(st.sampled_from(store.items()))
    total = item.frames["acoustic"]
    start = data.draw(st.integers(0, total))
    frames = data.draw(st.integers(0, total - start))
    crop = store.read(item.id, "acoustic", start, frames)
    assert crop.dtype == torch.int64 and crop.is_contiguous()
    assert torch.equal(crop, whole(codec, audio / item.path)[:, start : start + frames])


def test_a_crop_beyond_the_item_is_refused(made: tuple[TinyCodec, Path, Path]) -> None:
    store = LatentStore.open(made[2])
    with pytest.raises(ValueError, match="frames 10 to 30 asked of '000', which has 20"):
        store.read("000", start=10, frames=20)
    with pytest.raises(ValueError, match="asked of"):
        store.read("000", start=-1, frames=1)
    with pytest.raises(KeyError, match="no item 'nobody'"):
        store.read("nobody")
    with pytest.raises(KeyError, match="no stream 'semantic'"):
        store.read("000", "semantic")


@given(frames=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 3)), max_size=12))
@settings(max_examples=30, deadline=None)
def test_offsets_find_every_item_of_every_stream(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[int, int]]
) -> None:
    from latentone.latents.format import StoredItem

    folder = tmp_path_factory.mktemp("shard")
    specs = {
        "codes": LatentSpec(
            kind="discrete", shape=(2,), vocab=(9, 9), frame_rate=1.0, fingerprint="a"
        ),
        "wide": LatentSpec(kind="continuous", shape=(3,), frame_rate=None, fingerprint="b"),
    }
    codes = [torch.randint(9, (2, n)) for n, _ in frames]
    wide = [torch.randn(3, m) for _, m in frames]
    with ShardWriter(folder, 0, specs, "float32") as writer:
        for i, (c, w) in enumerate(zip(codes, wide, strict=True)):
            item = StoredItem(id=str(i), path="", group="", split="train", duration=1.0, frames={})
            writer.add(item, [{"codes": c, "wide": w}], {"i": i})
        writer.commit()
    offsets = np.load(folder / "000000.npy")
    assert offsets.shape == (len(frames) + 1, 3)
    flat = load_file(folder / "000000.safetensors")  # an independent reader of the format
    lines = (folder / "000000.metadata.jsonl").read_bytes()
    assert flat["codes"].dtype == torch.uint8 and flat["wide"].dtype == torch.float32
    for i, (c, w) in enumerate(zip(codes, wide, strict=True)):
        (c0, w0, m0), (c1, w1, m1) = offsets[i].tolist(), offsets[i + 1].tolist()
        assert torch.equal(flat["codes"][c0:c1].T.long(), c)
        assert torch.equal(flat["wide"][w0:w1].T, w)
        assert json.loads(lines[m0:m1]) == {"i": i}
    assert offsets[-1].tolist() == [*map(sum, zip(*frames, strict=True)), len(lines)] or not frames


def test_codes_take_the_smallest_integers() -> None:
    def dtype(size: int) -> str:
        spec = LatentSpec(
            kind="discrete", shape=(1,), vocab=(size,), frame_rate=1.0, fingerprint=""
        )
        return storage_dtype(spec, "float16").name

    assert [dtype(n) for n in (2, 256, 257, 32768, 32769)] == [
        "uint8", "uint8", "int16", "int16", "int32",
    ]  # fmt: skip


def test_items_splits_and_metadata(made: tuple[TinyCodec, Path, Path]) -> None:
    store = LatentStore.open(made[2])
    assert len(store) == len(LENGTHS) == len(store.items("train")) + len(store.items("valid"))
    item = next(item for item in store.items() if item.id == "003")
    assert (item.path, item.group, item.split, item.caption) == (
        "003.wav",
        "g1",
        "train",
        "sound 3",
    )
    assert item.frames == {"acoustic": 20} and item.duration == 0.1
    assert all(store.metadata(f"{i:03d}")["bpm"] == 100 + i for i in range(len(LENGTHS)))


def test_a_store_travels_to_workers(made: tuple[TinyCodec, Path, Path]) -> None:
    store = LatentStore.open(made[2])
    expected = store.read("005", start=3, frames=7)  # now shards are mapped
    parcel = pickle.dumps(store)
    assert len(parcel) < 20_000, "latents must not travel along"
    assert torch.equal(pickle.loads(parcel).read("005", start=3, frames=7), expected)


def test_reading_does_not_write_to_the_file(made: tuple[TinyCodec, Path, Path]) -> None:
    before = contents(made[2])
    crop = LatentStore.open(made[2]).read("000")
    crop.zero_()
    assert contents(made[2]) == before


@pytest.mark.parametrize("name", ["safetensors", "npy", "jsonl", "metadata.jsonl", "json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "longer"])
def test_a_damaged_shard_is_named_and_repaired_by_the_same_command(
    made: tuple[TinyCodec, Path, Path], copy: Path, name: str, damage: str
) -> None:
    path = copy / f"000001.{name}"
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data + b"{}")
    with pytest.raises(StoreError, match=f"000001.{name}.*latentone encode") as caught:
        LatentStore.open(copy)
    assert str(copy) in str(caught.value)
    untouched = (copy / "000000.safetensors").stat().st_mtime_ns
    from tiny_codec import manifest_of

    encode_folder(made[0], manifest_of(made[1]), copy, shard_seconds=0.4, name="runs/tiny")
    assert contents(copy) == contents(made[2])
    assert (copy / "000000.safetensors").stat().st_mtime_ns == untouched


def test_a_flipped_bit_is_found_when_asked_for(copy: Path) -> None:
    path = copy / "000000.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    LatentStore.open(copy)
    with pytest.raises(StoreError, match=r"000000\.safetensors.*not what was written"):
        LatentStore.open(copy, hashes=True)


def test_contradictions_inside_a_shard_are_found(copy: Path) -> None:
    offsets = np.load(copy / "000000.npy")
    offsets[1, 0] += 1
    np.save(copy / "000000.npy", offsets)  # the same size
    with pytest.raises(StoreError, match=r"000000\.npy.*offsets of 'acoustic' do not fit"):
        LatentStore.open(copy)


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', '{"format_version": 9}'])
def test_a_damaged_description_is_named(copy: Path, text: str) -> None:
    (copy / "dataset.json").write_text(text)
    with pytest.raises(StoreError, match=r"dataset\.json"):
        LatentStore.open(copy)


def test_no_store_and_an_unfinished_one_are_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        LatentStore.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match="is no latent store"):
        LatentStore.open(tmp_path / "empty")
    description = json.loads((copy / "dataset.json").read_text())
    description["counts"] = None
    (copy / "dataset.json").write_text(json.dumps(description))
    (copy / "000001.json").unlink()
    shards = description["plan"]["shards"]
    with pytest.raises(StoreError, match=f"unfinished: {shards - 1} of {shards} shards"):
        LatentStore.open(copy)


def test_a_store_of_another_codec_is_refused_and_both_are_named(
    made: tuple[TinyCodec, Path, Path],
) -> None:
    codec, _, folder = made
    store = LatentStore.open(folder)
    store.require(codec.latent, owner="the generator")
    other = tiny((16, 300), seed=1)
    with pytest.raises(ValueError) as caught:
        store.require(other.latent, owner="the generator runs/b")
    for part in ("runs/b", str(folder), "runs/tiny", codec.fingerprint()[:8]):
        assert part in str(caught.value)
    assert other.fingerprint()[:8] in str(caught.value)
    with pytest.raises(StoreError, match="needs the stream 'semantic'"):
        store.require(codec.latent, owner="it", stream="semantic")


def test_a_finetuned_decoder_keeps_its_store(made: tuple[TinyCodec, Path, Path]) -> None:
    codec = tiny((16, 300))
    with torch.no_grad():
        codec.decoder.weight += 1
    LatentStore.open(made[2]).require(codec.latent, owner="the fine-tuned codec")
    with torch.no_grad():
        codec.encoder.weight[0, 0, 0] += 1e-6
    with pytest.raises(ValueError, match="another codec"):
        LatentStore.open(made[2]).require(codec.latent, owner="another")


def test_more_shards_than_stay_mapped(
    made: tuple[TinyCodec, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, audio, folder = made
    monkeypatch.setattr("latentone.latents.store.OPEN_SHARDS", 2)
    store = LatentStore.open(folder)
    for item in [*store.items(), *store.items()]:
        assert torch.equal(store.read(item.id), whole(codec, audio / item.path))
