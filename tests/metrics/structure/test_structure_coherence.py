"""Coherence: sounds that stay, drift and repeat as constructed, and sets beside scipy."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch

from latentone.audio import Audio
from latentone.metrics.structure import (
    COHERENCE,
    coherence,
    compare_coherence,
    key_drift,
    tempo_drift,
)
from latentone.metrics.structure.drift import windows

RATE = 11025


def chord(midi, seconds):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    parts = [torch.sin(2 * math.pi * 440 * 2 ** ((m - 69) / 12) * t) for m in midi]
    fade = (20 * t).clamp(max=1) * (20 * (seconds - t)).clamp(0, 1)
    return (0.1 * fade * torch.stack(parts).sum(0)).float()


def cadences(tonic, count):
    """I, IV, V, I in a major key, two seconds each time round."""
    steps = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
    return [chord([60 + tonic + s for s in step], 0.5) for _ in range(count) for step in steps]


def clicks(bpm, seconds):
    x = torch.zeros(round(seconds * RATE))
    t = torch.arange(RATE // 10) / RATE
    for beat in np.arange(0.05, seconds - 0.2, 60 / bpm):
        n = round(beat * RATE)
        x[n : n + len(t)] += 0.4 * torch.sin(2 * math.pi * 1500 * t) * torch.exp(-40 * t)
    return x


def sound(*parts):
    return Audio(torch.cat(parts)[None], RATE)


@pytest.mark.parametrize("duration", [3.0, 8.0, 8.1, 12.0, 31.7])
def test_windows_reach_from_end_to_end(duration):
    found = windows(duration)
    assert found[0][0] == 0 and found[-1][1] == pytest.approx(duration)
    if duration <= 8:
        assert found == [(0.0, duration)]
    for (a, b), (c, d) in pairwise(found):
        assert b - a == pytest.approx(8) and d - c == pytest.approx(8)
        assert 0 < c - a <= 4 + 1e-9


def test_a_key_that_stays_and_keys_that_change():
    steady = key_drift(sound(*cadences(0, 12)))
    assert steady["key_drift"] == 0 and steady["chroma_drift"] < 0.01
    # C major for sixteen seconds, then F sharp major for eight: the whole is in C.
    moved = key_drift(sound(*cadences(0, 8), *cadences(6, 4)))
    assert 0.3 < moved["key_drift"] < 0.7
    assert moved["chroma_drift"] > 0.05
    near = key_drift(sound(*cadences(0, 8), *cadences(7, 4)))
    assert steady["chroma_drift"] < near["chroma_drift"] < moved["chroma_drift"]


def test_a_tempo_that_stays_and_tempi_that_change():
    assert tempo_drift(sound(clicks(100, 24)))["tempo_drift"] < 0.5
    # Half of the windows 5 % up, half of them 5 % down, on a logarithmic scale.
    found = tempo_drift(sound(clicks(100, 16), clicks(110.25, 16)))["tempo_drift"]
    assert 3.5 < found < 6.5
    # Double time is the same pulse, counted otherwise.
    doubled = tempo_drift(sound(clicks(70, 16), clicks(140, 16)))["tempo_drift"]
    assert doubled < 2.5


def test_what_comes_back_after_four_seconds():
    rng = np.random.default_rng(0)
    phrase = [chord(60 + rng.permutation(12)[:3], 0.5) for _ in range(8)]
    found = coherence(sound(*(phrase * 5)))
    assert found["repetition_seconds"] == pytest.approx(4, abs=0.1)
    assert found["repetition_strength"] > 0.5
    if "repetition_beats" in found:
        ratio = found["repetition_beats"] / found["repetition_seconds"]
        assert 40 <= 60 * ratio <= 240
    # The same chords without an order come back nowhere as clearly.
    loose = [phrase[i] for i in rng.integers(0, 8, 40)]
    assert coherence(sound(*loose)).get("repetition_strength", 0) < found["repetition_strength"]


def test_self_similarity_of_one_chord_and_of_many():
    one = coherence(sound(*[chord([60, 64, 67], 0.5)] * 40))["self_similarity"]
    half = coherence(sound(*[chord([60], 0.5)] * 20, *[chord([66], 0.5)] * 20))["self_similarity"]
    assert one > 0.99
    # Of all pairs of forty frames 2 * 190 / 780 are alike, the others not.
    assert half == pytest.approx(380 / 780, abs=0.06)


def test_seams_are_measured_where_they_are_told():
    x = sound(*cadences(0, 6), *cadences(6, 6))
    found = coherence(x, seams_at=[12.0])
    assert list(found) == [name for name in COHERENCE if name in found]
    assert {"seam_jump", "seam_flux", "seam_rank"} <= found.keys()
    assert not any(name.startswith("seam") for name in coherence(x))
    assert all(math.isfinite(value) for value in found.values())


@pytest.mark.parametrize("count", [0, 1, RATE // 2, 20 * RATE])
def test_silence_and_short_sounds_have_no_answers(count):
    assert coherence(Audio(torch.zeros(1, count), RATE)) == {}


def test_samples_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinite"):
        coherence(Audio(torch.full((1, RATE), math.inf), RATE))


def rows(values):
    return [{"x": float(v)} for v in values]


def test_sets_are_compared_as_scipy_does_and_by_closed_forms():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 2, 300), rng.normal(1, 2, 200)
    found = compare_coherence(rows(a), rows(b))["x"]
    quantiles = (np.arange(60000) + 0.5) / 60000
    by_hand = np.abs(
        np.sort(a)[(quantiles * 300).astype(int)] - np.sort(b)[(quantiles * 200).astype(int)]
    ).mean()
    assert found.distance == pytest.approx(by_hand / a.std(), rel=1e-6)
    assert found.p_value == scipy.stats.ks_2samp(a, b).pvalue < 1e-3
    assert found.reference_mean == pytest.approx(a.mean())
    assert found.items == (300, 200) and found.missing == (0, 0)
    # A shift by one standard deviation is a distance of 1.
    shifted = compare_coherence(rows(a), rows(a + a.std()))["x"]
    assert shifted.distance == pytest.approx(1, abs=1e-9)
    same = compare_coherence(rows(a), rows(a))["x"]
    assert same.distance == 0 and same.p_value == 1


def test_sounds_without_a_descriptor_are_counted():
    reference = [*rows([1, 2, 3]), {}]
    found = compare_coherence(reference, [*rows([1, 2]), {"y": 1.0}, {"y": 2.0}])
    assert list(found) == ["x"]
    assert found["x"].items == (3, 2) and found["x"].missing == (1, 2)
    constant = compare_coherence(rows([5, 5, 5]), rows([5, 5]))["x"]
    assert constant.distance == 0
    assert compare_coherence(rows([5, 5, 5]), rows([6, 6]))["x"].distance > 1e4


def test_empty_sets_and_bad_values_are_refused():
    with pytest.raises(ValueError, match="both sides, got 0 and 1"):
        compare_coherence([], rows([1]))
    with pytest.raises(ValueError, match="'x' has values that are not finite"):
        compare_coherence(rows([1, 2]), rows([1, math.nan]))


def test_equal_sets_of_few_tracks_are_not_found_different():
    """Six tracks of ten sounds that are all but equal are six draws: p is uniform over six."""
    rng = np.random.default_rng(1)
    tracks = [f"track {i // 10}" for i in range(60)]
    found, naive = 0, 0
    for _ in range(100):
        sides = [
            rows(np.repeat(rng.normal(size=6), 10) + 0.1 * rng.normal(size=60)) for _ in range(2)
        ]
        by_track = compare_coherence(*sides, reference_tracks=tracks, generated_tracks=tracks)
        found += by_track["x"].p_value < 0.05
        naive += compare_coherence(*sides)["x"].p_value < 0.05
    assert found <= 10 and naive > 50
    with pytest.raises(ValueError, match="a track for each of 60 sounds, got 3"):
        compare_coherence(*sides, reference_tracks=["a", "b", "c"])
