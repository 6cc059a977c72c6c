import math

import pytest
import torch

from latentone.dsp.transients import transients

RATE = 16_000


def parts():
    time = torch.arange(2 * RATE) / RATE
    tone = 0.3 * torch.sin(2 * math.pi * 440 * time)
    clicks = torch.zeros(2 * RATE)
    clicks[4000::6000] = 1.0
    return tone, clicks


def energy(x):
    return float(x.square().sum())


def test_clicks_are_transient_and_tones_are_not():
    tone, clicks = parts()
    inside = slice(RATE // 2, -RATE // 2)  # a tone that begins at once begins with a transient
    assert energy(transients(tone, RATE)[inside]) < 1e-4 * energy(tone[inside])
    found = transients(tone + clicks, RATE)
    assert energy((found - clicks)[inside]) < 0.15 * energy(clicks[inside])


def test_noise_is_neither_and_channels_do_not_mix():
    torch.manual_seed(0)
    noise = 0.1 * torch.randn(2 * RATE)
    assert energy(transients(noise, RATE)) < 0.1 * energy(noise)
    tone, clicks = parts()
    both = transients(torch.stack([tone, clicks]), RATE)
    torch.testing.assert_close(both[1], transients(clicks, RATE))


@pytest.mark.parametrize("length", [1, 100, 5000])
def test_any_length_and_silence(length):
    assert transients(torch.zeros(1, length), RATE).abs().max() == 0
    assert transients(torch.randn(2, length), RATE).shape == (2, length)
