"""Instantaneous frequency against numpy's unwrapping and closed forms; its inverse is exact."""

import math

import numpy as np
import pytest
import torch

from latentone.dsp.instantaneous import (
    from_instantaneous,
    instantaneous_frequency,
    integrate_frequency,
    to_instantaneous,
)
from latentone.dsp.stft import STFT


def noise(*shape, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def test_it_is_the_difference_of_numpys_unwrapped_phase():
    phase = STFT(128, 32)(noise(4000, dtype=torch.float64)).angle()
    unwrapped = np.unwrap(phase.numpy(), axis=-1)
    expected = np.diff(unwrapped, axis=-1) / math.pi
    ours = instantaneous_frequency(phase)
    # half a turn is as far one way as the other: compare directions
    turn = np.exp(1j * math.pi * ours[:, 1:].numpy()) - np.exp(1j * math.pi * expected)
    assert np.abs(turn).max() < 1e-9
    inside = np.abs(expected) < 0.999
    np.testing.assert_allclose(ours[:, 1:].numpy()[inside], expected[inside], atol=1e-9)
    first = ours[1:-1, 0]  # the outermost bins are real: half a turn or none
    torch.testing.assert_close(first, phase[1:-1, 0] / math.pi)
    assert set(ours[[0, -1], 0].tolist()) <= {-1.0, 0.0}


@pytest.mark.parametrize("hertz", [440.0, 1000.0, 2718.28])
def test_of_a_steady_tone_it_is_a_constant_that_tells_the_pitch(hertz):
    rate, n_fft, hop = 16_000, 1024, 256
    time = torch.arange(rate, dtype=torch.float64) / rate
    spectra = STFT(n_fft, hop, padding="none")(torch.cos(2 * math.pi * hertz * time))
    nearest = round(hertz * n_fft / rate)
    _, frequency = to_instantaneous(spectra)
    turns = 2 * hertz * hop / rate  # half turns from frame to frame
    expected = torch.full((spectra.shape[-1] - 1,), turns - 2 * math.floor((turns + 1) / 2))
    found = frequency[nearest, 1:]
    torch.testing.assert_close(found, expected.double(), atol=1e-4, rtol=0)


def test_phases_come_back_over_an_hour_of_frames():
    turns = 0.7137 * torch.arange(230_000, dtype=torch.float64)  # they add up to 164,000
    phase = (math.pi * (turns - 2 * torch.floor((turns + 1) / 2))).float()
    back = integrate_frequency(instantaneous_frequency(phase))
    error = torch.polar(torch.ones_like(phase), phase) - torch.polar(torch.ones_like(back), back)
    assert error.abs().max() < 5e-3
    assert (back >= -math.pi).all() and (back <= math.pi).all()


@pytest.mark.parametrize("loudness", [1.0, 1e-3, 0.0])
def test_sound_comes_back(loudness):
    stft, x = STFT(256, 64), loudness * noise(2, 3000)
    y = stft.inverse(from_instantaneous(*to_instantaneous(stft(x))), 3000)
    torch.testing.assert_close(y, x, atol=2e-6, rtol=0)


def test_silence_is_the_floor():
    log_magnitude, frequency = to_instantaneous(torch.zeros(5, 4, dtype=torch.complex64), 1e-4)
    torch.testing.assert_close(log_magnitude, torch.full((5, 4), math.log(1e-4)))
    assert not frequency.any()
