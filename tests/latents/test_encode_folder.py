from __future__ import annotations

import errno
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codec import RATE, TinyCodec, contents, manifest_of, sound, tiny, write_folder
from torch import Tensor

from latentone.codecs import EnCodec, EnCodecConfig, MuLawWaveform, MuLawWaveformConfig
from latentone.codecs.base import Codec
from latentone.data.manifest import Failure, Manifest
from latentone.latents import EncodeProgress, LatentStore, StoreError, encode_folder
from latentone.latents.statistics import ContinuousStatistics, DiscreteStatistics
from latentone.networks.seanet import SEANetConfig


def single(codec: Codec, path: Path) -> dict[str, Tensor]:
    with torch.inference_mode():
        return {k: z[0] for k, z in codec.streams(codec.source.load(path)[None]).items()}


def test_float16_and_float32_hold_what_single_items_give(tmp_path: Path) -> None:
    codec = tiny()
    manifest = write_folder(tmp_path / "audio", [800, 800, 2000, 41, 800, 30_000, 1, 1200])
    half = encode_folder(codec, manifest, tmp_path / "half")
    full = encode_folder(codec, manifest, tmp_path / "full", storage="float32", batch_seconds=0.25)
    for item in manifest.items:
        expected = single(codec, manifest.root / item.path)["acoustic"]
        assert torch.equal(half.read(item.id), expected.half().float())
        found = full.read(item.id)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


class Counting(TinyCodec):
    """Remembers the shapes it was called with."""

    def __init__(self, config: object) -> None:
        super().__init__(config)  # type: ignore[arg-type]
        self.shapes: list[tuple[int, ...]] = []

    def streams(self, x: Tensor) -> dict[str, Tensor]:
        self.shapes.append(tuple(x.shape))
        return super().streams(x)


def counting() -> Counting:
    return Counting(tiny((16, 300)).config).eval()


def test_equal_lengths_go_together_and_nothing_is_padded(tmp_path: Path) -> None:
    codec = counting()
    manifest = write_folder(tmp_path / "a", [800, 400, 800, 800, 41, 800, 800])
    encode_folder(codec, manifest, tmp_path / "store", batch_seconds=0.3)
    assert codec.shapes == [(1, 1, 41), (1, 1, 400), (3, 1, 800), (2, 1, 800)]


def test_a_wrong_header_costs_no_exactness(tmp_path: Path) -> None:
    codec = counting()
    manifest = write_folder(tmp_path / "a", [800, 760, 800])
    items = tuple(replace(item, duration=0.1) for item in manifest.items)
    store = encode_folder(codec, Manifest(manifest.root, items), tmp_path / "store")
    assert sorted(codec.shapes) == [(1, 1, 760), (2, 1, 800)]
    for item in manifest.items:
        expected = single(codec, manifest.root / item.path)["acoustic"]
        assert torch.equal(store.read(item.id), expected)


def test_a_long_file_goes_in_pieces_and_equals_one_piece(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "a", [30_000, 29_961, 8001])
    codec = counting()
    store = encode_folder(codec, manifest, tmp_path / "store", batch_seconds=1.0)
    assert max(shape[-1] for shape in codec.shapes) <= RATE + 2 * 40
    for item in manifest.items:
        assert torch.equal(
            store.read(item.id), single(codec, manifest.root / item.path)["acoustic"]
        )


@given(samples=st.integers(1, 4000), chunk=st.integers(1, 3000))
@settings(deadline=None, max_examples=60)
def test_pieces_join_to_the_whole_at_every_length(samples: int, chunk: int) -> None:
    x = torch.from_numpy(sound(samples, samples))[None]
    for codec in (tiny((16, 300)), MuLawWaveform(MuLawWaveformConfig(sample_rate=RATE))):
        with torch.inference_mode():
            read = lambda at, count: x[:, at : at + count]  # noqa: E731
            pieces = [p["acoustic"] for p in codec.encode_long(read, samples, chunk)]
            whole = codec.streams(x[None])["acoustic"][0]
        assert torch.equal(torch.cat(pieces, dim=-1), whole)
        assert whole.shape[-1] == codec.num_frames(samples)


def test_a_codec_that_lies_about_its_context_would_be_seen(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "a", [30_000])
    codec = tiny((16, 300), context=0)
    store = encode_folder(codec, manifest, tmp_path / "store", batch_seconds=1.0)
    whole = single(codec, manifest.root / "000.wav")["acoustic"]
    assert not torch.equal(store.read("000"), whole)


def test_a_resampled_long_file_equals_one_piece(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "a", [100_000], rate=22_050)
    codec = tiny()
    store = encode_folder(codec, manifest, tmp_path / "store", batch_seconds=1.0, storage="float32")
    whole = single(codec, manifest.root / "000.wav")["acoustic"]
    torch.testing.assert_close(store.read("000"), whole, rtol=0, atol=1e-5)


def encodec(**settings: object) -> EnCodec:
    torch.manual_seed(0)
    causal = not settings.get("normalize", False)
    seanet = SEANetConfig(
        channels=1 if causal else 2, num_filters=4, latent_dim=16, ratios=(4, 2), causal=causal
    )
    values = {"sample_rate": RATE, "num_codebooks": 3, "codebook_size": 32, **settings}
    codec = EnCodec(EnCodecConfig(seanet=seanet, **values)).eval()  # type: ignore[arg-type]
    noise = torch.from_numpy(sound(RATE, 0)).expand(1, codec.source.channels, -1)
    with torch.no_grad():
        latents = codec.encode(noise)[0].T
        for name, buffer in codec.quantizer.named_buffers():
            if name.endswith("embed"):  # they start as zeros, where all codes are equal
                buffer.copy_(latents[torch.randint(len(latents), (len(buffer),))])
                latents = latents - latents.mean(0)
    return codec


@pytest.mark.parametrize("kind", ["causal", "segments"])
def test_encodec_in_batches_and_pieces_equals_single_items(tmp_path: Path, kind: str) -> None:
    segmented = {"normalize": True, "segment_seconds": 0.5, "overlap": 0.04}
    codec = encodec(**(segmented if kind == "segments" else {}))
    manifest = write_folder(tmp_path / "a", [4000, 4000, 2501, 4000, 30_000, 3999])
    store = encode_folder(codec, manifest, tmp_path / "store", batch_seconds=1.0, storage="float32")
    assert set(store.specs) == {"acoustic"} | ({"gain"} if kind == "segments" else set())
    differing = total = 0
    used = set()
    for item in manifest.items:
        expected = single(codec, manifest.root / item.path)
        for name, values in expected.items():
            found = store.read(item.id, name)
            assert found.shape == values.shape
            if name == "gain":
                torch.testing.assert_close(found, values)
            else:
                differing += int((found != values).sum())
                total += values.numel()
                used |= set(values.flatten().tolist())
    assert len(used) > 16
    assert differing <= 2e-3 * total, "only near ties may fall the other way"


def test_statistics_equal_numpy_on_everything(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "a", [800, 3000, 41, 9000, 12_000])
    for codec in (tiny(), tiny((16, 300))):
        name = f"store{len(codec.vocab)}"
        store = encode_folder(codec, manifest, tmp_path / name, shard_seconds=0.4)
        everything = np.concatenate([store.read(i.id).numpy().T for i in store.items()])
        found = store.statistics["acoustic"]
        assert found.count == len(everything)
        if isinstance(found, ContinuousStatistics):
            np.testing.assert_allclose(found.mean, everything.mean(0, np.float64), rtol=1e-9)
            np.testing.assert_allclose(found.std, everything.std(0, dtype=np.float64), rtol=1e-9)
        else:
            assert isinstance(found, DiscreteStatistics)
            for row, usage in zip(everything.T, found.usage, strict=True):
                assert list(usage) == np.bincount(row, minlength=len(usage)).tolist()


def test_unreadable_files_are_listed_and_never_fatal(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    write_folder(root, [800, 800, 800, 800, 30_000, 800])
    noise = sound(800, 1)
    noise[400] = np.nan
    soundfile.write(root / "001.wav", noise, RATE, subtype="FLOAT")
    manifest = manifest_of(root)
    (root / "002.wav").write_bytes(b"RIFF" + bytes(100))
    (root / "003.wav").unlink()
    data = (root / "004.wav").read_bytes()
    long_nan = np.frombuffer(data[-400:], dtype=np.float32).copy()
    long_nan[:] = np.nan  # far inside a long file, found when half of it is already encoded
    (root / "004.wav").write_bytes(data[:-400] + long_nan.tobytes())
    manifest = replace(manifest, failures=(Failure("broken.mp3", "no frames"),))
    store = encode_folder(tiny(), manifest, tmp_path / "store", batch_seconds=1.0)
    assert [item.id for item in store.items()] == ["000", "005"]
    lines = (tmp_path / "store" / "failures.jsonl").read_text().splitlines()
    reasons = {entry["path"]: entry["reason"] for entry in map(json.loads, lines)}
    assert set(reasons) == {"broken.mp3", "001.wav", "002.wav", "003.wav", "004.wav"}
    assert "NaN" in reasons["001.wav"] and "NaN" in reasons["004.wav"]
    assert "does not exist" in reasons["003.wav"]
    assert store.description.counts is not None and store.description.counts.failures == 5
    assert store.description.counts.frames["acoustic"] == 40, "nothing of 004 may stay behind"
    for item in store.items():
        expected = single(tiny(), root / item.path)["acoustic"]
        assert torch.equal(store.read(item.id), expected.half().float())


class Picky(TinyCodec):
    """Refuses what is loud, as a codec might refuse what is short."""

    def streams(self, x: Tensor) -> dict[str, Tensor]:
        if x.abs().max() > 2:
            raise RuntimeError("too loud for me")
        streams = super().streams(x)
        return {k: z / 0 if x.abs().max() < 1e-6 else z for k, z in streams.items()}


def test_one_bad_item_of_a_batch_fails_alone(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    write_folder(root, [800, 800, 800, 800])
    soundfile.write(root / "001.wav", 9 * sound(800, 1), RATE, subtype="FLOAT")
    soundfile.write(root / "002.wav", np.zeros(800, np.float32), RATE, subtype="FLOAT")
    codec = Picky(tiny().config).eval()
    store = encode_folder(codec, manifest_of(root), tmp_path / "store")
    assert [item.id for item in store.items()] == ["000", "003"]
    failures = (tmp_path / "store" / "failures.jsonl").read_text()
    assert "too loud for me" in failures and "not finite" in failures


def test_nothing_readable_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    root = tmp_path / "audio"
    manifest = write_folder(root, [800, 900])
    shutil.move(root / "000.wav", tmp_path / "000.wav")
    shutil.move(root / "001.wav", tmp_path / "001.wav")
    with pytest.raises(StoreError, match=r"not one of 2 items.*000\.wav.*does not exist"):
        encode_folder(tiny(), manifest, tmp_path / "store")
    shutil.move(tmp_path / "000.wav", root / "000.wav")
    assert len(encode_folder(tiny(), manifest, tmp_path / "store")) == 1


def test_a_vanished_folder_is_not_a_folder_of_failures(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900])
    shutil.move(tmp_path / "audio", tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="is gone"):
        encode_folder(tiny(), manifest, tmp_path / "store")
    shutil.move(tmp_path / "elsewhere", tmp_path / "audio")
    assert len(encode_folder(tiny(), manifest, tmp_path / "store")) == 2


def test_latents_beyond_float16_are_refused_with_advice(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800])
    codec = tiny()
    with torch.no_grad():
        codec.encoder.weight.mul_(1e8)
    with pytest.raises(StoreError, match="float16 ends at 65504: store float32"):
        encode_folder(codec, manifest, tmp_path / "half")
    store = encode_folder(codec, manifest, tmp_path / "full", storage="float32")
    assert store.read("000").abs().max() > 65504


def test_another_codec_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900])
    encode_folder(tiny(), manifest, tmp_path / "store", name="runs/a")
    before = contents(tmp_path / "store")
    with pytest.raises(StoreError, match=r"latents of runs/a.*runs/b makes") as caught:
        encode_folder(tiny(seed=1), manifest, tmp_path / "store", name="runs/b")
    assert tiny().fingerprint()[:8] in str(caught.value)
    assert contents(tmp_path / "store") == before


def test_a_finetuned_decoder_continues_the_store(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900])
    encode_folder(tiny(), manifest, tmp_path / "store", name="runs/a")
    before = contents(tmp_path / "store")
    codec = tiny()
    with torch.no_grad():
        codec.decoder.weight += 1
    encode_folder(codec, manifest, tmp_path / "store", name="runs/a tuned")
    assert contents(tmp_path / "store") == before


def test_other_settings_or_files_are_refused(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900, 1000])
    encode_folder(tiny(), manifest, tmp_path / "store")
    out = tmp_path / "store"
    with pytest.raises(StoreError, match="storage 'float16', now it is 'float32'"):
        encode_folder(tiny(), manifest, out, storage="float32")
    with pytest.raises(StoreError, match="precision 'fp32', now it is 'bf16'"):
        encode_folder(tiny(), manifest, out, precision="bf16")
    with pytest.raises(StoreError, match="items 3, now it is 2"):
        encode_folder(tiny(), replace(manifest, items=manifest.items[:2]), out)
    with pytest.raises(StoreError, match="shards 1, now it is 3"):
        encode_folder(tiny(), manifest, out, shard_items=1)
    told = tuple(replace(item, caption="new words") for item in manifest.items)
    with pytest.raises(StoreError, match="captions"):
        encode_folder(tiny(), replace(manifest, items=told), out)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800])
    with pytest.raises(StoreError, match=r"holds '000\.wav' and is no latent store"):
        encode_folder(tiny(), manifest, tmp_path / "audio")
    assert sorted(contents(tmp_path / "audio")) == ["000.wav"]


def test_a_full_disk_says_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900, 1000])

    def refuse(self: object, file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("latentone.latents.writer.ShardWriter._write_latents", refuse)
    with pytest.raises(OSError, match=r"No space left.*are kept.*repeat") as caught:
        encode_folder(tiny(), manifest, tmp_path / "store")
    assert caught.value.errno == errno.ENOSPC
    assert sorted(contents(tmp_path / "store")) == ["dataset.json"]


def test_progress_counts_everything_once(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 900, 1000, 800])
    for _ in range(2):  # the second time all is there
        told: list[EncodeProgress] = []
        out = tmp_path / "store"
        encode_folder(tiny(), manifest, out, shard_items=2, on_progress=told.append)
        assert [p.items for p in told] == sorted(p.items for p in told)
        assert told[-1].items == told[-1].total_items == 4
        assert told[-1].seconds == pytest.approx(told[-1].total_seconds)


def test_a_long_file_in_one_piece_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("latentone.latents.items.WHOLE_SECONDS", 2.0)
    manifest = write_folder(tmp_path / "audio", [30_000, 9000])
    with caplog.at_level(logging.WARNING):
        encode_folder(tiny(context=None), manifest, tmp_path / "whole", batch_seconds=1.0)
    assert ["000.wav" in message for message in caplog.messages] == [True]
    caplog.clear()
    encode_folder(tiny(), manifest, tmp_path / "pieces", batch_seconds=1.0)
    assert not caplog.messages


def test_ranks_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_folder(tmp_path / "audio", [800, 400, 1200])
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    codec = counting()
    encode_folder(codec, manifest, tmp_path / "store", shard_items=1)
    assert codec.shapes == [(1, 1, 400), (1, 1, 800), (1, 1, 1200)], "its own shard comes first"
    with pytest.raises(ValueError, match="rank must be in"):
        encode_folder(codec, manifest, tmp_path / "other", rank=2, world=2)


def test_bf16_is_its_own_store(tmp_path: Path) -> None:
    manifest = write_folder(tmp_path / "audio", [8000])
    exact = encode_folder(tiny(), manifest, tmp_path / "fp32").read("000")
    rough = encode_folder(tiny(), manifest, tmp_path / "bf16", precision="bf16").read("000")
    assert not torch.equal(exact, rough)
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.02)
    assert LatentStore.open(tmp_path / "bf16").description.plan.precision == "bf16"
