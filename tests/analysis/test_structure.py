"""Self-similarity, repetition and boundaries: constructed forms."""

import math

import mir_eval
import numpy as np
import pytest
import torch

from latentone.analysis import repetition, self_similarity, structure
from latentone.audio import Audio

RATE = 16000
CHORDS = {"A": [(60, 64, 67), (65, 69, 72)], "B": [(62, 66, 69), (56, 59, 63)]}


def song(form, bar=2.0, bars=4):
    """Sections of some bars; each has two chords in turn."""
    t = torch.arange(round(bar * RATE)).double() / RATE
    parts = []
    for letter in form:
        for i in range(bars):
            hz = [440 * 2 ** ((m - 69) / 12) for m in CHORDS[letter][i % 2]]
            parts.append(0.1 * sum(torch.sin(2 * math.pi * f * t) for f in hz))
    return Audio(torch.cat(parts).float()[None], RATE)


def test_similarity_is_the_cosine():
    features = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    features[:, 3] = 0
    found = self_similarity(features)
    unit = features / features.norm(dim=0).clamp_min(1e-9)
    torch.testing.assert_close(found, unit.T @ unit)
    assert float(found[3].abs().max()) == 0


def test_a_loop_repeats_at_its_length():
    found = structure(song("AAAA"), min_seconds=2.0)
    assert found.repetition_seconds == pytest.approx(4.0, abs=0.2)
    assert found.repetition_strength > 0.3
    assert len(found.boundaries) == 0


def test_alternating_sections_repeat_after_both():
    found = structure(song("ABAB"), min_seconds=10.0)
    assert found.repetition_seconds == pytest.approx(16.0, abs=0.3)
    assert found.similarity.shape == (65, 65) and found.frame_rate == 2.0
    torch.testing.assert_close(found.similarity, found.similarity.T)
    found = structure(song("ABAB", bar=0.5, bars=16))
    np.testing.assert_allclose(found.boundaries.numpy(), [8, 16, 24], atol=0.8)


def test_the_shortest_of_equal_lags_counts():
    lags = (torch.arange(60)[:, None] - torch.arange(60)[None]).double()
    matrix = torch.cos(2 * math.pi * lags / 12)
    lag, strength = repetition(matrix, 3, 40)
    assert lag == pytest.approx(12, abs=0.05) and strength > 0.9
    assert repetition(matrix, 20, 40)[0] == pytest.approx(24, abs=0.05)
    assert repetition(torch.ones(30, 30), 3, 20) == (0.0, 0.0)


def test_noise_repeats_less_than_a_loop():
    noise = 0.1 * torch.randn(1, 16 * RATE, generator=torch.Generator().manual_seed(0))
    assert structure(Audio(noise, RATE)).repetition_strength < 0.2


def test_known_pieces_repeat_after_whole_bars(pieces):
    whole = []
    for known in pieces:
        bar = float(np.median(np.diff(known.truth["downbeats"])))
        bars = structure(known.audio).repetition_seconds / bar
        whole.append(bars > 0 and abs(bars - round(bars)) * bar < 0.25)
    assert np.mean(whole) >= 0.6


def test_who_plays_marks_a_section_where_chords_do_not():
    """The same two chords throughout; an octave is added where a section begins."""
    t = torch.arange(2 * RATE).double() / RATE
    parts = []
    for bar in range(16):
        chord = CHORDS["A"][bar % 2]
        pitches = [*chord, *([m + 12 for m in chord] + [m + 24 for m in chord]) * (bar // 4 % 2)]
        hz = [440 * 2 ** ((m - 69) / 12) for m in pitches]
        parts.append(0.05 * sum(torch.sin(2 * math.pi * f * t) for f in hz))
    found = structure(Audio(torch.cat(parts).float()[None], RATE))
    np.testing.assert_allclose(found.boundaries.numpy(), [8, 16, 24], atol=0.8)


def test_sections_of_known_pieces_begin_where_they_are_found(sections):
    hits = found = known = 0
    for excerpt in sections:
        edges = np.array([t for t, _ in excerpt.truth["sections"] if 2 < t < 38])
        heard = structure(excerpt.audio).boundaries.numpy()
        hits += len(mir_eval.util.match_events(edges, heard, 1.0))
        found, known = found + len(heard), known + len(edges)
    # As many moments at random would score 0.2.
    assert 2 * hits / (found + known) > 0.4


def test_silence_short_input_and_refusals():
    assert structure(Audio(torch.zeros(1, 0), RATE)).similarity.shape == (0, 0)
    for x in (torch.ones(1, 1), torch.zeros(1, 8000), torch.zeros(1, 20 * RATE)):
        found = structure(Audio(x, RATE))
        assert (found.repetition_seconds, found.repetition_strength) == (0, 0)
        assert len(found.boundaries) == 0
    assert float(found.similarity.abs().max()) == 0
    with pytest.raises(ValueError, match="min_seconds"):
        structure(Audio(torch.zeros(1, 10), RATE), min_seconds=3, max_seconds=2)
    with pytest.raises(ValueError, match="NaN or infinite"):
        structure(Audio(torch.full((1, 100), math.nan), RATE))
