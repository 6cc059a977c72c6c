"""Loudness in pieces equals loudness at once."""

from __future__ import annotations

import math

import pytest
import torch

from latentone.dsp.loudness import integrated_loudness
from latentone.dsp.loudness_meter import LoudnessMeter


def measure(x: torch.Tensor, rate: int, size: int) -> float:
    meter = LoudnessMeter(rate, len(x))
    for piece in x.split(size, dim=-1):
        meter.add(piece)
    return meter.value


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_pieces_measure_as_the_whole(rate: int, channels: int) -> None:
    rng = torch.Generator().manual_seed(0)
    for seconds in (0.01, 0.2, 0.399, 0.4, 0.5, 3.333):
        x = torch.randn(channels, round(seconds * rate), generator=rng)
        x = x * torch.linspace(0, 0.5, x.shape[-1])  # so that the gates matter
        expected = float(integrated_loudness(x, rate))
        for size in (max(1, x.shape[-1] // 37), rate // 10, 3 * rate):
            assert measure(x, rate, size) == pytest.approx(expected, abs=1e-6)


def test_a_full_scale_tone_and_silence() -> None:
    t = torch.arange(5 * 48_000, dtype=torch.float64) / 48_000
    tone = torch.sin(2 * torch.pi * 997 * t)[None].float()
    assert measure(tone, 48_000, 7001) == pytest.approx(-3.01, abs=0.01)  # BS.1770
    assert measure(torch.zeros(1, 48_000), 48_000, 7001) == -math.inf
    assert LoudnessMeter(48_000, 1).value == -math.inf


def test_other_channels_are_refused() -> None:
    meter = LoudnessMeter(8000, 2)
    with pytest.raises(ValueError, match=r"expected \(2, time\), got \(1, 8\)"):
        meter.add(torch.zeros(1, 8))
