"""Drums, mix and whole scores: onsets where the score has them, levels, rooms."""

from itertools import pairwise

import numpy as np
import pytest

from latentone.instruments import render_score
from latentone.instruments.drums import DrumKit
from latentone.instruments.ensemble import render_track
from latentone.instruments.mix import block_dc, level, place
from latentone.instruments.room import impulse_response, reverberate
from latentone.symbolic import Note, Score, TempoMap, Track
from latentone.symbolic.general_midi import DRUMS

RATE = 24000


def centroid(x):
    power = np.abs(np.fft.rfft(x)) ** 2
    return float((np.fft.rfftfreq(x.size, 1 / RATE) * power).sum() / power.sum())


def profile(x):
    """Band energies in a cepstral-like shape: log power in thirds of octaves, unit norm."""
    power = np.abs(np.fft.rfft(x, RATE)) ** 2
    edges = np.geomspace(30, 12000, 26).astype(int)
    bands = np.log10([power[a:b].mean() + 1e-6 for a, b in pairwise(edges)])
    bands -= bands.mean()
    return bands / np.linalg.norm(bands)


KINDS = {name: drum for drum, name in reversed(DRUMS.items())}


@pytest.mark.parametrize("drum", [*sorted(DRUMS), 60, 75])
def test_strokes_are_clean(drum):
    x = DrumKit().render(drum, 1.0, RATE, 0)
    assert np.isfinite(x).all() and 0.1 < np.abs(x).max() < 2.0
    assert x[0] == 0 and x[-1] == 0
    power = np.abs(np.fft.rfft(x * 1.0)) ** 2
    assert power[0] < 0.02 * power.sum()


def test_drums_lie_where_drums_lie():
    heard = {name: centroid(DrumKit().render(drum, 0.9, RATE, 0)) for name, drum in KINDS.items()}
    assert heard["kick"] < 300 < heard["snare"] < heard["closed hi-hat"]
    assert heard["tom"] < 500 and heard["crash"] > 3000 and heard["shaker"] > 5000


def test_drums_are_told_apart_by_their_spectra():
    names = ["kick", "snare", "clap", "closed hi-hat", "tom", "rimshot", "cowbell", "ride"]
    first, other = (
        np.stack([profile(DrumKit().render(KINDS[n], 0.9, RATE, v)) for n in names]) for v in (0, 2)
    )
    likeness = first @ other.T
    assert (likeness.argmax(1) == np.arange(len(names))).all()
    # The clear cases are far apart, not only ahead.
    assert likeness[0, 3] < 0 and likeness[1, 0] < 0.9


def test_open_hats_ring_longer_than_closed_ones():
    closed, opened = (DrumKit().render(d, 0.9, RATE, 0) for d in (42, 46))
    assert opened.size > 4 * closed.size


def test_strokes_vary_and_repeat():
    kit = DrumKit()
    assert not np.array_equal(kit.render(38, 0.9, RATE, 0), kit.render(38, 0.9, RATE, 1))
    assert np.array_equal(kit.render(38, 0.9, RATE, 1), kit.render(38, 0.9, RATE, 5))


def test_notes_begin_where_the_score_says():
    tempo = TempoMap([(0, 113), (6, 71)])
    rng = np.random.default_rng(0)
    beats = np.cumsum(rng.uniform(0.4, 1.3, 14))
    for program, drums, pitch in ((0, False, 72), (11, False, 72), (25, False, 67), (0, True, 37)):
        notes = tuple(Note(float(b), 0.15, pitch, 110) for b in beats)
        score = Score(
            tracks=(Track(name="a", program=program, drums=drums, notes=notes),), tempo=tempo
        )
        x = render_track(score, 0, sample_rate=RATE, length=round(14 * RATE))
        for beat in beats:
            at = round(tempo.seconds(float(beat)) * RATE)
            before, after = x[at - 48 : at], x[at : at + 240]
            # 10 ms from the onset on hold far more energy than the 2 ms before it, per sample.
            assert np.mean(after**2) > 20 * np.mean(before**2)
            rise = np.flatnonzero(np.abs(x[at - 48 : at + 240]) > 0.2 * np.abs(after).max())[0] - 48
            assert -2 <= rise <= 0.006 * RATE


@pytest.fixture
def band():
    def notes(*pitches):
        return tuple(Note(i * 0.5, 0.45, p, 100) for i, p in enumerate(pitches))

    return Score(
        tracks=(
            Track(name="melody", program=73, notes=notes(72, 74, 76, 79), pan=90),
            Track(name="chords", program=0, notes=notes(60, 64, 67, 60)),
            Track(name="drums", drums=True, notes=notes(36, 42, 38, 42)),
        )
    )


def test_a_score_is_rendered_whole(band):
    x = render_score(band, sample_rate=RATE, tail=1.0)
    assert x.shape == (2, round((band.duration + 1.0) * RATE)) and x.dtype == np.float32
    assert np.isfinite(x).all()
    assert np.array_equal(x, render_score(band, sample_rate=RATE, tail=1.0))
    # The tail dies away.
    assert np.abs(x[:, -RATE // 10 :]).max() < 0.05 * np.abs(x).max()


def test_the_sample_rate_does_not_change_the_music(band):
    low, high = (render_score(band, sample_rate=r, tail=0.5).mean(0) for r in (24000, 48000))
    half = high[: low.size * 2].reshape(-1, 2).mean(1)
    blocks = [np.sqrt(np.mean(v[:33600].reshape(-1, 2400) ** 2, 1)) for v in (low, half)]
    assert np.corrcoef(*blocks)[0, 1] > 0.95


def test_level_meets_its_target_and_never_clips():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2, RATE)) * 3
    assert np.sqrt(np.mean(level(noise) ** 2)) == pytest.approx(0.1, rel=0.01)
    spiky = 0.02 * rng.standard_normal((1, RATE))
    spiky[0, ::4000] = 5.0
    assert np.abs(level(spiky)).max() == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    for bad in (np.zeros((1, 100)), np.full((1, 100), np.nan)):
        with pytest.raises(ValueError, match="level"):
            level(bad)


def test_direct_current_is_removed():
    x = 0.3 + 0.1 * np.sin(2 * np.pi * 100 * np.arange(4 * RATE) / RATE)
    y = block_dc(x[None], RATE)[0]
    assert abs(y[RATE:].mean()) < 1e-3
    assert np.sqrt(np.mean(y[2 * RATE :] ** 2)) == pytest.approx(0.1 / np.sqrt(2), rel=0.02)


def test_panning_keeps_the_power():
    x = np.random.default_rng(0).standard_normal(1000)
    for pan in (0, 40, 64, 127):
        assert np.sum(place(x, pan) ** 2) == pytest.approx(np.sum(x**2))
    assert np.allclose(place(x, 0)[1], 0) and np.allclose(place(x, 127)[0], 0, atol=1e-12)


def test_a_room_decays_as_it_says():
    response = impulse_response(1.0, RATE, 0)
    assert np.allclose(np.sum(response**2, axis=1), 1, rtol=1e-4)
    remaining = np.cumsum(response[0, ::-1] ** 2)[::-1]  # Schroeder integration
    db = 10 * np.log10(remaining / remaining[0] + 1e-12)
    five, thirty_five = (int(np.argmax(db < limit)) for limit in (-5, -35))
    assert 2 * (thirty_five - five) / RATE == pytest.approx(1.0, abs=0.25)
    click = np.zeros(RATE, dtype=np.float32)
    click[100] = 1.0
    wet = reverberate(click, RATE, seconds=1.0)
    assert np.allclose(wet[:, 100:2000], response[:, :1900], atol=1e-5)
