"""Maps along time: measured where they should be, at any rate, missing frame by frame."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentone.analysis import chroma
from latentone.audio import Audio
from latentone.conditioning import (
    ChromaConfig,
    ConditionerConfig,
    FrameMap,
    FramesConditioner,
    FramesConfig,
    OnsetConfig,
    frames,
)
from latentone.conditioning.frames import frame_means
from latentone.config import from_dict, to_dict
from latentone.spec import LatentSpec

RATE = 8000
CHROMA, ONSET = ChromaConfig(frame_rate=10.0), OnsetConfig(frame_rate=10.0)
BOTH = pytest.mark.parametrize("config", [CHROMA, ONSET], ids=["chroma", "onset"])


def build(config: FramesConfig) -> FramesConditioner:
    torch.manual_seed(0)
    conditioner = config.build(8)
    for parameter in conditioner.parameters():  # the null begins at zero
        torch.nn.init.normal_(parameter)
    return conditioner.eval()


def values(config: FramesConfig, count: int, seed: int = 0) -> Tensor:
    return torch.rand(config.rows, count, generator=torch.Generator().manual_seed(seed))


def tone(hz: float, seconds: float) -> Tensor:
    t = torch.arange(round(seconds * RATE)) / RATE
    return 0.3 * torch.sin(2 * torch.pi * hz * t)


def clicks(times: list[float], seconds: float) -> Audio:
    x = torch.zeros(1, round(seconds * RATE))
    decay = 0.5 * torch.exp(-torch.arange(400) / 40) * torch.sin(torch.arange(400) * 1.1)
    for time in times:
        x[0, round(time * RATE) :][:400] += decay[: x.shape[1] - round(time * RATE)]
    return Audio(x, RATE)


@BOTH
def test_batch_is_its_items_and_what_is_missing_is_the_null(config: FramesConfig) -> None:
    conditioner = build(config)
    long, short = values(config, 7), values(config, 3, seed=1)
    value, mask = conditioner(conditioner.prepare([long, short, None]))
    assert mask.sum(1).tolist() == [7, 3, 0]
    for i, one in enumerate((long, short)):
        alone = conditioner(conditioner.prepare([one])).value[0]
        torch.testing.assert_close(value[i, :, : one.shape[1]], alone)
        w, b = conditioner.project.weight, conditioner.project.bias
        torch.testing.assert_close(alone, w @ one + b[:, None])
    null = conditioner.null.detach()[:, None]
    assert torch.equal(value[1, :, 3:], null.expand(-1, 4))
    assert torch.equal(value[2], null.expand(-1, 7))


@BOTH
def test_silence_is_not_a_missing_map(config: FramesConfig) -> None:
    conditioner = build(config)
    prepared = conditioner.prepare([torch.zeros(config.rows, 4), None])
    value, mask = conditioner(prepared)
    assert mask[0].all() and not mask[1].any()
    assert not torch.allclose(value[0], value[1])


@BOTH
def test_dropping_equals_missing(config: FramesConfig) -> None:
    conditioner = build(config)
    raw = [values(config, 5), values(config, 5, seed=1)]
    dropped = conditioner(conditioner.drop(conditioner.prepare(raw), torch.tensor([False, True])))
    expected = conditioner(conditioner.prepare([raw[0], None]))
    assert torch.equal(dropped.value, expected.value)
    assert torch.equal(dropped.mask, expected.mask)


@BOTH
def test_spreading_cuts_or_fills_up(config: FramesConfig) -> None:
    conditioner = build(config)
    prepared = conditioner.prepare([values(config, 5)])
    whole = conditioner(prepared).value
    short = conditioner(conditioner.spread(prepared, 3))
    assert torch.equal(short.value, whole[..., :3])
    long, mask = conditioner(conditioner.spread(prepared, 8))
    assert mask[0].tolist() == [True] * 5 + [False] * 3
    assert torch.equal(long[..., :5], whole)
    assert torch.equal(long[0, :, 5:], conditioner.null[:, None].expand(-1, 3))


@BOTH
@pytest.mark.parametrize("missing", [True, False])
def test_every_parameter_takes_part(config: FramesConfig, missing: bool) -> None:
    conditioner = build(config)
    raw = [None, None] if missing else [values(config, 4)] * 2
    prepared = conditioner.spread(conditioner.prepare(raw), 4)
    conditioner(prepared).value.square().sum().backward()
    for name, parameter in conditioner.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@BOTH
def test_configs_survive_json_and_take_the_rate_of_the_latents(config: FramesConfig) -> None:
    assert from_dict(ConditionerConfig, to_dict(config)) == config  # type: ignore[type-abstract]
    spec = LatentSpec(kind="discrete", shape=(1,), vocab=(4,), frame_rate=12.5, fingerprint="")
    open_rate = replace(config, frame_rate=None)
    assert open_rate.fitted(spec).rate == 12.5
    assert open_rate.fitted(spec).stream.frame_rate == 12.5
    with pytest.raises(ValueError, match="is open"):
        open_rate.build(8)
    with pytest.raises(ValueError, match="need"):
        config.fitted(replace(spec, frame_rate=None))


@BOTH
def test_streams_tell_settings_apart(config: FramesConfig) -> None:
    other: dict[str, Any] = (
        {"settings": "music_controlnet"} if config.rows == 12 else {"threshold": 1.0}
    )
    assert config.stream == replace(config).stream
    assert config.stream.fingerprint != replace(config, **other).stream.fingerprint


def test_means_of_a_step_function_are_integrals() -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(3, 9))
    edges = np.sort(rng.uniform(-2, 11, size=6))
    found = frame_means(torch.from_numpy(steps), torch.from_numpy(edges))
    for i, (low, high) in enumerate(pairwise(edges)):
        middles = low + (np.arange(200_000) + 0.5) / 200_000 * (high - low)
        expected = steps[:, np.clip(np.floor(middles), 0, 8).astype(int)].mean(axis=1)
        np.testing.assert_allclose(found[:, i], expected, atol=1e-4)


def test_maps_at_another_rate_are_resampled_and_at_their_own_kept() -> None:
    own = values(CHROMA, 6)
    assert torch.equal(CHROMA.resample(FrameMap(own, 10.0)), own)
    finer = FrameMap(own.repeat_interleave(4, dim=1), 40.0)
    torch.testing.assert_close(CHROMA.resample(finer), own)
    coarser = CHROMA.resample(FrameMap(own, 5.0))
    torch.testing.assert_close(coarser, own.repeat_interleave(2, dim=1))


def test_an_onset_stays_one_at_every_rate() -> None:
    fine = torch.zeros(1, 100)
    fine[0, [0, 37, 38, 99]] = 1  # at 0, 0.37, 0.38 and 0.99 s
    found = ONSET.resample(FrameMap(fine, 100.0))
    assert found.shape == (1, 10)
    assert found[0].nonzero()[:, 0].tolist() == [0, 3, 9]
    coarse = torch.tensor([[0.0, 1.0]])  # the middle of its second frame lies at 0.75 s
    assert ONSET.resample(FrameMap(coarse, 2.0))[0].nonzero()[:, 0].tolist() == [7]


def test_onsets_lie_in_the_frames_in_which_they_sound() -> None:
    times = [0.25, 0.76, 1.14, 1.86]
    found = ONSET.measure(clicks(times, 2.4))
    assert found.shape == (1, 24)
    assert found[0].nonzero()[:, 0].tolist() == [int(10 * time) for time in times]


def test_chroma_follows_the_sound_in_time() -> None:
    config = ChromaConfig(settings="music_controlnet", frame_rate=10.0)
    x = torch.cat([tone(523.25, 1.0), tone(739.99, 1.0)])  # C5, F#5
    found = config.measure(Audio(x[None], RATE))
    assert found.shape == (12, 20)
    assert found.argmax(0).tolist() == [0] * 10 + [6] * 10
    assert found.min() >= 0 and found.max() <= 1
    # What is asked for beyond the end holds the last value.
    longer = config.measure(Audio(x[None], RATE), 22)
    torch.testing.assert_close(longer[:, :20], found, atol=1e-6, rtol=0)


def test_chroma_frames_are_centred_where_analysis_says() -> None:
    """At the rate of the analysis itself, frames half a hop later are means of two neighbours."""
    x = torch.randn(1, 32000 * 2, generator=torch.Generator().manual_seed(0)) * 0.1
    audio = Audio(x, 32000)
    centred = chroma(audio).values
    found = ChromaConfig(frame_rate=32000 / 4096).measure(audio, 10)
    torch.testing.assert_close(found, (centred[:, :10] + centred[:, 1:11]) / 2)


@BOTH
def test_blocks_are_the_whole(config: FramesConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.cat([tone(220 * 2 ** (i % 7 / 7), 0.5) * (1 - i % 2) for i in range(100)])
    audio = Audio((x + 1e-3 * torch.randn(x.shape, generator=rng))[None], RATE)
    whole = config.measure(audio)
    monkeypatch.setattr(frames, "BLOCK_SECONDS", 16)
    pieces = config.measure(audio)
    assert whole.std() > 0.1
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=0)


@BOTH
def test_files_sounds_and_maps_say_the_same(config: FramesConfig, tmp_path: Path) -> None:
    audio = clicks([0.25, 0.71], 1.5)
    audio.save(tmp_path / "clicks.wav")
    measured = config.measure(Audio(audio.samples, RATE))
    conditioner = build(config)
    raw = [tmp_path / "clicks.wav", str(tmp_path / "clicks.wav"), audio, measured]
    prepared = conditioner.prepare([*raw, FrameMap(measured, 10.0)])["values"]
    for one in prepared:
        torch.testing.assert_close(one, measured, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3.5, "expected a sound file"),
        (torch.zeros(11, 4), r"expected \(12, frames\)"),
        (torch.zeros(12), r"expected \(12, frames\)"),
        (FrameMap(torch.zeros(12, 4), 0.0), "positive rate"),
        (torch.full((12, 2), float("nan")), "finite"),
    ],
)
def test_what_is_no_map_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(CHROMA).prepare([raw])


def test_a_missing_file_and_unknown_settings_are_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-song"):
        build(CHROMA).prepare(["no-such-song.wav"])
    with pytest.raises(ValueError, match="known: musicgen, music_controlnet"):
        ChromaConfig(settings="musicgn")
