"""Melody, chroma and dynamics of constructed sounds, with answers from numpy and scipy."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from latentone.analysis import dynamics
from latentone.audio import Audio
from latentone.metrics.control import (
    Curves,
    asked_classes,
    asked_curves,
    asked_weights,
    chroma_cosine,
    dynamics_correlation,
    macro_correlation,
    melody_accuracy,
    pitch_classes,
    sound_curves,
)

RATE = 8000


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def swelling(forces, seconds=2.0):
    """Noise whose level follows forces, as amplitudes, each for some seconds."""
    x = torch.randn(1, round(len(forces) * seconds * RATE), generator=torch.Generator())
    gain = torch.tensor(forces).repeat_interleave(round(seconds * RATE))
    return Audio(0.2 * gain * x, RATE)


def test_melody_accuracy_counts_frames_that_are_asked_for():
    asked = torch.tensor([0, 0, 4, -1, 7])
    assert melody_accuracy(asked, asked) == 1
    assert melody_accuracy(asked, torch.tensor([0, 1, 4, 4, -1])) == 0.5
    # What is not there is wrong; what comes after is not asked for.
    assert melody_accuracy(asked, asked[:2]) == 0.5
    assert melody_accuracy(asked, torch.cat([asked, asked])) == 1
    assert math.isnan(melody_accuracy(torch.tensor([-1, -1]), asked))
    assert math.isnan(melody_accuracy(torch.zeros(0).long(), asked))


def test_guessing_scores_one_in_twelve():
    rng = torch.Generator().manual_seed(0)
    asked, heard = (torch.randint(12, (20000,), generator=rng) for _ in range(2))
    assert melody_accuracy(asked, heard) == pytest.approx(1 / 12, abs=0.01)


def test_pitch_classes_are_the_loudest_or_none():
    values = torch.zeros(12, 3)
    values[5, 0], values[7, 0], values[11, 2] = 1, 2, 0.1
    assert pitch_classes(values).tolist() == [7, -1, 11]
    assert pitch_classes(torch.zeros(12, 0)).tolist() == []


def test_asked_classes_and_weights_of_notes():
    notes = [(0.0, 1.0, 60), (1.0, 2.0, 64), (1.5, 2.0, 79)]
    assert asked_classes(notes, 6, 2.0).tolist() == [0, 0, 4, 7, -1, -1]
    weights = asked_weights(notes, 6, 2.0, 1.0)
    # The window of frame 2 reaches from 0.5 to 1.5 s: half C, half E.
    assert weights[:, 2].nonzero()[:, 0].tolist() == [0, 4]
    assert weights[0, 2] == pytest.approx(0.5) and weights[4, 2] == pytest.approx(0.5)
    assert weights[7, 3] == pytest.approx(0.5) and weights[:, 5].sum() == 0


def test_chroma_cosine_is_the_mean_of_numpys():
    a, b = normal(12, 40).abs(), normal(12, 40, seed=1).abs()
    a[:, 7] = 0
    rows = [i for i in range(40) if i != 7]
    expected = np.mean(
        [1 - scipy.spatial.distance.cosine(a[:, i].numpy(), b[:, i].numpy()) for i in rows]
    )
    assert chroma_cosine(a, b) == pytest.approx(expected, abs=1e-9)
    assert chroma_cosine(a, 7 * a) == pytest.approx(1)
    assert chroma_cosine(a, torch.zeros(12, 40)) == 0
    assert chroma_cosine(a[:, :6], a[:, :3]) == pytest.approx(0.5)
    assert math.isnan(chroma_cosine(0 * a, b))


def test_correlations_are_pearsons():
    clips = [Curves(normal(50, seed=i), normal(50, seed=i) + normal(50, seed=9)) for i in range(3)]
    for clip in clips:
        expected = scipy.stats.pearsonr(clip.asked.numpy(), clip.heard.numpy()).statistic
        assert dynamics_correlation(clip) == pytest.approx(expected, abs=1e-9)
    joined = [np.concatenate([clip[side].numpy() for clip in clips]) for side in (0, 1)]
    expected = scipy.stats.pearsonr(*joined).statistic
    assert macro_correlation(clips) == pytest.approx(expected, abs=1e-9)


def test_macro_asks_for_the_levels_between_clips():
    slope = torch.linspace(0, 1, 20)
    clips = [Curves(slope + level, slope - level) for level in (0, 10, 20)]
    assert all(dynamics_correlation(clip) == pytest.approx(1) for clip in clips)
    assert macro_correlation(clips) < -0.9


def test_a_sound_that_follows_forces_and_one_that_does_the_opposite():
    forces = [0.2, 1.0, 0.4, 0.8, 0.1]
    steps = [(2.0 * i, force) for i, force in enumerate(forces)]
    assert dynamics_correlation(asked_curves(steps, swelling(forces))) > 0.99
    assert dynamics_correlation(asked_curves(steps, swelling([1 - f + 0.1 for f in forces]))) < -0.7
    late = [(time + 1, force) for time, force in steps]
    assert len(asked_curves(late, swelling(forces)).asked) == 451
    same = dynamics_correlation(sound_curves(swelling(forces), swelling([f / 10 for f in forces])))
    assert same > 0.99


def test_constant_curves_ask_nothing_or_follow_nothing():
    flat, slope = torch.full((50,), -20.0), torch.linspace(-40, 0, 50)
    assert math.isnan(dynamics_correlation(Curves(flat, slope)))
    assert dynamics_correlation(Curves(slope, flat)) == 0
    assert math.isnan(dynamics_correlation(Curves(slope[:2], slope[:2])))
    silence = Audio(torch.zeros(1, 4 * RATE), RATE)
    assert dynamics_correlation(asked_curves([(0, 0.1), (2, 0.9)], silence)) == 0
    none = asked_curves([(0, 0.5)], Audio(torch.zeros(1, 0), RATE))
    assert len(none.asked) == len(none.heard) == 0


def test_sounds_of_two_lengths_are_compared_over_what_they_share():
    long, short = swelling([0.1, 1.0, 0.2]), swelling([0.1, 1.0])
    curves = sound_curves(long, short)
    assert len(curves.asked) == len(curves.heard) == len(dynamics(short).db)


def test_refusals_say_why():
    audio = swelling([1.0])
    for call, message in (
        (lambda: asked_curves([(1, 0.5), (0, 0.5)], audio), "ascending"),
        (lambda: asked_curves([(0, 1.5)], audio), r"forces in \[0, 1\]"),
        (
            lambda: dynamics_correlation(Curves(torch.zeros(3), torch.zeros(4))),
            r"two curves \(N,\)",
        ),
        (
            lambda: dynamics_correlation(Curves(torch.zeros(3), torch.full((3,), -math.inf))),
            "finite levels",
        ),
        (lambda: macro_correlation([]), "got none"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
