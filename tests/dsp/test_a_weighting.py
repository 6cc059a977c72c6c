"""A-weighting against the table of IEC 61672 and an analogue filter by scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import freqs_zpk

from latentone.dsp import MultiResolutionSTFT
from latentone.dsp.a_weighting import POLES, a_weighting


@pytest.mark.parametrize(
    ("hertz", "decibels"),
    [(31.5, -39.4), (100, -19.1), (500, -3.2), (1000, 0), (2500, 1.3), (10_000, -2.5)],
)
def test_it_is_the_table_of_the_standard(hertz, decibels):
    exact = 1000 * 10 ** (round(10 * math.log10(hertz / 1000)) / 10)  # nominal names are rounded
    gain = a_weighting(torch.tensor(exact, dtype=torch.float64))
    assert 20 * math.log10(gain) == pytest.approx(decibels, abs=0.051)


def test_it_is_the_analogue_filter():
    hertz = np.geomspace(5, 22_050, 200)
    first, second, third, last = (-2 * np.pi * p for p in POLES)
    poles = [first, first, second, third, last, last]
    response = np.abs(freqs_zpk([0] * 4, poles, 1.0, 2 * np.pi * np.append(hertz, 1000))[1])
    found = a_weighting(torch.tensor(hertz)).numpy()
    np.testing.assert_allclose(found, response[:-1] / response[-1], rtol=1e-10)


def test_nothing_is_heard_at_zero():
    assert a_weighting(torch.zeros(2)).tolist() == [0, 0]


def test_a_weighted_spectra_hardly_hear_the_bass():
    """Against a tone at 3 kHz: the same relative error in the bass counts plainly, not weighted."""
    time = torch.arange(44_100) / 44_100
    bass, high = (0.3 * torch.sin(2 * torch.pi * f * time) for f in (50.0, 3000.0))
    plain, weighted = (
        MultiResolutionSTFT("octaves"),
        MultiResolutionSTFT("octaves", a_weighting_rate=44_100),
    )
    real = bass + high
    ratios = [d(0.5 * bass + high, real) / d(bass + 0.5 * high, real) for d in (plain, weighted)]
    assert ratios[1] < 0.5 * ratios[0]
    assert weighted(real, real) == 0 and not weighted.state_dict().keys() - plain.state_dict()


def test_a_weighting_at_1_khz_changes_nothing_of_convergence():
    """A pure tone there keeps its magnitude: distances differ by leakage alone."""
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(16_000, dtype=torch.float64) / 16_000)
    plain, weighted = (
        MultiResolutionSTFT(a_weighting_rate=rate).double()(0.5 * tone, tone)
        for rate in (None, 16_000)
    )
    assert weighted == pytest.approx(float(plain), rel=0.1)
