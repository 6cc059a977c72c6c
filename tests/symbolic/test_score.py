"""Time in a score: tempo maps against sums by hand, grids of beats and bars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentone.symbolic import Meter, Note, Score, TempoMap, Track


def score(end=16.0, **kwargs):
    return Score(tracks=(Track(name="a", notes=(Note(0.0, end, 60, 90),)),), **kwargs)


def test_tempo_map_by_hand():
    tempo = TempoMap([(0, 120), (4, 60), (6, 240)])
    assert tempo.seconds(np.array([0.0, 2.0, 4.0, 5.0, 6.0, 10.0])).tolist() == [0, 1, 2, 3, 4, 5]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(20, 300)), min_size=1, max_size=6),
    st.floats(0, 100),
)
def test_beats_invert_seconds(changes, beat):
    at, table = 0.0, []
    for gap, bpm in changes:
        table.append((at, bpm))
        at += gap
    tempo = TempoMap(table)
    assert tempo.beats(tempo.seconds(beat)) == pytest.approx(beat, abs=1e-6)
    grid = np.linspace(0, 50, 200)
    assert np.all(np.diff(tempo.seconds(grid)) > 0)


def test_beats_and_downbeats_follow_the_meter():
    s = score(12.0, tempo=TempoMap([(0, 120)]), meters=(Meter(0, 3, 4),))
    assert np.allclose(np.diff(s.beats), 0.5)
    assert np.allclose(np.diff(s.downbeats), 1.5)
    assert s.bpm == pytest.approx(120)


def test_compound_meters_are_counted_in_dotted_quarters():
    s = score(12.0, tempo=TempoMap([(0, 90)]), meters=(Meter(0, 6, 8),))
    assert s.bpm == pytest.approx(60)
    assert np.allclose(np.diff(s.downbeats), 2.0)


def test_a_change_of_meter_restarts_the_bar():
    s = score(11.0, meters=(Meter(0, 4, 4), Meter(4, 3, 4)), tempo=TempoMap([(0, 60)]))
    assert s.downbeats[:4].tolist() == [0, 4, 7, 10]


def test_the_grid_passes_the_last_note():
    s = score(5.3, tempo=TempoMap([(0, 60)]))
    assert s.beats[-1] >= 5.3 and s.duration == pytest.approx(5.3)


@pytest.mark.parametrize(
    "bad", [(-1.0, 1.0, 60, 90), (0.0, 0.0, 60, 90), (0.0, 1.0, 128, 90), (0.0, 1.0, 60, 0)]
)
def test_impossible_notes_are_refused(bad):
    with pytest.raises(ValueError, match="a note needs"):
        Note(*bad)


def test_impossible_tempi_are_refused():
    with pytest.raises(ValueError, match="positive"):
        TempoMap([(0, 0)])
    with pytest.raises(ValueError, match="order"):
        TempoMap([(0, 120), (4, 90), (4, 80)])
