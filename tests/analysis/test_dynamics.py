"""Level curves: closed forms and scipy's Savitzky-Golay filter."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import savgol_filter

from latentone.analysis import dynamics, level_curve, smooth
from latentone.audio import Audio

RATE = 16000


def sine(amplitude=1.0, seconds=3.0):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    return (amplitude * torch.sin(2 * math.pi * 440 * t)).float()[None]


def test_a_full_scale_sine_is_minus_three_decibels():
    assert dynamics(Audio(sine(), RATE)).db.numpy() == pytest.approx(-3.01, abs=0.02)


def test_the_reference_is_absolute():
    loud, quiet = (dynamics(Audio(sine(a), RATE)).db for a in (0.8, 0.08))
    torch.testing.assert_close(loud - quiet, torch.full_like(loud, 20.0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("count", "width"), [(100, 21), (30, 29), (31, 31), (10, 50), (5, 5)])
def test_smoothing_is_savitzky_golay_of_order_one(count, width):
    curve = torch.randn(2, count, generator=torch.Generator().manual_seed(count)).double()
    legal = min(width, count - 1 + count % 2)
    expected = savgol_filter(curve.numpy(), legal, 1)
    np.testing.assert_allclose(smooth(curve, width).numpy(), expected, atol=1e-12)


def test_levels_are_means_of_squares():
    x = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)).double()
    curve = level_curve(x, 100, 60)
    direct = [x[:, max(0, c - 30) : c + 30].square().mean() for c in range(0, 1000, 100)]
    np.testing.assert_allclose(curve[:10].numpy(), 10 * np.log10(direct), atol=1e-9)
    assert len(curve) == 11


def test_a_crescendo_rises_in_decibels():
    gain = 10 ** (torch.linspace(-40, 0, 3 * RATE) / 20)
    found = dynamics(Audio(sine() * gain, RATE))
    truth = -43.01 + 40 * found.times / 3
    assert float((found.db - truth).abs().max()) < 0.6
    assert found.range_db == pytest.approx(36, abs=1)


def test_it_is_differentiable():
    x = 0.1 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    smooth(level_curve(x, 100, 200), 11).sum().backward()
    assert bool(torch.isfinite(x.grad).all()) and float(x.grad.abs().sum()) > 0


def test_the_curve_follows_the_loudness_of_known_pieces(pieces):
    for known in pieces:
        found = dynamics(known.audio, smoothing_seconds=0)
        rms = 10 * math.log10(float(known.audio.samples.square().mean()))
        assert 10 * math.log10(float((10 ** (found.db / 10)).mean())) == pytest.approx(rms, abs=0.3)


def test_silence_and_short_input():
    assert len(dynamics(Audio(torch.zeros(1, 0), RATE)).db) == 0
    assert dynamics(Audio(torch.zeros(1, 0), RATE)).range_db == 0
    assert dynamics(Audio(torch.ones(1, 1), RATE)).db.tolist() == [0.0]
    assert set(dynamics(Audio(torch.zeros(2, RATE), RATE)).db.tolist()) == {-80.0}
    with pytest.raises(ValueError, match="NaN or infinite"):
        dynamics(Audio(torch.full((1, 9), math.nan), RATE))
