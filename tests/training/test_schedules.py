"""Schedules have closed forms."""

from math import cos, pi, sqrt

import pytest

from latentone.training.schedules import (
    constant,
    cosine,
    exponential,
    inverse_power,
    inverse_sqrt,
    linear,
    log_ramp,
    warmup_steps,
)


def test_a_warm_up_is_a_share_or_a_count():
    assert warmup_steps(0.1, 1000) == 100 and warmup_steps(50, 1000) == 50
    assert warmup_steps(0, 1000) == 0
    with pytest.raises(ValueError, match="warmup"):
        warmup_steps(-1, 10)


def test_constant_rises_linearly_and_stays():
    factor = constant(warmup=4)
    assert [factor(step, 100) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert constant()(0, 10) == 1


def test_cosine_passes_its_landmarks():
    factor = cosine(warmup=10, floor=0.1)
    assert factor(4, 110) == pytest.approx(0.5) and factor(9, 110) == 1
    assert factor(10, 110) == pytest.approx(1)
    assert factor(60, 110) == pytest.approx(0.55)
    assert factor(35, 110) == pytest.approx(0.1 + 0.9 * (1 + cos(pi / 4)) / 2)
    assert factor(110, 110) == pytest.approx(0.1) and factor(500, 110) == pytest.approx(0.1)


def test_cosine_scales_with_the_total():
    factor = cosine(warmup=0.2)
    short = [factor(step, 50) for step in range(10, 50)]
    long = [factor(step, 500) for step in range(100, 500, 10)]
    assert short == pytest.approx(long)


def test_exponential_decays_by_its_factor():
    factor = exponential(decay=0.9)
    assert factor(0, 5) == 1 and factor(3, 5) == pytest.approx(0.729)


def test_inverse_sqrt_peaks_at_the_end_of_the_warm_up():
    factor = inverse_sqrt(warmup=100)
    values = [factor(step, 10_000) for step in range(1000)]
    assert max(values) == values[99] == 1
    assert values[49] == pytest.approx(0.5) and values[399] == pytest.approx(sqrt(100 / 400))


def test_linear_falls_to_a_tenth_and_stays():
    factor = linear(fall=0.5)
    assert [factor(step, 100) for step in (0, 25, 50, 99)] == pytest.approx([1, 0.55, 0.1, 0.1])
    counted = linear(fall=1000, floor=0.2, warmup=10)
    assert counted(4, 10**6) == 0.5 and counted(10, 10**6) == 1
    assert counted(505, 10**6) == pytest.approx(0.6) and counted(5000, 10**6) == pytest.approx(0.2)


def test_inverse_power_is_its_closed_form():
    factor = inverse_power()
    assert factor(0, 1) == pytest.approx(0.001, rel=1e-4)
    assert factor(692, 1) == pytest.approx(0.5 / sqrt(1 + 692 / 200_000), rel=1e-3)
    assert factor(200_000, 1) == pytest.approx(sqrt(0.5))
    assert inverse_power(inv_gamma=10, power=1.0, warmup=0)(30, 1) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="inv_gamma"):
        inverse_power(warmup=1.0)


def test_a_logarithmic_ramp_has_equal_factors():
    value = log_ramp(1e-6, 5e-2, 20_000)
    assert value(0, 10**6) == pytest.approx(1e-6)
    assert value(10_000, 10**6) == pytest.approx(sqrt(1e-6 * 5e-2))
    assert value(20_000, 10**6) == value(10**6, 10**6) == 5e-2
    assert log_ramp(1.0, 4.0, 0.5)(25, 100) == pytest.approx(2)
    assert log_ramp(1.0, 4.0, 0)(0, 100) == 4
    with pytest.raises(ValueError, match="positive ends"):
        log_ramp(0.0, 1.0, 10)
