"""MIDI files: round trip, against mido's own clock, and damage of every kind."""

import sys

import numpy as np
import pytest

from latentone.symbolic import (
    Meter,
    MidiError,
    Note,
    Score,
    TempoMap,
    Track,
    read_midi,
    write_midi,
)

mido = pytest.importorskip("mido", reason="the midi extra is not installed")


@pytest.fixture
def score():
    rng = np.random.default_rng(0)

    def notes(n, low, high):
        return tuple(
            sorted(
                Note(i / 2, 0.25 + 0.125 * float(rng.integers(2)), int(rng.integers(low, high)), 80)
                for i in range(n)
            )
        )

    return Score(
        tracks=(
            Track(name="melody", program=73, notes=notes(40, 60, 80), volume=90, pan=30),
            Track(name="bass", program=33, notes=notes(20, 30, 50)),
            Track(name="kit", drums=True, notes=notes(40, 36, 46)),
        ),
        tempo=TempoMap([(0, 125), (8, 100), (12, 75)]),
        meters=(Meter(0, 3, 4),),
        key="F# minor",
    )


def test_round_trip(score, tmp_path):
    write_midi(score, tmp_path / "a.mid")
    found = read_midi(tmp_path / "a.mid")
    assert found.key == score.key and found.meters == score.meters
    assert found.tracks == score.tracks
    assert np.allclose(np.array(found.tempo.changes), np.array(score.tempo.changes), rtol=1e-5)
    assert found.duration == pytest.approx(score.duration, abs=1e-4)


def test_times_agree_with_midos_own_clock(score, tmp_path):
    write_midi(score, tmp_path / "a.mid")
    now, heard = 0.0, []
    for message in mido.MidiFile(tmp_path / "a.mid"):
        now += message.time
        if message.type == "note_on" and message.velocity:
            heard.append((now, message.note))
    ours = [(score.tempo.seconds(n.start), n.pitch) for track in score.tracks for n in track.notes]
    assert [p for _, p in sorted(heard)] == [p for _, p in sorted(ours)]
    assert np.allclose(sorted(t for t, _ in heard), sorted(t for t, _ in ours), atol=1e-3)


def test_a_repeated_key_is_struck_again(tmp_path):
    notes = (Note(0, 1, 60, 80), Note(1, 1, 60, 90))
    write_midi(Score(tracks=(Track(name="a", notes=notes),)), tmp_path / "a.mid")
    assert read_midi(tmp_path / "a.mid").tracks[0].notes == notes


def write_raw(path, *messages, kind=1, division=480):
    file = mido.MidiFile(type=kind, ticks_per_beat=division)
    file.tracks.append(mido.MidiTrack(messages))
    file.save(str(path))
    return path


def test_programs_and_channels_make_tracks(tmp_path):
    on = lambda note, channel, time=0: mido.Message(  # noqa: E731
        "note_on", note=note, velocity=70, channel=channel, time=time
    )
    off = lambda note, channel: mido.Message(  # noqa: E731
        "note_on", note=note, velocity=0, channel=channel, time=480
    )
    path = write_raw(
        tmp_path / "a.mid",
        mido.Message("program_change", program=40, channel=0),
        on(60, 0), off(60, 0),
        mido.Message("program_change", program=56, channel=0),
        on(62, 0), off(62, 0),
        on(38, 9), off(38, 9),
        kind=0,
    )  # fmt: skip
    tracks = read_midi(path).tracks
    assert [(t.program, t.drums, len(t.notes)) for t in tracks] == [
        (40, False, 1), (56, False, 1), (0, True, 1),
    ]  # fmt: skip


def test_a_note_without_end_lasts_to_the_end(tmp_path):
    path = write_raw(
        tmp_path / "a.mid",
        mido.Message("note_on", note=60, velocity=70),
        mido.MetaMessage("end_of_track", time=960),
    )
    assert read_midi(path).tracks[0].notes == (Note(0.0, 2.0, 60, 70),)


@pytest.mark.parametrize("length", [0, 3, 14, 30, 200])
def test_truncated_files_are_refused(score, tmp_path, length):
    write_midi(score, tmp_path / "a.mid")
    (tmp_path / "b.mid").write_bytes((tmp_path / "a.mid").read_bytes()[:length])
    with pytest.raises(MidiError, match=r"b\.mid"):
        read_midi(tmp_path / "b.mid")


def test_noise_never_escapes_as_another_error(score, tmp_path):
    write_midi(score, tmp_path / "a.mid")
    whole = np.frombuffer((tmp_path / "a.mid").read_bytes(), dtype=np.uint8)
    rng = np.random.default_rng(1)
    for _ in range(60):
        broken = whole.copy()
        broken[rng.integers(0, broken.size, 8)] = rng.integers(0, 256, 8)
        (tmp_path / "b.mid").write_bytes(broken.tobytes())
        try:
            read_midi(tmp_path / "b.mid")
        except MidiError as error:
            assert "b.mid" in str(error)


def test_what_cannot_be_music_is_refused(tmp_path):
    silent = write_raw(tmp_path / "silent.mid", mido.MetaMessage("set_tempo", tempo=500000))
    with pytest.raises(MidiError, match="no notes"):
        read_midi(silent)
    endless = write_raw(
        tmp_path / "endless.mid",
        mido.Message("note_on", note=60, velocity=70),
        mido.Message("note_off", note=60, time=2**27),
    )
    with pytest.raises(MidiError, match="hours"):
        read_midi(endless)
    sequences = write_raw(
        tmp_path / "two.mid", mido.Message("note_on", note=60, velocity=70), kind=2
    )
    with pytest.raises(MidiError, match="type 2"):
        read_midi(sequences)
    with pytest.raises(FileNotFoundError):
        read_midi(tmp_path / "none.mid")


def test_too_many_instruments_are_refused(tmp_path):
    note = (Note(0, 1, 60, 80),)
    tracks = tuple(Track(name=str(i), program=i, notes=note) for i in range(16))
    with pytest.raises(ValueError, match="15 channels"):
        write_midi(Score(tracks=tracks), tmp_path / "a.mid")
    alike = tuple(Track(name=str(i), program=i % 3, notes=note) for i in range(20))
    write_midi(Score(tracks=alike), tmp_path / "b.mid")
    assert len(read_midi(tmp_path / "b.mid").tracks) == 20


def test_without_mido_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mido", None)
    with pytest.raises(ImportError, match=r"latentone\[midi\]"):
        read_midi(tmp_path / "a.mid")
