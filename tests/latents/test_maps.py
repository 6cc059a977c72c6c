"""Maps beside the latents: measured at step 2, cut with the codes, refused where they differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_codec import VirtualTiny, tiny, write_folder

from latentone.audio import load_audio
from latentone.conditioning import ChromaConfig, FrameMap, FramesConfig, OnsetConfig
from latentone.data.manifest import Manifest
from latentone.data.sampler import Draw
from latentone.latents import LatentCrops, LatentStore, StoreError, encode_folder

LENGTHS = [4000, 410, 2000, 24000, 4000]
MAPS: dict[str, FramesConfig] = {"chroma": ChromaConfig(), "onset": OnsetConfig()}
FITTED = {name: replace(config, frame_rate=200.0) for name, config in MAPS.items()}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_folder(tmp_path_factory.mktemp("maps") / "audio", LENGTHS)


@pytest.fixture(scope="module")
def store(manifest: Manifest) -> LatentStore:
    """The item of three seconds is encoded in pieces."""
    out = manifest.root.parent / "store"
    return encode_folder(
        tiny((16, 300)), manifest, out, batch_seconds=1.0, storage="float32", maps=MAPS
    )


def test_every_item_has_the_maps_of_its_sound_as_long_as_its_codes(
    store: LatentStore, manifest: Manifest
) -> None:
    assert set(store.specs) == {"acoustic", "chroma", "onset"}
    for item, samples in zip(sorted(store.items(), key=lambda i: i.id), LENGTHS, strict=True):
        assert set(item.frames.values()) == {-(-samples // 40)}
        audio = load_audio(manifest.root / item.path)
        for name, config in FITTED.items():
            found = store.read(item.id, name)
            expected = config.measure(audio, item.frames["acoustic"])
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert store.read("003", "chroma").std() > 0.05


def test_codes_are_those_of_a_store_without_maps(store: LatentStore, manifest: Manifest) -> None:
    plain = encode_folder(tiny((16, 300)), manifest, manifest.root.parent / "plain")
    for item in plain.items():
        assert torch.equal(plain.read(item.id), store.read(item.id))


def test_crops_bring_the_maps_of_their_own_frames(store: LatentStore) -> None:
    conditioners = {name: config.build(8) for name, config in FITTED.items()}
    crops = LatentCrops(store, "train", 60, conditioners)
    index = [item.id for item in crops.items].index("003")
    short = [item.id for item in crops.items].index("001")
    crop = crops[Draw(index, 0.5)]
    starts = [
        s for s in range(541) if torch.equal(store.read("003", "acoustic", s, 60), crop["codes"])
    ]
    assert len(starts) == 1 and starts[0] > 100
    own = store.read("003", "chroma", starts[0], 60)
    assert isinstance(crop["raw"]["chroma"], FrameMap)
    assert torch.equal(crop["raw"]["chroma"].values, own)
    prepared = crops.collate([crop, crops[Draw(short, 0.0)]])["conditions"]["chroma"]
    assert torch.equal(prepared["values"][0], own)
    assert prepared["present"].sum(1).tolist() == [60, 11]


def test_a_condition_may_read_a_stream_of_another_name(manifest: Manifest) -> None:
    out = manifest.root.parent / "named"
    store = encode_folder(tiny((16,)), manifest, out, maps={"harmony": ChromaConfig()})
    crops = LatentCrops(
        store, "train", 5, {"chroma": FITTED["chroma"].build(4)}, fields={"chroma": "harmony"}
    )
    assert crops[Draw(0, 0.0)]["raw"]["chroma"].values.shape == (12, 5)


def test_what_does_not_fit_is_refused(
    store: LatentStore, manifest: Manifest, tmp_path: Path
) -> None:
    other = {"chroma": ChromaConfig(frame_rate=200.0, settings="music_controlnet").build(8)}
    with pytest.raises(StoreError, match="were measured with other settings"):
        LatentCrops(store, "train", 60, other)
    missing = {"melody": FITTED["chroma"].build(8)}
    with pytest.raises(StoreError, match=r"has no stream 'melody'.* encode the folder again"):
        LatentCrops(store, "train", 60, missing)
    with pytest.raises(StoreError, match="has the streams"):
        encode_folder(tiny((16, 300)), manifest, store.folder, batch_seconds=1.0)
    with pytest.raises(ValueError, match="'acoustic' is a stream of the codec"):
        encode_folder(tiny((16,)), manifest, tmp_path / "a", maps={"acoustic": ChromaConfig()})
    virtual = VirtualTiny(tiny((16,)).config).eval()
    with pytest.raises(ValueError, match=r"made on the fly.* 'chroma'"):
        encode_folder(virtual, manifest, tmp_path / "b", maps=MAPS)
