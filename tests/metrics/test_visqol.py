"""ViSQOL: worse sounds score lower, where its package is installed."""

import math
import sys
from types import SimpleNamespace

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics import visqol

RATE = 24000


def music(seconds=3.0):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    x = torch.zeros_like(t)
    for n, pitch in enumerate((57, 61, 64, 69, 64, 61)):
        after = t - 0.5 * n
        hz = 440 * 2 ** ((pitch - 69) / 12)
        gate = (after > 0) * torch.exp(-3 * after.clamp_min(0))
        for k in range(1, 12):
            x += 0.1 * gate * torch.sin(2 * math.pi * k * hz * t) / k
    return Audio(x.float()[None].repeat(2, 1), RATE)


@pytest.mark.slow  # numba, where it is installed, compiles for some seconds
def test_identical_is_best_and_more_noise_is_worse():
    pytest.importorskip("visqol", reason="needs latentone[visqol]")
    # Tones with digital silence between them are another matter: see the docstring.
    full = 0.1 * torch.randn(2, 4 * RATE, generator=torch.Generator().manual_seed(1))
    full = full.cumsum(1)
    full = 0.05 * (full - full.roll(200, 1))
    x = Audio(music(4).samples + full, RATE)
    noise = torch.randn(x.samples.shape, generator=torch.Generator().manual_seed(0))
    scores = [visqol(x, Audio(x.samples + level * noise, RATE)) for level in (0, 0.003, 0.03, 0.3)]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 4
    assert scores[0] == pytest.approx(4.732, abs=0.01) and 1 <= scores[-1] < 2.5
    # Neither rate nor channels matter, nor the level.
    assert visqol(x, Audio(0.5 * x.to_mono().samples, RATE).resample(48000)) > 4.6


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (Audio(torch.ones(1, 100), RATE), Audio(torch.ones(1, 100), RATE), "needs 1 s or more"),
        (music(2), music(3), "cut both to what they share"),
        (Audio(torch.zeros(1, 2 * RATE), RATE), music(2), "the reference is silent"),
        (music(2), Audio(torch.zeros(1, 2 * RATE), RATE), "the estimate is silent"),
        (music(2), Audio(torch.full((1, 2 * RATE), math.nan), RATE), "the estimate has NaN"),
    ],
)
def test_what_cannot_be_judged_is_refused(reference, estimate, message):
    pytest.importorskip("visqol", reason="needs latentone[visqol]")
    with pytest.raises(ValueError, match=message):
        visqol(reference, estimate)


def test_without_its_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "visqol", None)
    with pytest.raises(ImportError, match=r"pip install 'latentone\[visqol\]'"):
        visqol(music(1), music(1))


def test_it_leaves_the_threads_as_they_were(monkeypatch):
    class Greedy:
        def measure_from_arrays(self, *_):
            torch.set_num_threads(torch.get_num_threads() + 1)  # as numba's pool does
            return SimpleNamespace(moslqo=4.0)

    monkeypatch.setattr(sys.modules["latentone.metrics.visqol"], "_api", Greedy)
    before = torch.get_num_threads()
    assert visqol(music(2), music(2)) == 4.0 and torch.get_num_threads() == before
