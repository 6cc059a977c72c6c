"""Seams: what a splice does to a wave that goes on, and what it does not."""

import math

import pytest
import torch

from latentone.audio import Audio
from latentone.metrics.structure import flux_at, jump_ratio, seams

RATE = 16000


def wave(seconds=3.0, hz=440.0, phase=0.0):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    return 0.5 * torch.sin(2 * math.pi * hz * t + phase).float()[None]


def noise(seconds=3.0, seed=0):
    return 0.1 * torch.randn(
        1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed)
    )


def test_a_ramp_steps_as_usual_and_a_jump_is_counted_in_steps():
    ramp = torch.arange(4000.0)[None] / 8000
    assert jump_ratio(ramp, 2000, RATE) == pytest.approx(1, abs=1e-3)
    ramp[:, 2000:] += 99 / 8000
    assert jump_ratio(ramp, 2000, RATE) == pytest.approx(100, rel=1e-3)
    assert jump_ratio(ramp, 1000, RATE) == pytest.approx(1, abs=1e-3)
    assert jump_ratio(0.01 * ramp, 2000, RATE) < jump_ratio(ramp, 2000, RATE)
    # Around the ring the ramp falls back by all its steps at once.
    assert jump_ratio(torch.arange(4000.0)[None] / 8000, 0, RATE, circular=True) == pytest.approx(
        3999, rel=1e-3
    )


def test_a_wave_that_goes_on_has_no_seam_and_a_shifted_phase_has():
    x = wave()
    joined = torch.cat([x[:, :24000], wave(phase=math.pi / 2)[:, 24000:]], 1)
    smooth, broken = (seams(Audio(y, RATE), [1.5]) for y in (x, joined))
    # Half a second is a whole number of periods: the wave crosses zero, where it is steepest.
    assert smooth["seam_jump"] < 2 and broken["seam_jump"] > 4
    assert smooth["seam_flux"] < 1.5
    assert smooth["seam_rank"] < 0.9


def test_a_change_of_the_spectrum_is_heard_though_the_wave_goes_on():
    low, high = wave(1.5, 440), wave(1.5, 880)
    joined = Audio(torch.cat([low, high], 1), RATE)
    found = seams(joined, [1.5])
    assert found["seam_jump"] < 3
    assert found["seam_flux"] > 20 and found["seam_rank"] == 1
    assert seams(joined, [0.75])["seam_flux"] < 2


def test_noise_changes_at_a_seam_as_much_as_anywhere():
    ranks = [
        seams(Audio(torch.cat([noise(1, 2 * i), noise(1, 2 * i + 1)], 1), RATE), [1.0])
        for i in range(30)
    ]
    mean = {name: sum(row[name] for row in ranks) / 30 for name in ranks[0]}
    assert mean["seam_rank"] == pytest.approx(0.5, abs=0.15)
    assert mean["seam_flux"] == pytest.approx(1, abs=0.15)
    # The mean of |a - b| of normal numbers over its median: 1.128 / 0.954.
    assert mean["seam_jump"] == pytest.approx(1.183, abs=0.4)


def test_level_and_channels_do_not_matter():
    x = torch.cat([wave(1.5, 440), wave(1.5, 700)], 1)
    one = seams(Audio(x, RATE), [1.5])
    both = seams(Audio(0.25 * x.repeat(2, 1), RATE), [1.5])
    assert both == pytest.approx(one, rel=0.02)


def test_several_seams_are_averaged():
    x = Audio(torch.cat([wave(1.5, 440), wave(1.5, 880)], 1), RATE)
    one, two = seams(x, [1.5]), seams(x, [0.75])
    assert seams(x, [0.75, 1.5]) == pytest.approx({n: (one[n] + two[n]) / 2 for n in one})
    assert seams(x, []) == {}


def test_silence_and_short_sounds():
    silence = Audio(torch.zeros(1, RATE), RATE)
    assert seams(silence, [0.5]) == {"seam_jump": 0}
    assert seams(Audio(wave(0.05), RATE), [0.025]).keys() == {"seam_jump"}
    assert flux_at(wave()[0], 10, RATE) is None
    assert flux_at(wave()[0], 10, RATE, circular=True) is not None


@pytest.mark.parametrize("at", [0.0, -1.0, 3.0, math.nan])
def test_seams_lie_inside(at):
    with pytest.raises(ValueError, match=r"seam must lie in \(0, 3\) seconds"):
        seams(Audio(wave(), RATE), [at])


def test_refusals_say_why():
    for x, index in ((wave(), 0), (wave(), 48000), (torch.zeros(1, 2), 1)):
        with pytest.raises(ValueError, match="index inside of three samples"):
            jump_ratio(x, index, RATE)
    with pytest.raises(ValueError, match="NaN or infinite"):
        seams(Audio(torch.full((1, 100), math.nan), RATE), [0.001])
