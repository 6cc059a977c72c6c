"""Mel scales and filters against an independent implementation and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentone.config import from_dict, load_json, save_json
from latentone.dsp import Mel, MelSpec, hz_to_mel, mel_filterbank, mel_to_hz, stft

SPEC = MelSpec(sample_rate=22050)


def noise(*shape):
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", ["none", "slaney"])
@pytest.mark.parametrize(("rate", "n_fft", "n_mels"), [(22050, 1024, 80), (44100, 2048, 128)])
def test_filters_equal_transformers(scale, norm, rate, n_fft, n_mels):
    audio_utils = pytest.importorskip("transformers.audio_utils")
    spec = MelSpec(
        sample_rate=rate, n_fft=n_fft, n_mels=n_mels, f_min=30, f_max=8000, scale=scale, norm=norm
    )
    theirs = audio_utils.mel_filter_bank(
        n_fft // 2 + 1, n_mels, 30, 8000, rate, None if norm == "none" else norm, scale
    )
    np.testing.assert_allclose(mel_filterbank(spec).numpy(), theirs.T, atol=1e-12)


def test_scales_hit_their_fixed_points():
    hz = torch.tensor([0.0, 1000.0, 6400.0], dtype=torch.float64)
    expected = torch.tensor([0.0, 15.0, 42.0], dtype=torch.float64)
    torch.testing.assert_close(hz_to_mel(hz, "slaney"), expected)
    torch.testing.assert_close(
        hz_to_mel(torch.tensor([700.0], dtype=torch.float64), "htk"),
        torch.tensor([2595 * np.log10(2)], dtype=torch.float64),
    )


@given(st.floats(0, 96_000), st.sampled_from(["htk", "slaney"]))
def test_scales_invert(hz, scale):
    value = torch.tensor(hz, dtype=torch.float64)
    assert mel_to_hz(hz_to_mel(value, scale), scale).item() == pytest.approx(hz, abs=1e-6)


def test_triangles_without_norm_sum_to_one_between_the_outer_centres():
    total = mel_filterbank(replace(SPEC, norm="none", n_mels=40)).sum(0)
    torch.testing.assert_close(total[20:460], torch.ones(440, dtype=torch.float64))


def test_slaney_norm_gives_equal_areas():
    spec = replace(SPEC, n_fft=65536, n_mels=40)
    areas = mel_filterbank(spec).sum(1) * spec.sample_rate / spec.n_fft
    torch.testing.assert_close(areas, torch.ones(40, dtype=torch.float64), rtol=1e-4, atol=0)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("log", ["none", "natural", "log10"])
def test_mel_is_the_filterbank_on_the_spectrum(power, log):
    x = noise(2, 8000).double()
    spec = replace(SPEC, power=power, log=log)
    bands = mel_filterbank(spec) @ stft(x, 1024, 256).abs().pow(power)
    wanted = {
        "none": bands,
        "natural": bands.clamp_min(1e-5).log(),
        "log10": bands.clamp_min(1e-5).log10(),
    }[log]
    module = Mel(spec)
    torch.testing.assert_close(module(x), wanted, rtol=1e-5, atol=1e-5)
    assert module(x).shape[-1] == module.num_frames(8000)


def test_silence_is_the_floor_and_its_gradient_finite():
    x = torch.zeros(1, 4000, requires_grad=True)
    mel = Mel(SPEC)(x)
    torch.testing.assert_close(mel, torch.full_like(mel, float(np.log(1e-5))))
    mel.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_gradient_of_silence_without_log_is_finite(power):
    x = torch.zeros(1, 4000, requires_grad=True)
    Mel(replace(SPEC, power=power, log="none"))(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_autocast_leaves_the_arithmetic_in_fp32():
    x, module = noise(1, 8000), Mel(SPEC)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(module(x), Mel(SPEC)(x))
        inside = module(x)
    assert inside.dtype == torch.float32 and torch.equal(inside, module(x))
    assert module(x.bfloat16()).dtype == torch.float32


def test_a_mismatch_is_refused_with_owners_and_fields_named():
    SPEC.require(replace(SPEC), ours="vocoder", theirs="store")
    with pytest.raises(ValueError, match=r"vocoder.*n_mels=80, log='natural'.*store has n_mels=64"):
        SPEC.require(replace(SPEC, n_mels=64, log="log10"), ours="vocoder", theirs="store")


def test_the_spec_survives_its_file(tmp_path):
    spec = replace(SPEC, f_max=8000.0, scale="htk")
    save_json(spec, tmp_path / "mel.json")
    assert from_dict(MelSpec, load_json(tmp_path / "mel.json")) == spec


@pytest.mark.parametrize(
    "bad", [{"f_max": 12000.0}, {"f_min": -1.0}, {"f_min": 500.0, "f_max": 400.0}, {"n_mels": 0}]
)
def test_impossible_specs_are_refused(bad):
    with pytest.raises(ValueError, match=r"must lie in|must be positive"):
        replace(SPEC, **bad)
