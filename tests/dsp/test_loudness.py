"""Loudness against pyloudnorm, the recommendation's numbers and closed forms."""

import math

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.dsp import Loudness, integrated_loudness
from latentone.dsp.loudness import k_weight


def sine(hz, rate=48000, seconds=5.0):
    return torch.sin(
        2 * torch.pi * hz * torch.arange(int(seconds * rate), dtype=torch.float64) / rate
    )


def test_a_full_scale_sine_measures_minus_three():
    assert integrated_loudness(sine(997)[None], 48000).item() == pytest.approx(-3.01, abs=0.005)
    assert integrated_loudness(sine(997).expand(2, -1), 48000).item() == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_equals_pyloudnorm_with_both_gates_at_work(rate, channels):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    rng = np.random.default_rng(rate)
    # A fade through both gates, so that a decibel more or less of either counts other blocks.
    levels = np.logspace(-1, -5, 4 * rate)[:, None]
    x = rng.standard_normal((4 * rate, channels)) * levels
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    theirs = meter.integrated_loudness(x)
    blocks = np.array(meter.blockwise_loudness)
    assert (blocks < -70).any() and ((blocks > -70) & (blocks < theirs - 10)).any()
    ours = integrated_loudness(torch.from_numpy(x.T.copy()), rate).item()
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_the_filters_are_those_of_the_recommendation():
    # The coefficients of BS.1770-4, tables 1 and 2, for 48 kHz.
    shelf = (
        [1.53512485958697, -2.69169618940638, 1.19839281085285],
        [1.0, -1.69065929318241, 0.73248077421585],
    )
    high_pass = ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621])
    x = np.random.default_rng(0).standard_normal((2, 30_000))
    expected = scipy.signal.lfilter(*high_pass, scipy.signal.lfilter(*shelf, x))
    ours = k_weight(torch.from_numpy(x), 48000).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_filtering_in_pieces_equals_filtering_at_once(monkeypatch):
    x = torch.randn(1, 50_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = k_weight(x, 8000)
    monkeypatch.setattr("latentone.dsp.loudness.CHUNK", 7000)
    torch.testing.assert_close(k_weight(x, 8000), whole, atol=1e-12, rtol=0)


def test_surround_channels_weigh_more_and_beyond_five_weights_are_asked_for():
    x = torch.zeros(5, 48000, dtype=torch.float64)
    x[0] = sine(997, seconds=1.0)
    front = integrated_loudness(x, 48000).item()
    side = integrated_loudness(x.roll(3, 0), 48000).item()
    assert side - front == pytest.approx(10 * math.log10(1.41), abs=1e-9)
    six = torch.cat([x, x[:1]])
    with pytest.raises(ValueError, match="expected weights for 6 channels"):
        integrated_loudness(six, 48000)
    assert integrated_loudness(six, 48000, [1, 1, 1, 0, 1, 1]).item() == pytest.approx(
        front + 10 * math.log10(2), abs=1e-9
    )


def test_silence_and_what_is_below_the_gate_is_minus_infinity():
    x = torch.stack([torch.zeros(1, 48000), torch.full((1, 48000), 1e-5), torch.rand(1, 48000)])
    measured = integrated_loudness(x, 48000)
    assert measured[:2].tolist() == [-math.inf, -math.inf] and torch.isfinite(measured[2])


def test_short_sound_counts_as_followed_by_silence():
    short = sine(997, seconds=0.1)[None]
    padded = torch.nn.functional.pad(short, (0, int(0.3 * 48000)))
    assert torch.equal(integrated_loudness(short, 48000), integrated_loudness(padded, 48000))
    assert torch.isfinite(integrated_loudness(torch.ones(1, 1), 48000))


def test_an_incomplete_last_block_does_not_count():
    x = sine(997, seconds=1.0)[None]
    longer = torch.cat([x, torch.zeros(1, 4799, dtype=torch.float64)], 1)
    assert torch.equal(integrated_loudness(x, 48000), integrated_loudness(longer, 48000))


@settings(max_examples=20, deadline=None)
@given(gain_db=st.floats(-20, 20), seed=st.integers(0, 99))
def test_gain_adds_to_loudness(gain_db, seed):
    x = 0.1 * torch.randn(2, 6000, generator=torch.Generator().manual_seed(seed)).double()
    base, louder = (integrated_loudness(y, 8000).item() for y in (x, x * 10 ** (gain_db / 20)))
    assert louder - base == pytest.approx(gain_db, abs=1e-9)


def test_batched_equals_single_and_is_differentiable():
    x = torch.randn(3, 2, 8000, generator=torch.Generator().manual_seed(0))
    module = Loudness(8000)
    assert torch.allclose(module(x), torch.stack([module(y) for y in x]), atol=1e-10)
    x.requires_grad_()
    module(x).sum().backward()
    # d/dg of loudness(g x) at g = 1 is 20 / ln 10, by the gradient of each sample.
    slopes = (x.grad * x).sum((1, 2))
    torch.testing.assert_close(slopes, torch.full((3,), 20 / math.log(10)), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("x", "rate"), [(torch.zeros(9), 48000), (torch.zeros(1, 0), 48000)])
def test_other_shapes_are_refused(x, rate):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., channels, time > 0\)"):
        integrated_loudness(x, rate)
    with pytest.raises(ValueError, match="4000 Hz or more"):
        integrated_loudness(torch.zeros(1, 9), 2000)
