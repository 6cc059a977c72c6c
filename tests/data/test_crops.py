"""Excerpts: exact slices, padded when short, and no bad file ever ends a training."""

import logging

import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from latentone.audio import Audio, AudioError, AudioSource
from latentone.data import AudioCrops, Draw, draw, scan

SOURCE = AudioSource(sample_rate=8000, channels=1)


@pytest.fixture
def folder(tmp_path):
    for name, seconds in [("a", 3.0), ("b", 0.3), ("c", 1.0)]:
        count = round(seconds * 8000)
        Audio(torch.linspace(-1, 1, count)[None], 8000).save(tmp_path / f"{name}.wav")
    return tmp_path


def crops_of(folder, seconds=1.0, source=SOURCE):
    return AudioCrops(folder, scan(folder, group_by="file").items, source, seconds)


def test_a_moment_or_a_file_is_equally_likely(folder):
    items = scan(folder, group_by="file").items
    assert AudioCrops(folder, items, SOURCE, 1.0).weights == pytest.approx([3, 1, 1])
    assert AudioCrops(folder, items, SOURCE, 1.0, "file").weights == [1, 1, 1]


def test_excerpts_are_slices_over_the_whole_file(folder):
    crops, whole = crops_of(folder), torch.linspace(-1, 1, 24000)
    for offset, start in [(0.0, 0), (0.5, 8000), (1 - 2**-53, 16000)]:
        crop = crops[Draw(0, offset)]
        assert crop["item"].id == "a.wav" and crop["length"] == 8000
        assert torch.equal(crop["x"], whole[None, start : start + 8000])


def test_short_files_are_padded_and_say_so(folder):
    crop = crops_of(folder)[Draw(1, 0.7)]
    assert crop["x"].shape == (1, 8000) and crop["length"] == 2400
    assert torch.equal(crop["x"][0, :2400], torch.linspace(-1, 1, 2400))
    assert not crop["x"][0, 2400:].any()
    assert crops_of(folder)[Draw(2, 0.99)]["length"] == 8000


def test_excerpts_come_at_the_codecs_rate_and_channels(folder):
    crop = crops_of(folder, 0.5, AudioSource(sample_rate=24000, channels=2))[Draw(0, 0.9)]
    assert crop["x"].shape == (2, 12000) and torch.equal(crop["x"][0], crop["x"][1])


def test_weights_are_durations_and_short_files_count_as_one_crop(folder):
    assert crops_of(folder).weights == [3.0, 1.0, 1.0]


def test_batches_equal_with_and_without_workers(folder):
    crops = crops_of(folder)
    steps = [draw(0, step, 0, 1, 3, crops.weights) for step in range(2)]
    here = [crops.collate([crops[d] for d in draws]) for draws in steps]
    loader = DataLoader(crops, batch_sampler=steps, collate_fn=crops.collate, num_workers=1)
    for ours, theirs in zip(here, loader, strict=True):
        assert ours["x"].shape == (3, 1, 8000) and ours["lengths"].dtype == torch.int64
        assert torch.equal(ours["x"], theirs["x"])
        assert torch.equal(ours["lengths"], theirs["lengths"]) and ours["ids"] == theirs["ids"]


@pytest.mark.parametrize("damage", ["gone", "cut", "nan", "channels"])
def test_a_file_that_breaks_is_replaced_and_reported_once(folder, caplog, damage):
    source = AudioSource(sample_rate=8000, channels=2) if damage == "channels" else SOURCE
    crops, path = crops_of(folder, source=source), folder / "a.wav"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:9000])
    elif damage == "nan":
        soundfile.write(path, torch.full((24000,), torch.nan).numpy(), 8000, subtype="FLOAT")
    else:
        Audio(torch.zeros(3, 24000), 8000).save(path)
    with caplog.at_level(logging.WARNING, "latentone"):
        first, again = crops[Draw(0, 0.5)], crops[Draw(0, 0.5)]
    assert first["item"].id == again["item"].id == "b.wav" and torch.equal(first["x"], again["x"])
    assert list(crops.failures) == ["a.wav"]
    assert len(caplog.records) == 1 and "a.wav is left out of training" in caplog.text


def test_only_a_folder_without_any_readable_file_is_an_error(folder):
    crops = crops_of(folder)
    for path in folder.iterdir():
        path.write_text("words")
    with pytest.raises(
        AudioError, match=r"at least one readable \w+, got a\.wav: expected an audio"
    ):
        crops[Draw(1, 0.0)]
    assert len(crops.failures) == 3
    with pytest.raises(ValueError, match="crop_seconds must hold one sample"):
        AudioCrops(folder, [], SOURCE, 0.0)
