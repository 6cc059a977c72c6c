"""Semitones, keys and chords: constructed answers, and pieces whose harmony is known."""

import math
from itertools import pairwise

import mir_eval
import numpy as np
import pytest
import torch

from latentone.analysis import (
    KEY_PROFILES,
    chord_templates,
    chords,
    key,
    key_of_pitch_classes,
    pitchgram,
)
from latentone.audio import Audio
from latentone.symbolic.theory import chord_pitch_classes, parse_key, scale

RATE = 22050


def tones(midi, seconds=1.0, harmonics=3):
    t = torch.arange(round(seconds * RATE)).double() / RATE
    hz = [440 * 2 ** ((m - 69) / 12) for m in midi]
    parts = [torch.sin(2 * math.pi * f * k * t) / k for f in hz for k in range(1, harmonics + 1)]
    return 0.05 * torch.stack(parts).sum(0).float()[None]


def voiced(label):
    root, *others = chord_pitch_classes(label)
    return [36 + root, 60 + root, *(60 + pc for pc in others)]


@pytest.mark.parametrize("midi", [33, 45, 57, 69, 81, 93, 105])
def test_a_tone_is_loudest_in_its_row(midi):
    t = torch.arange(RATE).double() / RATE
    x = torch.sin(2 * math.pi * 440 * 2 ** ((midi - 69) / 12) * t).float()[None]
    power = pitchgram(Audio(x, RATE)).power[:, 5]
    assert int(power.argmax()) + 24 == midi
    assert float(power.max()) == pytest.approx(1, rel=0.6)


@pytest.mark.parametrize("profile", list(KEY_PROFILES))
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_profile_is_its_own_key_in_all_transpositions(profile, mode):
    weights = torch.tensor(KEY_PROFILES[profile][mode == "minor"])
    for tonic in range(12):
        found = key_of_pitch_classes(3 * weights.roll(tonic) + 7, profile=profile)
        assert (found.tonic, found.mode) == (tonic, mode)
        assert found.correlation == pytest.approx(1) and found.margin > 0.05
        assert parse_key(found.name) == (tonic, mode)
    expected = np.corrcoef(weights.numpy(), KEY_PROFILES[profile][0])[0, 1]
    same = key_of_pitch_classes(weights, profile=profile)
    assert float(same.correlations[0, 0]) == pytest.approx(expected)


def test_a_scale_that_ends_on_its_tonic():
    for tonic, mode, name in ((7, "major", "major"), (2, "minor", "harmonic minor")):
        notes = [60 + (pc - tonic) % 12 + tonic for pc in scale(tonic, name)]
        fifth = scale(tonic, name)[4]
        home = [60 + pc for pc in (tonic, scale(tonic, name)[2], fifth)]
        x = [*(tones([n], 0.25) for n in notes), tones(home, 2.0)]
        found = key(Audio(torch.cat(x, 1), RATE))
        assert (found.tonic, found.mode) == (tonic, mode)


def test_all_chords_of_each_vocabulary():
    for vocabulary in ("triads", "sevenths"):
        labels, templates = chord_templates(vocabulary)
        torch.testing.assert_close(templates.norm(dim=1), torch.ones(len(labels)))
        for label, row in zip(labels, templates, strict=True):
            assert set(row.nonzero()[:, 0].tolist()) == set(chord_pitch_classes(label))
        for label in labels[::5]:
            # The third harmonic of a third is a major seventh.
            sound = tones(voiced(label), harmonics=3 if vocabulary == "triads" else 1)
            (found,) = chords(Audio(sound, RATE), vocabulary=vocabulary)
            assert found.label == label and found.fit > 0.6
            assert (found.start, found.end) == (0.0, pytest.approx(1.0, abs=0.1))


def test_a_progression_with_a_rest():
    song = ["C:maj", "A:min", None, "F:maj", "G:maj"]
    parts = [torch.zeros(1, 2 * RATE) if c is None else tones(voiced(c), 2.0) for c in song]
    audio = Audio(torch.cat(parts, 1), RATE)
    spans = chords(audio)
    assert [s.label for s in spans] == ["C:maj", "A:min", "N", "F:maj", "G:maj"]
    np.testing.assert_allclose([s.start for s in spans], [0, 2, 4, 6, 8], atol=0.25)
    assert all(a.end == b.start for a, b in pairwise(spans))
    held = chords(audio, edges=torch.arange(6) * 2.0)
    assert [(s.start, s.end, s.label) for s in held] == [
        (2.0 * i, 2.0 * i + 2, c or "N") for i, c in enumerate(song)
    ]


def test_known_pieces(pieces):
    keys, roots, thirds = [], [], []
    for known in pieces:
        found = key(known.audio)
        tonic, mode = parse_key(known.truth["key"])
        names = "C Db D Eb E F Gb G Ab A Bb B".split()
        keys.append(
            mir_eval.key.weighted_score(
                f"{names[tonic]} {mode}", f"{names[found.tonic]} {found.mode}"
            )
        )
        spans = chords(known.audio)
        times = np.array([[s.start, s.end] for s in spans])
        truth = known.truth["chords"]
        scores = mir_eval.chord.evaluate(
            np.array([c[:2] for c in truth]), [c[2] for c in truth], times, [s.label for s in spans]
        )
        roots.append(scores["root"])
        thirds.append(scores["thirds"])
    # By chance: 0.1 for keys, 0.08 for roots.
    assert np.mean(keys) > 0.75
    assert np.mean(roots) > 0.7 and np.mean(thirds) > 0.65


def test_silence_short_input_and_refusals():
    for count in (0, 1, RATE):
        assert key(Audio(torch.zeros(1, count), RATE)) is None
    assert chords(Audio(torch.zeros(1, 0), RATE)) == ()
    assert [s.label for s in chords(Audio(torch.zeros(1, RATE), RATE))] == ["N"]
    assert len(chords(Audio(torch.ones(1, 1), RATE))) == 1
    assert key_of_pitch_classes(torch.ones(12)) is None
    assert key_of_pitch_classes(torch.zeros(12)) is None
    audio = Audio(torch.zeros(1, 100), RATE)
    with pytest.raises(ValueError, match="albrecht"):
        key_of_pitch_classes(torch.arange(12.0), profile="mozart")
    with pytest.raises(ValueError, match="12 finite"):
        key_of_pitch_classes(torch.full((12,), math.nan))
    with pytest.raises(ValueError, match="triads"):
        chords(audio, vocabulary="jazz")
    with pytest.raises(ValueError, match="ascending"):
        chords(audio, edges=torch.tensor([1.0, 0.5]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        key(Audio(torch.full((1, 100), math.nan), RATE))
