"""Distances against formulas written out in numpy, and what silence, gain and precision do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.dsp import (
    MelSpec,
    MultiResolutionSTFT,
    MultiScaleMel,
    log_spectral_distance,
    mel_filterbank,
    multi_resolution_stft,
    multi_scale_mel,
    si_sdr,
    snr,
)

SPECTRAL = {
    "encodec": lambda x, y: MultiScaleMel(24000, "encodec", reduction="none")(x, y),
    "dac": lambda x, y: MultiScaleMel(24000, "dac", reduction="none")(x, y),
    "auraloss": lambda x, y: MultiResolutionSTFT("auraloss", reduction="none")(x, y),
    "octaves": lambda x, y: MultiResolutionSTFT("octaves", reduction="none")(x, y),
    "lsd": log_spectral_distance,
}


def noise(*shape, seed=0, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(shape, generator=rng, dtype=dtype)


def spectrogram(x, n_fft, hop, win=None, left=None, frames=None, scale=1.0):
    """Magnitudes (frequencies, frames) by one np.fft.rfft for each frame."""
    win = win or n_fft
    window = np.zeros(n_fft)
    start = (n_fft - win) // 2
    window[start : start + win] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(win) / win)
    left = n_fft // 2 if left is None else left
    frames = 1 + len(x) // hop if frames is None else frames
    padded = np.concatenate([np.zeros(left), x, np.zeros(2 * n_fft)])
    pieces = [padded[t * hop : t * hop + n_fft] * window * scale for t in range(frames)]
    return np.abs(np.fft.rfft(pieces, axis=1)).T


def test_encodecs_distance_is_its_formula():
    x, y = noise(5000, seed=1).double(), noise(5000, seed=2).double()
    total = 0.0
    for window in (32, 64, 128, 256, 512, 1024, 2048):
        hop = window // 4
        spec = MelSpec(
            sample_rate=24000, n_fft=window, hop_length=hop, n_mels=64, scale="htk", norm="none"
        )
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
        settings = {
            "left": (window - hop) // 2,
            "frames": -(-5000 // hop),
            "scale": 1 / np.sqrt((hann**2).sum()),
        }
        a, b = (
            mel_filterbank(spec).numpy() @ spectrogram(z.numpy(), window, hop, **settings) ** 2
            for z in (x, y)
        )
        total += np.abs(a - b).mean()
        total += ((np.log10(a + 1e-5) - np.log10(b + 1e-5)) ** 2).mean()
    assert multi_scale_mel(x, y, 24000).item() == pytest.approx(total / 14, rel=1e-4)


def test_dacs_distance_is_its_formula():
    x, y = noise(5000, seed=1).double(), noise(5000, seed=2).double()
    total = 0.0
    windows = (32, 64, 128, 256, 512, 1024, 2048)
    for window, n_mels in zip(windows, (5, 10, 20, 40, 80, 160, 320), strict=True):
        spec = MelSpec(sample_rate=44100, n_fft=window, n_mels=n_mels)
        a, b = (
            mel_filterbank(spec).numpy() @ spectrogram(z.numpy(), window, window // 4)
            for z in (x, y)
        )
        total += np.abs(np.log10(a.clip(1e-5)) - np.log10(b.clip(1e-5))).mean()
    assert multi_scale_mel(x, y, 44100, "dac").item() == pytest.approx(total, rel=1e-4)


def test_multi_resolution_stft_is_its_formula():
    x, y = noise(5000, seed=1).double(), noise(5000, seed=2).double()
    total = 0.0
    for n_fft, hop, win in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        a, b = (spectrogram(z.numpy(), n_fft, hop, win).clip(1e-4) for z in (x, y))
        total += np.linalg.norm(b - a) / np.linalg.norm(b)
        total += np.abs(np.log(b) - np.log(a)).mean()
    assert multi_resolution_stft(x, y).item() == pytest.approx(total / 3, rel=1e-5)


def test_log_spectral_distance_is_its_formula():
    x, y = noise(9000, seed=1).double(), noise(9000, seed=2).double()
    a, b = (
        10 * np.log10(np.clip(spectrogram(z.numpy(), 2048, 512) ** 2, 1e-8, None)) for z in (x, y)
    )
    expected = np.sqrt(((a - b) ** 2).mean(0)).mean()
    assert log_spectral_distance(x, y).item() == pytest.approx(expected, rel=1e-5)
    assert log_spectral_distance(x / 10, x).item() == pytest.approx(20, abs=1e-4)


def test_ratios_have_closed_forms():
    s = noise(1000, seed=1, dtype=torch.float64)
    s = s - s.mean()
    n = noise(1000, seed=2, dtype=torch.float64)
    n = n - n.mean()
    n = n - (n @ s) / (s @ s) * s
    n = n * (s.norm() / n.norm()) / 10
    assert snr(s + n, s).item() == pytest.approx(20, abs=1e-9)
    assert si_sdr(s + n, s).item() == pytest.approx(20, abs=1e-9)
    assert si_sdr(-7 * (s + n) + 3, s + 1).item() == pytest.approx(20, abs=1e-9)
    assert si_sdr(s + n + 3, s, zero_mean=False).item() < 0
    assert snr(s / 2, s).item() == pytest.approx(20 * math.log10(2), abs=1e-9)
    assert snr(s * 0, s).item() == 0


def test_ratios_of_silence_are_defined():
    s, zero, constant = noise(2, 500), torch.zeros(2, 500), torch.full((2, 500), 0.7)
    for ratio, estimate_silent in ((si_sdr, -100), (snr, 0)):
        assert ratio(s, s).tolist() == [100, 100]
        assert ratio(zero, zero).tolist() == [100, 100]
        assert ratio(s, zero).tolist() == [-100, -100]
        assert ratio(zero, s).tolist() == [estimate_silent] * 2
    assert si_sdr(constant, s).tolist() == si_sdr(s, constant).tolist() == [-100, -100]
    # 0.7 leaves rounding when its mean is taken away, 0.3 does not.
    assert si_sdr(constant, constant * 0 + 0.3).tolist() == [100, 100]


@pytest.mark.parametrize("name", SPECTRAL)
def test_spectral_distances_are_zero_for_equal_signals_and_finite_for_silence(name):
    x, zero = noise(2, 1, 3000), torch.zeros(2, 1, 3000)
    distance = SPECTRAL[name]
    assert distance(x, x).tolist() == distance(zero, zero).tolist() == [[0], [0]]
    for pair in ((x, zero), (zero, x)):
        value = distance(*pair)
        assert torch.isfinite(value).all() and (value > 1).all()


@pytest.mark.parametrize("name", SPECTRAL)
def test_batched_equals_single(name):
    x, y = (
        noise(3, 2, 2000, seed=1),
        noise(3, 2, 2000, seed=2) * torch.tensor([1, 0.1, 5])[:, None, None],
    )
    distance = SPECTRAL[name]
    single = torch.stack(
        [torch.stack([distance(x[b, c], y[b, c]) for c in (0, 1)]) for b in range(3)]
    )
    torch.testing.assert_close(distance(x, y), single, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPECTRAL)
@settings(max_examples=8, deadline=None)
@given(length=st.integers(1, 3000))
def test_any_length_is_defined(name, length):
    value = SPECTRAL[name](noise(1, length, seed=1), noise(1, length, seed=2))
    assert torch.isfinite(value).all() and (value >= 0).all()


@pytest.mark.parametrize("name", [*SPECTRAL, "si_sdr", "snr"])
@pytest.mark.parametrize("reference", ["sound", "silence", "itself"])
def test_gradients_are_finite_also_for_silent_estimates(name, reference):
    distance = {**SPECTRAL, "si_sdr": si_sdr, "snr": snr}[name]
    for estimate in (noise(2, 2000), torch.zeros(2, 2000)):
        other = {
            "sound": noise(2, 2000, seed=9),
            "silence": torch.zeros(2, 2000),
            "itself": estimate.clone(),
        }[reference]
        estimate.requires_grad_()
        distance(estimate, other).sum().backward()
        assert torch.isfinite(estimate.grad).all()


@pytest.mark.parametrize("name", SPECTRAL)
def test_descending_the_gradient_approaches_the_reference(name):
    distance, reference = SPECTRAL[name], noise(1, 2000, seed=3)
    estimate = (reference + noise(1, 2000, seed=4)).requires_grad_()
    before = distance(estimate, reference).sum()
    before.backward()
    slope = estimate.grad
    step = 1e-3 * estimate.detach().norm() / slope.norm()
    assert distance(estimate.detach() - step * slope, reference).sum() < before


@pytest.mark.parametrize("name", SPECTRAL)
def test_arithmetic_stays_in_fp32_under_bf16(name):
    x, y = noise(1, 3000, seed=1), noise(1, 3000, seed=2)
    distance = SPECTRAL[name]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = distance(x, y)
    assert value.dtype == torch.float32 and torch.equal(value, distance(x, y))
    rounded = distance(x.bfloat16(), y)
    assert rounded.dtype == torch.float32 and torch.equal(
        rounded, distance(x.bfloat16().float(), y)
    )


def test_zeroed_padding_adds_nothing_but_its_share_of_the_mean():
    x, y = noise(1, 4096, seed=1), noise(1, 4096, seed=2)
    pad = (0, 4096)
    longer = multi_scale_mel(
        torch.nn.functional.pad(x, pad), torch.nn.functional.pad(y, pad), 24000
    )
    assert longer.item() == pytest.approx(multi_scale_mel(x, y, 24000).item() / 2, rel=0.1)


@pytest.mark.parametrize("function", [si_sdr, snr, log_spectral_distance, multi_resolution_stft])
def test_signals_of_two_shapes_are_refused(function):
    with pytest.raises(ValueError, match=r"one shape .* got \(1, 9\) and \(1, 8\)"):
        function(torch.zeros(1, 9), torch.zeros(1, 8))
    with pytest.raises(ValueError, match="preset must be one of"):
        MultiScaleMel(24000, "mp3")
