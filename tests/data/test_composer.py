"""Composed pieces: repeatable, in key, on the chords, within their instruments, as described."""

from itertools import pairwise

import numpy as np
import pytest

from latentone.data.composer import GENRES, compose
from latentone.data.composer.drums import PATTERNS
from latentone.data.composer.genres import MOODS
from latentone.data.composer.performance import perform, swing
from latentone.symbolic import Note
from latentone.symbolic.theory import SCALES, chord_pitch_classes, parse_key, scale

PIECES = [compose(3, index) for index in range(len(GENRES))]
NAMES = [piece.metadata["genre"] for piece in PIECES]


def label_at(score, beat):
    return next(c.label for c in score.chords if c.start - 1e-6 <= beat < c.end - 1e-6)


def test_a_piece_is_a_function_of_seed_and_number():
    again = compose(3, 4)
    assert again.score == PIECES[4].score and again.metadata == PIECES[4].metadata
    assert compose(4, 4).score != again.score and compose(3, 5).score != again.score


def test_every_round_has_every_genre():
    assert sorted(NAMES) == sorted(genre.name for genre in GENRES)
    assert NAMES != [compose(3, len(GENRES) + i).metadata["genre"] for i in range(len(GENRES))]


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_chords_cover_the_piece_without_gaps(piece):
    chords = piece.score.chords
    assert chords[0].start == 0
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(chords))
    bar = piece.score.meters[0].bar
    assert (chords[-1].end / bar) % 1 == pytest.approx(0)


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_chord_symbols_are_what_is_played(piece):
    for track in piece.score.tracks:
        if track.name not in ("chords", "pad"):
            continue
        # Half a tenth of a beat of looseness lies on either side of a change.
        for note in track.notes:
            members = chord_pitch_classes(label_at(piece.score, note.start + 0.06))
            around = chord_pitch_classes(label_at(piece.score, max(0.0, note.start - 0.06)))
            assert note.pitch % 12 in {*members, *around}


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_the_bass_states_the_roots(piece):
    bass = next((t for t in piece.score.tracks if t.name == "bass"), None)
    if bass is None:
        pytest.skip("no bass in this genre")
    starts = np.array([n.start for n in bass.notes])
    hits = total = 0
    for chord in piece.score.chords:
        first = np.flatnonzero((starts > chord.start - 0.1) & (starts < chord.end - 0.1))
        if first.size:
            total += 1
            hits += bass.notes[first[0]].pitch % 12 == chord_pitch_classes(chord.label)[0]
    assert total and hits / total > 0.9


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_melodies_belong_to_key_and_chords(piece):
    tonic, mode = parse_key(piece.score.key)
    home = set(scale(tonic, mode)) | {(tonic + s) % 12 for s in SCALES["blues"]}
    tune = next(t for t in piece.score.tracks if t.name == "melody").notes
    fits = [
        n.pitch % 12 in home or n.pitch % 12 in chord_pitch_classes(label_at(piece.score, n.start))
        for n in tune
    ]
    assert np.mean(fits) > 0.95
    long = [n for n in tune if n.duration > 1.3]
    on_chord = [
        n.pitch % 12 in chord_pitch_classes(label_at(piece.score, n.start + 0.06)) for n in long
    ]
    assert not long or np.mean(on_chord) > 0.8
    pitches = [n.pitch for n in tune]
    assert max(pitches) - min(pitches) <= 31
    assert np.median(np.abs(np.diff(pitches))) <= 5  # more steps than leaps


def test_a_melody_comes_back():
    piece = next(p for p in PIECES if p.metadata["form"].startswith("A"))
    beat = dict((name, start) for start, name in reversed(piece.score.sections))
    starts = [start for start, name in piece.score.sections if name == "A"]
    assert len(starts) >= 2 and beat["A"] == starts[0]
    tune = next(t for t in piece.score.tracks if t.name == "melody").notes
    length = piece.score.sections[2][0] - piece.score.sections[1][0]

    def motif(start):
        return {
            (round(4 * (n.start - start)), n.pitch)
            for n in tune
            if start - 0.1 <= n.start < start + length - 0.1
        }

    first, second = motif(starts[0]), motif(starts[1])
    assert len(first & second) > 0.6 * len(first)


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_the_score_is_playable(piece):
    genre = next(g for g in GENRES if g.name == piece.metadata["genre"])
    mood = MOODS[piece.metadata["mood"]]
    score = piece.score
    low, high = (mood.tempo * t for t in genre.tempo)
    assert low - 1 <= score.bpm <= high + 1
    assert score.meters[0].numerator == genre.beats
    assert 25 < piece.duration < 130
    assert {t.name for t in score.tracks} >= {"melody", "chords"}
    for track in score.tracks:
        ends: dict[int, float] = {}
        for note in track.notes:
            assert note.start >= ends.get(note.pitch, 0.0) - 1e-9  # no key struck while held
            ends[note.pitch] = note.end
        if track.name == "bass":
            assert all(24 <= n.pitch <= 60 for n in track.notes)


@pytest.mark.parametrize("piece", PIECES, ids=NAMES)
def test_drums_are_on_the_beat(piece):
    drums = next((t for t in piece.score.tracks if t.drums), None)
    if drums is None:
        pytest.skip("no drums in this piece")
    genre = next(g for g in GENRES if g.name == piece.metadata["genre"])
    limit = 2 * genre.loose * piece.score.bpm / 60 + 1e-6
    on_beat = [n.start % 1 for n in drums.notes if n.pitch in (36, 38)]
    grid = np.array([swing(s / 4, genre.swing) for s in range(5)])
    away = [np.abs(grid - part).min() for part in on_beat]
    assert max(away) <= limit + 1e-6


def test_moods_change_the_music():
    pieces = [compose(7, i) for i in range(45)]

    def mean_level(name):
        levels = [
            np.mean([n.velocity for t in p.score.tracks for n in t.notes])
            for p in pieces
            if p.metadata["mood"] == name
        ]
        return np.mean(levels)

    assert mean_level("driving") > mean_level("dreamy") + 10


def test_swing_keeps_the_beat_and_moves_the_offbeat():
    assert [swing(b, 2 / 3) for b in (0.0, 1.0, 7.0)] == [0.0, 1.0, 7.0]
    assert swing(0.5, 2 / 3) == pytest.approx(2 / 3)
    assert [swing(b / 8, 0.5) for b in range(20)] == pytest.approx([b / 8 for b in range(20)])


def test_a_machine_plays_on_the_grid_and_a_hand_near_it():
    notes = [Note(i / 2, 0.4, 60 + i % 3, 100) for i in range(200)]
    kwargs = {"ratio": 0.5, "bpm": 120, "level": lambda beat: 0.7}
    machine = perform(notes, loose=0.0, rng=np.random.default_rng(0), **kwargs)
    assert [n.start for n in machine] == [n.start for n in notes]
    hand = perform(notes, loose=0.01, rng=np.random.default_rng(0), **kwargs)
    off = np.array([(n.start * 2 + 0.5) % 1 - 0.5 for n in hand]) / 2 / 2  # seconds
    assert 0.005 < off.std() < 0.012 and np.abs(off).max() <= 0.0201


def test_patterns_fill_a_bar():
    assert all(len(row) == 16 for grid in PATTERNS.values() for row in grid.values())
    assert {mark for grid in PATTERNS.values() for row in grid.values() for mark in row} <= set(
        "Xxo."
    )


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="0 or more"):
        compose(0, -1)
