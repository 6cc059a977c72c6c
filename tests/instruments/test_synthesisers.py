"""Every synthesiser: pitch, level, edges, band limits, repeatability."""

import numpy as np
import pytest
from scipy.signal.windows import blackmanharris

from latentone.instruments import frequency, instrument
from latentone.instruments.envelope import Envelope
from latentone.instruments.fm import FM, FMPair, largest_index
from latentone.instruments.modal import Bar, Piano, damped_partials
from latentone.instruments.plucked import Plucked, loop_filter
from latentone.instruments.subtractive import Subtractive
from latentone.instruments.wavetable import build_table, read_table
from latentone.symbolic.general_midi import FAMILIES, PROGRAMS, family

RATE = 24000


def play(program, pitch, seconds=0.6, velocity=0.8, seed=0, rate=RATE):
    return instrument(program).render(
        frequency(pitch), seconds, velocity, rate, np.random.default_rng(seed)
    )


def cents_off(x, hertz, rate):
    """Distance of the spectral peak near `hertz` from it, by parabolic interpolation."""
    size = 16 * rate
    spectrum = np.abs(np.fft.rfft(x * np.blackman(x.size), size))
    bins = np.arange(spectrum.size) * rate / size
    near = np.where((bins > hertz / 1.04) & (bins < hertz * 1.04), spectrum, 0)
    k = int(np.argmax(near))
    a, b, c = np.log(spectrum[k - 1 : k + 2] + 1e-30)
    return 1200 * np.log2((k + 0.5 * (a - c) / (a - 2 * b + c)) * rate / size / hertz)


# One program of each distinct synthesiser.
DISTINCT = list({instrument(p): p for p in reversed(range(128))}.values())


@pytest.mark.parametrize("program", DISTINCT)
def test_pitch_is_right_over_four_octaves(program):
    voice = instrument(program)
    # Free detuned oscillators beat: the peak wanders between the outer two.
    spread = voice.detune_cents if isinstance(voice, Subtractive) and voice.voices > 1 else 0.0
    for pitch in (36, 50, 64, 79, 84):
        x = play(program, pitch, seconds=1.0)[:RATE]
        assert abs(cents_off(x, frequency(pitch), RATE)) < 2.0 + 1.4 * spread, pitch


@pytest.mark.parametrize("program", DISTINCT)
@pytest.mark.parametrize("pitch", [28, 60, 96, 108])
def test_level_and_edges(program, pitch):
    x = play(program, pitch)
    assert np.isfinite(x).all() and x.dtype == np.float32
    rms = np.sqrt(np.mean(x[: RATE // 2] ** 2))
    assert 0.005 < rms < 0.6 and np.abs(x).max() < 2.0
    # No click: the first and last half millisecond lie far below the peak.
    edge = RATE // 2000
    assert np.abs(x[:2]).max() < 0.15 * np.abs(x).max()
    assert np.abs(x[-edge:]).max() < 0.02 * np.abs(x).max()
    assert abs(x.mean()) < 0.02 * np.abs(x).max()


@pytest.mark.parametrize("program", DISTINCT[::3])
def test_a_note_is_a_function_of_its_arguments(program):
    assert np.array_equal(play(program, 60), play(program, 60))


@pytest.mark.parametrize("program", DISTINCT)
def test_louder_strokes_are_louder(program):
    soft, loud = (np.mean(play(program, 60, velocity=v) ** 2) for v in (0.3, 1.0))
    assert loud > 3 * soft


def inharmonic_db(x, hertz, rate):
    """Energy away from the harmonics of `hertz`, in dB of the whole."""
    x = x * blackmanharris(x.size)  # side lobes at -92 dB
    power = np.abs(np.fft.rfft(x)) ** 2
    bins = np.arange(power.size) * rate / x.size
    distance = np.abs(bins / hertz - np.round(bins / hertz)) * hertz
    away = (distance > 8 * rate / x.size) & (bins > 30)
    return 10 * np.log10(power[away].sum() / power.sum())


@pytest.mark.parametrize("shape", ["saw", "square", "pulse", "triangle"])
@pytest.mark.parametrize("pitch", [60, 84, 100, 108])
def test_waves_do_not_alias(shape, pitch):
    flat = Envelope(attack=0.05, decay=1, sustain=1.0, release=0.05)
    voice = Subtractive(shape=shape, envelope=flat, cutoff=1000, sweep=0, resonance=0)
    # An odd frequency: an alias never falls on a harmonic.
    hertz = frequency(pitch) * 1.00713
    x = voice.render(hertz, 1.2, 1.0, RATE, np.random.default_rng(0))[2000 : RATE + 2000]
    assert inharmonic_db(x, hertz, RATE) < -75


def test_a_naive_saw_would_fail_that_test():
    hertz = frequency(84) * 1.00713
    t = np.arange(RATE) / RATE
    assert inharmonic_db(2 * (hertz * t % 1) - 1, hertz, RATE) > -25


@pytest.mark.parametrize("pitch", [72, 84, 96, 108])
def test_fm_does_not_alias(pitch):
    flat = Envelope(attack=0.05, decay=1, sustain=1.0, release=0.05)
    voice = FM(pairs=(FMPair(index=9.0, index_rest=1.0),), envelope=flat)
    hertz = frequency(pitch) * 1.00713
    x = voice.render(hertz, 1.2, 1.0, RATE, np.random.default_rng(0))[2000 : RATE + 2000]
    assert inharmonic_db(x, hertz, RATE) < -70


def test_the_bound_on_the_index_is_tight():
    from scipy.special import jv

    for order in (2, 5, 12, 40):
        index = largest_index(order)
        assert np.all(np.abs(jv(np.arange(order, order + 60), index)) <= 1.001e-4)
        assert jv(order, 1.05 * index) > 1e-4


def test_saw_harmonics_fall_as_one_over_n():
    table, cutoffs = build_table(100.0, RATE, lambda n: 1.0 / n)
    period = read_table(table, cutoffs, np.arange(2400) * 10 / 2400, float(cutoffs[-1]) * 10)
    level = np.abs(np.fft.rfft(period))[10::10][:40]
    w = np.arange(1, 41) * 100 / cutoffs[-1]
    expected = 1 / np.arange(1, 41) / np.sqrt((1 - w**2) ** 2 + 2 * w**2)
    assert np.allclose(level / level[0], expected / expected[0], rtol=0.01)


def test_a_string_rings_as_long_as_it_says():
    rng = np.random.default_rng(0)
    for pitch in (40, 57, 76):
        voice = Plucked(ring=2.0, damping=0.3)
        x = voice.render(frequency(pitch), 2.0, 0.8, RATE, rng)
        hertz = frequency(pitch)
        expected = 2.0 * (220 / hertz) ** 0.5
        t = np.arange(x.size) / RATE
        tone = x * np.exp(-2j * np.pi * hertz * t)
        n = RATE // 4
        first, later = (abs(np.mean(tone[s : s + n] * np.hanning(n))) for s in (2400, 2400 + RATE))
        assert 20 * np.log10(first / later) == pytest.approx(60 / expected, rel=0.06)


@pytest.mark.parametrize("hertz", [41.2, 110, 440, 1046.5, 1700])
@pytest.mark.parametrize("damping", [0.0, 0.25, 0.5])
def test_the_loop_is_stable_and_in_tune(hertz, damping):
    delay, taps = loop_filter(hertz, RATE, 3.0, damping)
    w = np.linspace(0, np.pi, 4001)
    gain = np.abs(np.exp(-1j * np.outer(w, np.arange(6))) @ taps)
    assert gain.max() < 1.0
    turn = 2 * np.pi * hertz / RATE
    loop = np.sum(taps * np.exp(-1j * turn * (delay + np.arange(6))))
    assert abs(np.angle(loop)) < 1e-6


def test_damped_partials_equal_the_sum():
    rng = np.random.default_rng(0)
    f, d, a, p = rng.uniform(50, 9000, 20), rng.uniform(0.1, 3, 20), rng.random(20), rng.random(20)
    t = np.arange(5000)[:, None] / RATE
    direct = (a * 10 ** (-3 * t / d) * np.sin(2 * np.pi * f * t + p)).sum(1)
    assert np.allclose(damped_partials(f, d, a, 5000, RATE, p), direct, atol=2e-5)


def test_partials_beyond_the_band_are_left_out():
    silent = damped_partials(np.array([13000.0]), np.array([1.0]), np.array([1.0]), 100, RATE)
    assert not silent.any()


def test_piano_partials_are_stretched():
    x = Piano().render(110.0, 2.0, 1.0, RATE, np.random.default_rng(0))[: 2 * RATE]
    stiffness = 1e-4 * (110 / 220) ** 1.2
    for k in (4, 7, 12):
        expected = k * 110 * np.sqrt((1 + stiffness * k**2) / (1 + stiffness))
        assert abs(cents_off(x, expected, RATE)) < 1.0


def test_bars_ring_at_their_ratios():
    x = Bar(ratios=(1, 2.756), levels=(1, 0.5), ring=3).render(
        440.0, 1.0, 1.0, RATE, np.random.default_rng(0)
    )
    assert abs(cents_off(x, 440 * 2.756, RATE)) < 1.0


@pytest.mark.parametrize("seconds", [0.0005, 0.003, 0.05, 1.0])
def test_envelopes_have_no_jumps(seconds):
    gate = Envelope(attack=0.02, decay=0.3, sustain=0.5, release=0.1).render(seconds, RATE)
    assert gate[0] == 0.0 and gate[-1] == pytest.approx(0.0, abs=1e-6)
    assert np.abs(np.diff(gate)).max() < 0.02
    assert gate.min() >= 0 and gate.max() <= 1


def test_general_midi_is_whole():
    assert len(PROGRAMS) == len(set(PROGRAMS)) == 128 and len(FAMILIES) == 16
    assert (PROGRAMS[0], PROGRAMS[40], PROGRAMS[56], PROGRAMS[73]) == (
        "acoustic piano", "violin", "trumpet", "flute",
    )  # fmt: skip
    assert (PROGRAMS[33], family(33), family(73)) == ("fingered bass", "bass", "flute")
    assert PROGRAMS[114] == "steel drums" and PROGRAMS[127] == "gunshot"
    with pytest.raises(ValueError, match="0 to 127"):
        instrument(128)
