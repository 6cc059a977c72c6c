"""Timbre across pitches: levels of partials as built, and our synthesisers told apart."""

import math

import numpy as np
import pytest
import torch

from latentone.audio import Audio
from latentone.instruments.ensemble import frequency
from latentone.instruments.presets import instrument
from latentone.metrics.notes import partials, timbral_consistency, timbre_distances

RATE = 16000
PROGRAMS = {"piano": 0, "organ": 16, "guitar": 24, "trumpet": 56, "flute": 73}


def built(pitch, levels_db, seconds=0.5):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    hz = 440 * 2 ** ((pitch - 69) / 12)
    parts = [
        10 ** (db / 20) * torch.sin(2 * math.pi * k * hz * t + k)
        for k, db in enumerate(levels_db, 1)
        if k * hz < RATE / 2
    ]
    return Audio((0.1 * torch.stack(parts).sum(0)).float()[None], RATE)


def played(name, pitch):
    rng = np.random.default_rng(pitch)
    x = instrument(PROGRAMS[name]).render(frequency(pitch), 0.6, 0.8, RATE, rng)
    return Audio(torch.from_numpy(x[None].copy()), RATE)


@pytest.mark.parametrize("pitch", [36, 50, 60, 67])
def test_partials_have_the_levels_that_they_were_built_with(pitch):
    rng = np.random.default_rng(pitch)
    levels = torch.from_numpy(rng.uniform(-30, 0, 16))
    found = partials(built(pitch, levels.tolist()), pitch)
    expected = levels[: len(found)]
    assert len(found) == min(16, int(RATE / 2 / frequency(pitch) - 0.5))
    difference = (found - found.mean()) - (expected - expected.mean())
    # A strong partial leaks into a weak neighbour.
    assert float(difference.abs().max()) < 2 and float(difference.abs().mean()) < 0.6


def test_distances_are_root_mean_squares_of_what_notes_share():
    a, b = torch.tensor([0.0, -6, -12, -20]), torch.tensor([10.0, 4, -8])
    x, y = a[:3].numpy() - a[:3].numpy().mean(), b.numpy() - b.numpy().mean()
    found = timbre_distances([a.double(), b.double()])
    assert found[0, 1] == found[1, 0] == pytest.approx(np.sqrt(((x - y) ** 2).mean()))
    assert found.diagonal().tolist() == [0, 0]
    # A gain is no timbre.
    assert timbre_distances([a.double(), a.double() + 9])[0, 1] == pytest.approx(0, abs=1e-6)


def test_one_spectrum_at_all_pitches_is_consistent_and_chance_is_not():
    pitches = list(range(48, 66, 2))
    fixed = [0, -6, -20, -9, -30, -12, -15, -40] + [-60] * 8
    rng = np.random.default_rng(0)
    same = timbral_consistency([built(p, fixed) for p in pitches], pitches)
    loose = [built(p, rng.uniform(-30, 0, 16).tolist()) for p in pitches]
    assert list(same) == ["within"] and same["within"] < 1
    assert timbral_consistency(loose, pitches)["within"] > 6
    # Three dB of chance on each partial are a distance of 3 sqrt(2).
    near = [built(p, (np.linspace(0, -30, 16) + rng.normal(0, 3, 16)).tolist()) for p in pitches]
    assert timbral_consistency(near, pitches)["within"] == pytest.approx(3 * 2**0.5, rel=0.2)


def test_synthesisers_are_told_apart_and_shuffled_names_are_not():
    pitches = list(range(52, 70, 3))
    notes = [(name, p, played(name, p)) for name in PROGRAMS for p in pitches]
    names = [name for name, _, _ in notes]
    arguments = [n for _, _, n in notes], [p for _, p, _ in notes]
    found = timbral_consistency(*arguments, names)
    assert list(found) == ["within", "across", "margin", "identified"]
    assert found["within"] < 3 < 8 < found["across"]
    assert found["margin"] == pytest.approx(found["across"] - found["within"])
    assert found["identified"] > 0.9
    mixed = [names[i] for i in np.random.default_rng(1).permutation(len(names))]
    shuffled = timbral_consistency(*arguments, mixed)
    assert shuffled["identified"] < 0.5 and shuffled["margin"] < 0.3 * found["margin"]


def test_neighbours_are_near_and_only_near():
    notes = [built(p, [0, -10, -20]) for p in (48, 60)]
    assert timbral_consistency(notes, [48, 60]) == {}
    assert timbral_consistency(notes, [48, 60], reach=12)["within"] >= 0
    assert timbral_consistency(notes[:1], [48]) == {}
    apart = timbral_consistency(notes[:1] * 2, [48, 48], ["a", "b"])
    assert apart == {"across": pytest.approx(0, abs=1e-6)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: timbral_consistency([], []), "one or more notes, got 0"),
        (lambda: timbral_consistency([built(60, [0])], [60, 61]), "1 notes, 2 pitches"),
        (lambda: partials(Audio(torch.zeros(1, 100), RATE), 60), "silent has no timbre"),
        (lambda: partials(Audio(torch.zeros(1, 0), RATE), 60), "silent has no timbre"),
        (lambda: partials(built(60, [0]), 127), "too high for 16000"),
        (lambda: partials(Audio(torch.full((1, 9), math.nan), RATE), 60), "NaN or infinite"),
    ],
)
def test_refusals_say_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()
