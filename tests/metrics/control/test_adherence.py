"""Adherence of sounds whose truth is known: to their own request, and to another's."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentone.analysis import ESTIMATORS
from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.ground_truth import ground_truth
from latentone.data.piece import windows
from latentone.data.render import Renderer
from latentone.metrics.control import (
    ADHERENCE,
    LIKENESS,
    adherence,
    follow_note,
    likeness,
    merge_onsets,
    note_pitch,
    read_request,
    read_seams,
)
from latentone.metrics.loops import LOOPS
from latentone.metrics.notes import NOTES
from latentone.metrics.structure import COHERENCE

RATE = 22050
HIGHER = [name for name, metric in ADHERENCE.items() if metric.better == "higher"]


@pytest.fixture(scope="module")
def pieces():
    """Two pieces of the composer in different keys and tempi, 12 seconds of each."""
    out = []
    for index in (0, 2):
        piece = compose(5, index)
        window = windows(piece, 12.0)[1]
        truth = ground_truth(piece, window)
        # What begins later, or has rung out, is not heard.
        tempo = piece.score.tempo
        begin, end = tempo.beats(window.start) - 8, tempo.beats(window.end)
        tracks = (
            replace(t, notes=tuple(n for n in t.notes if begin < n.end and n.start < end))
            for t in piece.score.tracks
        )
        score = replace(piece.score, tracks=tuple(track for track in tracks if track.notes))
        sound = Renderer(sample_rate=RATE, channels=1).render(replace(piece, score=score))
        cut = sound[:, round(window.start * RATE) : round(window.end * RATE)]
        lead = [i for i, track in enumerate(truth["tracks"]) if track["name"] == "melody"]
        truth["melody"] = [note[:3] for note in truth["notes"] if note[4] in lead]
        out.append((Audio(torch.from_numpy(cut.copy()), RATE), truth))
    return out


def tone(pitch, seconds=1.0, rate=16000, cents=0.0):
    hz = 440 * 2 ** ((pitch - 69 + cents / 100) / 12)
    t = torch.arange(round(seconds * rate)).double() / rate
    parts = [torch.sin(2 * math.pi * k * hz * t) / k for k in range(1, 6) if k * hz < rate / 2]
    return Audio((0.2 * torch.stack(parts).sum(0)).float()[None], rate)


def test_a_piece_obeys_its_own_request_and_no_other(pieces):
    (first, truth), (_, other) = pieces
    own, strange = adherence(first, truth), adherence(first, other)
    asked = [name for name in ADHERENCE if not name.startswith("pitch_")]
    assert list(own) == asked == list(strange)
    assert all(type(value) is float for value in own.values())
    for name in HIGHER:
        # The mean force of a bar says little of its level, which depends on who plays.
        if name in own and name not in ("dynamics_correlation", "covered"):
            assert own[name] > strange[name], name
    assert own["tempo_accuracy"] == own["key_score"] == own["covered"] == strange["covered"] == 1
    assert own["rhythm_f1"] > 0.8 and own["melody_accuracy"] > 0.6 and own["chroma_cosine"] > 0.6
    assert abs(own["tempo_error"]) < 4 < abs(strange["tempo_error"])


def test_only_what_is_asked_is_measured(pieces):
    audio, truth = pieces[0]
    assert adherence(audio, {}) == adherence(audio, {"genre": "pop", "key": None}) == {}
    whole = adherence(audio, truth)
    fields = {
        "bpm": ["tempo_accuracy", "tempo_accuracy_2", "tempo_error"],
        "beats": ["beat_f1"],
        "downbeats": ["downbeat_f1"],
        "key": ["key_accuracy", "key_score"],
        "chords": ["chord_overlap"],
        "dynamics": ["dynamics_correlation"],
        "melody": ["melody_accuracy"],
    }
    for field, names in fields.items():
        names = names if field in ("bpm", "key") else ["covered", *names]
        assert adherence(audio, {field: truth[field]}) == {name: whole[name] for name in names}


def test_drums_ask_for_onsets_and_no_pitches(pieces):
    audio, truth = pieces[0]
    drums = [i for i, track in enumerate(truth["tracks"]) if track["drums"]]
    assert drums
    request = read_request(truth)
    pitched = [note for note in truth["notes"] if note[4] not in drums]
    assert request.notes == [tuple(note[:3]) for note in pitched]
    assert request.onsets == merge_onsets([note[0] for note in truth["notes"]]).tolist()
    few = read_request(
        {"notes": [[0, 1, 60, 90, 0], [2, 3, 36, 90, 1]], "tracks": [{}, {"drums": 1}]}
    )
    assert few.onsets == [0, 2] and few.notes == [(0, 1, 60)]
    alone = {"notes": [n for n in truth["notes"] if n[4] in drums], "tracks": truth["tracks"]}
    assert list(adherence(audio, alone)) == ["rhythm_f1"]
    assert list(adherence(audio, alone | {"duration": 12})) == ["covered", "rhythm_f1"]


def test_what_is_asked_for_after_the_end_is_not_judged(pieces):
    audio, truth = pieces[0]
    short = Audio(audio.samples[:, : 6 * RATE], RATE)
    cut = read_request(truth).until(6.0)
    assert cut.beats == [t for t in truth["beats"] if t < 6]
    assert max(end for _, end, _ in cut.chords) == 6.0 and cut.chords[0] == tuple(
        truth["chords"][0]
    )
    assert max(end for _, end, _ in cut.melody) <= 6.0 and cut.dynamics[0] == tuple(
        truth["dynamics"][0]
    )
    assert adherence(short, truth)["rhythm_f1"] > 0.8
    late = {"beats": [7.0, 8.0], "notes": [[7.0, 8.0, 60]]}
    assert adherence(short, late) == {"covered": 6 / 8}
    assert adherence(short, late, most_seconds=6.0) == {}


def test_a_sound_that_breaks_off_says_how_much_it_covers():
    request = {
        "duration": 4.0,
        "melody": [[0.0, 2.0, 72], [2.0, 4.0, 74]],
        "notes": [[0.0, 2.0, 72], [2.0, 3.5, 74]],
    }
    # 0.9 s of 4 s: what there is, is right, and all of it is little.
    found = adherence(tone(72, 0.9, RATE), request)
    assert found["melody_accuracy"] == 1 and found["covered"] == pytest.approx(0.9 / 4, abs=1e-4)
    for seconds in (3.995, 4.0, 6.0):
        assert adherence(tone(72, seconds, RATE), request)["covered"] == 1
    # Without a duration the last end counts; where only a beginning was read, no more is asked.
    del request["duration"]
    assert adherence(tone(72, 3.0, RATE), request)["covered"] == 3 / 4
    assert adherence(tone(72, 3.0, RATE), request, most_seconds=3.0)["covered"] == 1
    assert adherence(tone(72, 3.0, RATE), request | {"duration": 8}, most_seconds=6)[
        "covered"
    ] == pytest.approx(1 / 2)
    assert "covered" not in adherence(tone(72), {"bpm": 120, "pitch": 72})


def test_nothing_asked_and_nothing_heard_before_the_end_is_no_success():
    noise = 0.1 * torch.randn(1, 3 * RATE // 10, generator=torch.Generator().manual_seed(0))
    request = {
        "notes": [[0.0, 1.0, 60], [1.0, 4.0, 64]],
        "beats": [0.5, 1.0, 1.5],
        "downbeats": [0.5],
    }
    assert set(adherence(Audio(noise, RATE), request)) == {"covered", "chroma_cosine"}
    # What is asked of a whole sound and kept by silence is kept; a false onset is none.
    alone = {"notes": [[0.0, 0.3, 60]]}
    assert adherence(Audio(noise, RATE), alone)["rhythm_f1"] == 1
    click = torch.zeros(1, 3 * RATE // 10)
    click[0, RATE // 5 : RATE // 5 + 200] = 0.8
    assert adherence(Audio(click, RATE), request)["rhythm_f1"] == 0


def test_silence_obeys_nothing():
    silence = Audio(torch.zeros(1, 4 * RATE), RATE)
    request = {
        "bpm": 120,
        "key": "C major",
        "beats": [0.5, 1.0],
        "downbeats": [],
        "chords": [[0, 4, "C:maj"]],
        "dynamics": [[0, 0.1], [2, 0.9]],
        "notes": [[1.0, 2.0, 60, 100, 0]],
        "melody": [[1.0, 2.0, 60]],
        "pitch": 60,
    }
    scores = adherence(silence, request)
    assert scores.pop("tempo_error") == -100
    assert scores.pop("covered") == 1
    assert scores.pop("downbeat_f1") == 1  # none were asked for, none came
    assert "pitch_error" not in scores and set(scores.values()) == {0.0}
    assert set(scores) == set(ADHERENCE) - {
        "covered",
        "tempo_error",
        "downbeat_f1",
        "pitch_error",
    }
    for count in (0, 1):
        values = adherence(Audio(torch.zeros(1, count), RATE), request)
        assert all(math.isfinite(value) for value in values.values())


@pytest.mark.parametrize("pitch", [24, 36, 57, 69, 84, 100])
@pytest.mark.parametrize("cents", [0, 30, -30])
def test_the_pitch_of_a_note(pitch, cents):
    scores = adherence(tone(pitch, cents=cents), {"pitch": pitch})
    assert scores["pitch_accuracy"] == 1
    assert scores["pitch_error"] == pytest.approx(cents, abs=3)


def test_a_wrong_pitch_is_told_by_cents():
    scores = adherence(tone(60), {"pitch": 61})
    assert scores["pitch_accuracy"] == 0
    assert scores["pitch_error"] == pytest.approx(-100, abs=3)
    octave = adherence(tone(72), {"pitch": 60})
    assert octave == {"pitch_accuracy": 0, "pitch_error": pytest.approx(1200, abs=3)}
    assert note_pitch(follow_note(tone(64))) == pytest.approx(64, abs=0.03)


def test_a_sound_is_like_itself_and_its_melody_survives_another_key_not(pieces):
    (first, _), (other, _) = pieces
    same = likeness(first, first)
    assert list(same) == list(LIKENESS)
    assert all(value == pytest.approx(1) for value in same.values())
    noisy = Audio(
        first.samples + 0.01 * torch.randn(first.samples.shape, generator=torch.Generator()), RATE
    )
    near, far = likeness(first, noisy), likeness(first, other)
    for name in LIKENESS:
        assert far[name] < near[name] <= 1, name
    # Only the stretch that both cover counts, whatever the rate.
    part = Audio(first.samples[:, : 5 * RATE], RATE).resample(24000)
    assert min(likeness(first, part).values()) > 0.9


def test_likeness_to_silence_is_nothing_and_of_silence_has_no_answer(pieces):
    sound, silence = pieces[0][0], Audio(torch.zeros(1, 12 * RATE), RATE)
    assert likeness(silence, sound) == {"rhythm_f1": 0.0}
    assert set(likeness(sound, silence).values()) == {0.0}
    empty = Audio(torch.zeros(1, 0), RATE)
    assert likeness(empty, empty) == {"rhythm_f1": 1.0}


def test_a_stretch_without_onsets_of_a_reference_that_has_some_later_has_no_rhythm():
    later = torch.zeros(1, 2 * RATE)
    later[0, RATE : RATE + 200] = 0.8
    reference, short = Audio(later, RATE), Audio(torch.zeros(1, RATE // 2), RATE)
    assert "rhythm_f1" not in likeness(reference, short)
    assert likeness(reference, Audio(torch.zeros(1, 2 * RATE), RATE))["rhythm_f1"] == 0
    assert likeness(Audio(torch.zeros(1, 2 * RATE), RATE), short)["rhythm_f1"] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bpm", "fast"),
        ("bpm", 0),
        ("bpm", math.nan),
        ("bpm", True),
        ("key", "H major"),
        ("key", 3),
        ("beats", [1.0, 0.5]),
        ("beats", 4),
        ("downbeats", "0 1"),
        ("downbeats", [-1.0]),
        ("chords", [[0, 1]]),
        ("chords", [[0, 1, "C:blue"]]),
        ("chords", [[0, 2, "C"], [1, 3, "F"]]),
        ("chords", [[0, 2, 5]]),
        ("dynamics", [[0, 1.5]]),
        ("dynamics", [[1, 0.5], [0, 0.5]]),
        ("notes", [[0, 1]]),
        ("notes", [[1, 0, 60, 90, 0]]),
        ("notes", [[0, 1, 200, 90, 0]]),
        ("melody", [[0, 1, math.inf]]),
        ("melody", "C D E"),
        ("pitch", -1),
        ("pitch", "A4"),
        ("duration", 0),
        ("duration", "4:03"),
    ],
)
def test_a_malformed_field_is_named(field, value):
    with pytest.raises(ValueError, match=f"'{field}' cannot be read"):
        adherence(Audio(torch.zeros(1, 100), RATE), {field: value})


def test_tracks_that_are_none_and_samples_that_are_not_finite_are_refused():
    audio = Audio(torch.zeros(1, 100), RATE)
    with pytest.raises(ValueError, match="'tracks' cannot be read"):
        adherence(audio, {"notes": [[0, 1, 60, 90, 0]], "tracks": "drums"})
    bad = Audio(torch.full((1, 100), math.nan), RATE)
    for call in (lambda: adherence(bad, {}), lambda: likeness(bad, audio)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            call()


def test_seams_are_read_as_far_as_the_sound_goes():
    assert read_seams({}, 10) is None and read_seams({"seams": []}, 10) == []
    assert read_seams({"seams": [1, 2.5, 10.0, 12]}, 10.0) == [1, 2.5]
    for bad in ([0.0, 1.0], [2.0, 1.0], [math.nan], "1 2", 3, [[1.0, 2.0]]):
        with pytest.raises(ValueError, match="'seams' cannot be read"):
            read_seams({"seams": bad}, 10)


def test_numbers_of_numpy_are_numbers():
    request = {"beats": np.array([0.5, 1.0]), "bpm": np.float64(100), "pitch": np.int64(60)}
    assert read_request(request).beats == [0.5, 1.0]
    assert read_request(request).pitch == 60.0


def test_what_limits_a_metric_is_known_by_name():
    for table in (ADHERENCE, LIKENESS, COHERENCE, LOOPS, NOTES):
        for name, metric in table.items():
            assert metric.estimator is None or metric.estimator in ESTIMATORS, name
            assert metric.better in ("higher", "lower", "zero", "reference") and metric.about
    assert ADHERENCE["tempo_accuracy"].estimator == "tempo"
