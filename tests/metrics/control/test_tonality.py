"""Keys and chords: every pair of keys, and random chord sheets, scored as mir_eval scores them."""

import math
import random
from itertools import pairwise, product

import mir_eval
import numpy as np
import pytest

from latentone.metrics.control import chord_overlap, key_score
from latentone.symbolic.theory import CHORDS

NAMES = "C Db D Eb E F Gb G Ab A Bb B".split()
KEYS = [f"{name} {mode}" for mode in ("major", "minor") for name in NAMES]


def test_every_pair_of_keys_scores_as_in_mir_eval():
    for asked, heard in product(KEYS, KEYS):
        assert key_score(asked, heard) == mir_eval.key.weighted_score(asked, heard), (asked, heard)
    assert key_score("C# minor", "Db minor") == 1
    assert key_score("C major", None) == 0
    with pytest.raises(ValueError, match="expected a key"):
        key_score("H major", None)


def sheet(rng, first, last, labels):
    inside = sorted(rng.uniform(first, last) for _ in range(rng.randrange(1, 12)))
    edges = [first, *inside, last]
    return [(a, b, rng.choice(labels)) for a, b in pairwise(edges)]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of mir_eval, where sheets do not overlap
@pytest.mark.parametrize("seed", range(20))
def test_chord_sheets_score_as_in_mir_eval(seed):
    rng = random.Random(seed)
    roots = rng.sample(NAMES, 3)
    labels = [f"{root}:{quality}" for root in roots for quality in CHORDS] + ["N", "X"]
    asked = sheet(rng, 0.0, 20.0, labels)
    # What is heard begins late, ends early, or lasts longer.
    heard = sheet(rng, rng.uniform(0, 4), rng.uniform(15, 25), [x for x in labels if x != "X"])
    expected = mir_eval.chord.evaluate(
        np.array([row[:2] for row in asked]),
        [row[2] for row in asked],
        np.array([row[:2] for row in heard]),
        [row[2] for row in heard],
    )["thirds"]
    assert chord_overlap(asked, heard) == pytest.approx(expected, abs=1e-9)


def test_chords_count_by_their_length():
    asked = [(0, 1, "C:maj"), (1, 4, "A:min")]
    assert chord_overlap(asked, [(0, 4, "C:maj")]) == pytest.approx(0.25)
    assert chord_overlap(asked, [(0, 4, "A:min7")]) == pytest.approx(0.75)
    assert chord_overlap(asked, [(0, 4, "A:maj")]) == 0
    assert chord_overlap(asked, [(0, 1, "C:7"), (1, 2.5, "A:min")]) == pytest.approx(0.625)


def test_gaps_are_not_asked_for_and_silence_is_no_chord():
    assert chord_overlap([(0, 1, "C"), (5, 6, "F")], [(0, 1, "C"), (5, 6, "F")]) == 1
    assert chord_overlap([(0, 2, "N")], []) == 1
    assert chord_overlap([(0, 2, "C")], []) == 0
    assert math.isnan(chord_overlap([], [(0, 1, "C")]))
    assert math.isnan(chord_overlap([(0, 1, "X")], [(0, 1, "C")]))


def test_impossible_sheets_are_refused():
    for rows, message in (
        ([(1, 0, "C")], "ends before"),
        ([(0, 2, "C"), (1, 3, "F")], "not overlap"),
        ([(0, 1, "C:blue")], "unknown chord"),
    ):
        with pytest.raises(ValueError, match=message):
            chord_overlap(rows, [])
        with pytest.raises(ValueError, match=message):
            chord_overlap([], rows)
