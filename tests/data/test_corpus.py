"""A corpus on disk: files and sidecars agree, it resumes after a kill, damage is reported."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import latentone
from latentone.audio import audio_info, load_audio
from latentone.data import corpus as corpus_module
from latentone.data.composer import compose
from latentone.data.corpus import Composed, FromMidi, Settings, build_corpus, plan_composed
from latentone.data.ground_truth import ground_truth
from latentone.data.piece import Piece, Window, windows
from latentone.data.render import Renderer, choose_renderer
from latentone.data.render_midi import find_midi, read_piece
from latentone.data.scan import scan
from latentone.data.wording import caption, tempo_word
from latentone.symbolic import Note, Score, TempoMap, Track, write_midi

RATE = 8000
SETTINGS = Settings(renderer=Renderer(sample_rate=RATE, channels=1), seconds=12.0)
ORIGIN = {"composed": {"seed": 5}}


def melody(n=32, program=0):
    notes = tuple(Note(i * 0.5, 0.45, 60 + i % 12, 90) for i in range(n))
    return Score(
        tracks=(Track(name="a", program=program, notes=notes),),
        tempo=TempoMap([(0, 100)]),
        key="D minor",
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("corpus")
    jobs = [Composed(seed=5, index=i) for i in range(3)]
    results = build_corpus(jobs, out, SETTINGS, origin=ORIGIN)
    return out, jobs, results


def sidecars(out):
    return {p.stem: json.loads(p.read_text()) for p in sorted(out.glob("0*.json"))}


def test_sound_and_sidecars_agree(built):
    out, _, results = built
    assert not any(r.failure for r in results)
    truths = sidecars(out)
    assert len(truths) == sum(r.files for r in results) == sum(r.written for r in results)
    for stem, truth in truths.items():
        x = load_audio(out / f"{stem}.flac").samples.numpy()
        assert x.shape == (1, round(truth["duration"] * RATE))
        peak, rms = np.abs(x).max(), np.sqrt(np.mean(x**2))
        assert np.isfinite(x).all() and 0.05 < peak <= 0.9 and rms > 0.005
        assert abs(x.mean()) < 1e-3


def test_beats_and_bpm_agree(built):
    for truth in sidecars(built[0]).values():
        beats, bars = np.array(truth["beats"]), np.array(truth["downbeats"])
        assert 60 / np.median(np.diff(beats)) == pytest.approx(truth["bpm"], abs=0.01)
        assert all(np.abs(beats - bar).min() < 1e-4 for bar in bars)
        count = int(truth["time_signature"].split("/")[0])
        assert bars[0] == pytest.approx(0, abs=1e-4)  # files begin on a downbeat
        assert np.allclose(beats[: bars.size * count : count][: bars.size], bars, atol=1e-4)


def test_notes_and_chords_agree(built):
    from latentone.symbolic.theory import chord_pitch_classes

    for truth in sidecars(built[0]).values():
        spans = truth["chords"]
        assert spans[0][0] == 0 and spans[-1][1] <= truth["duration"] + 1e-6
        harmony = [i for i, t in enumerate(truth["tracks"]) if t["name"] in ("chords", "pad")]
        fits = []
        for t0, t1, pitch, velocity, track in truth["notes"]:
            assert 0 <= t0 < t1 <= truth["duration"] + 1e-6 and 1 <= velocity <= 127
            if track in harmony:
                middle = min(t0 + 0.03, t1)
                label = next((c for a, b, c in spans if a <= middle < b), spans[-1][2])
                fits.append(pitch % 12 in chord_pitch_classes(label))
        assert not fits or np.mean(fits) > 0.98


def test_onsets_are_in_the_sound(built):
    """Energy rises at note times more than at random times: truth and sound share a clock."""
    out, _, _ = built
    gains = []
    for stem, truth in sidecars(out).items():
        x = load_audio(out / f"{stem}.flac").samples[0].numpy()
        frame = RATE // 200
        spectrum = np.abs(
            np.fft.rfft(
                np.lib.stride_tricks.sliding_window_view(x, 4 * frame)[::frame]
                * np.hanning(4 * frame),
                axis=1,
            )
        )
        flux = np.maximum(np.diff(np.log1p(100 * spectrum), axis=0), 0).sum(1)
        onsets = sorted({n[0] for n in truth["notes"] if 0.1 < n[0] < truth["duration"] - 0.2})

        def around(times, flux=flux, frame=frame):
            index = np.round(np.array(times) * RATE / frame - 2).astype(int)
            return np.mean([flux[max(0, i - 1) : i + 3].max() for i in index])

        spread = np.linspace(0.15, truth["duration"] - 0.25, 200)
        gains.append(around(onsets) / around(spread))
    assert np.mean(gains) > 1.15


def test_the_scan_reads_what_was_written(built):
    out, jobs, _ = built
    manifest = scan(out)
    truths = sidecars(out)
    assert len(manifest.items) == len(truths) and not manifest.failures
    assert {item.group.removeprefix("said:") for item in manifest.items} == {
        f"{job.index:05d}" for job in jobs
    }
    for item in manifest.items:
        truth = truths[Path(item.path).stem]
        assert item.caption == truth["caption"]
        for name in ("bpm", "key", "genre", "instrument", "instruments", "mood"):
            assert item.metadata[name] == truth[name]


def test_resuming_renders_nothing_twice(built, monkeypatch):
    out, jobs, results = built
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in out.glob("0*")}
    lost = sorted(out.glob("*-01.json"))[0]
    lost.unlink()
    rendered = []
    render = Renderer.render
    monkeypatch.setattr(
        Renderer, "render", lambda self, piece: rendered.append(piece.name) or render(self, piece)
    )
    again = build_corpus(jobs, out, SETTINGS, origin=ORIGIN)
    assert rendered == [lost.name[:5]] and sum(r.written for r in again) == 1
    assert [r.files for r in again] == [r.files for r in results]
    for path, (when, content) in before.items():
        assert path.read_bytes() == content
        if path.stem != lost.stem:
            assert path.stat().st_mtime_ns == when


@pytest.mark.slow
def test_workers_do_not_change_the_files(built, tmp_path):
    out, jobs, _ = built
    build_corpus(jobs[:2], tmp_path, SETTINGS, origin=ORIGIN, workers=2)
    for path in tmp_path.glob("0*"):
        assert path.read_bytes() == (out / path.name).read_bytes()


def test_other_settings_are_refused(built):
    out, jobs, _ = built
    other = Settings(renderer=Renderer(sample_rate=16000, channels=1), seconds=12.0)
    with pytest.raises(ValueError, match=r"sample_rate 8000.*16000"):
        build_corpus(jobs, out, other, origin=ORIGIN)
    with pytest.raises(ValueError, match="origin"):
        build_corpus(jobs, out, SETTINGS, origin={"composed": {"seed": 6}})


def test_a_killed_run_leaves_only_whole_files_and_goes_on(tmp_path):
    midi, out, fresh = (tmp_path / name for name in ("midi", "out", "fresh"))
    midi.mkdir()
    for i in range(16):
        write_midi(melody(16), midi / f"{i:02d}.mid")
    source = str(Path(latentone.__file__).parents[1])
    command = [
        *(sys.executable, "-m", "latentone", "corpus", "--out", str(out), "--midi", str(midi)),
        *("--sample-rate", str(RATE), "--channels", "1", "--fluidsynth", "no", "--workers", "1"),
    ]
    env = {**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=env, **quiet)
    deadline = time.monotonic() + 120
    while len(list(out.glob("*-*.json"))) < 3 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    survived = list(out.glob("*-*.json"))
    jobs = [FromMidi(path=path, folder=midi) for path in find_midi(midi)]
    assert 3 <= len(survived) < len(jobs)
    for path in survived:
        assert audio_info(path.with_suffix(".flac")).frames > 0
    results = build_corpus(jobs, out, SETTINGS, origin={"midi": "midi"})
    assert sum(r.written for r in results) == sum(r.files for r in results) - len(survived)
    build_corpus(jobs, fresh, SETTINGS, origin={"midi": "midi"})
    names = {p.name for p in fresh.iterdir()}
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} == names
    assert all((out / n).read_bytes() == (fresh / n).read_bytes() for n in names)


def test_a_full_disk_is_raised_and_nothing_broken_stays(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus_module, "_write_sidecar", full)
    with pytest.raises(OSError, match="No space"):
        build_corpus([Composed(seed=5, index=0)], tmp_path, SETTINGS, origin=ORIGIN)
    assert not list(tmp_path.glob("0*.json"))


def test_a_midi_folder_becomes_a_corpus(tmp_path):
    midi, out = tmp_path / "midi", tmp_path / "out"
    (midi / "deep" / "er").mkdir(parents=True)
    write_midi(melody(), midi / "first.mid")
    write_midi(melody(64, program=73), midi / "deep" / "er" / "Second Song.MID")
    (midi / "broken.mid").write_bytes(b"MThd and nothing more")
    (midi / "empty.midi").write_bytes(b"")
    (midi / "notes.txt").write_text("not music")
    jobs = [FromMidi(path=p, folder=midi) for p in find_midi(midi)]
    settings = Settings(renderer=SETTINGS.renderer, seconds=5.0)
    results = build_corpus(jobs, out, settings, origin={"midi": "midi"})
    failures = {r.job.path.name: r.failure for r in results if r.failure}
    assert set(failures) == {"broken.mid", "empty.midi"}
    listed = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    assert {f["job"] for f in listed} == set(failures)
    truth = json.loads((out / "deep" / "er" / "Second Song-01.json").read_text())
    assert truth["group"] == "deep/er/Second Song" and truth["instruments"] == ["flute"]
    assert truth["bpm"] == pytest.approx(100, abs=0.01) and truth["key"] == "D minor"
    assert (out / "first-00.flac").is_file()
    whole = Settings(renderer=SETTINGS.renderer, seconds=None)
    build_corpus(jobs, tmp_path / "whole", whole, origin={"midi": "midi"})
    assert audio_info(tmp_path / "whole" / "first.flac").duration == pytest.approx(
        melody().duration + 1.5, abs=1e-3
    )


def test_folders_without_midi_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no \.mid"):
        find_midi(tmp_path)
    with pytest.raises(FileNotFoundError):
        find_midi(tmp_path / "none")


def test_annotations_beside_a_file_are_used(tmp_path):
    folder = tmp_path / "042"
    folder.mkdir()
    write_midi(melody(), folder / "042.mid")
    beats = 0.1 + 0.6 * np.arange(16)
    rows = [f"{t} {float(i % 2 == 0)} {float(i % 4 == 0)}" for i, t in enumerate(beats)]
    (folder / "beat_midi.txt").write_text("\n".join(rows))
    (folder / "chord_midi.txt").write_text("0.1\t2.5\tC:maj\n2.5\t4.9\tA:min/b3\n")
    (folder / "key_audio.txt").write_text("0.0\t9.0\tGb:maj\n")
    piece = read_piece(folder / "042.mid", tmp_path)
    truth = ground_truth(piece, Window(2.5, 7.3))
    assert piece.name == "042" and truth["key"] == "F# major"
    assert truth["chords"] == [[0.0, 2.4, "A:min/b3"]]
    assert truth["beats"][:3] == pytest.approx([0.0, 0.6, 1.2])
    assert truth["downbeats"] == pytest.approx([0.0, 2.4])
    assert truth["time_signature"] == "4/4" and truth["bpm"] == 100
    (folder / "key_audio.txt").write_text("0.0\t9.0\tnonsense\n")
    with pytest.raises(ValueError, match="annotations beside"):
        read_piece(folder / "042.mid", tmp_path)


def test_windows_begin_on_downbeats_and_do_not_overlap():
    piece = compose(0, 0)
    cuts = windows(piece, 10.0)
    assert len(cuts) > 2
    for cut, after in pairwise(cuts):
        assert cut.end <= after.start + 1e-9
        assert np.abs(piece.score.downbeats - after.start).min() < 1e-9
    assert all(c.end - c.start == pytest.approx(10.0) for c in cuts[:-1])
    assert windows(piece, None) == [Window(0.0, piece.duration)]


def test_silent_stretches_are_left_out():
    notes = (Note(0, 1, 60, 90), Note(1, 1, 62, 90), Note(100, 1, 60, 90), Note(101, 1, 64, 90))
    score = Score(tracks=(Track(name="a", notes=notes),), tempo=TempoMap([(0, 60)]))
    cuts = windows(Piece(name="gap", score=score), 10.0)
    assert [round(c.start) for c in cuts] == [0, 96] or len(cuts) == 2


def test_dynamics_follow_the_velocities():
    notes = tuple(Note(i, 0.5, 60, 20 + 3 * i) for i in range(32))
    piece = Piece(name="a", score=Score(tracks=(Track(name="a", notes=notes),)))
    curve = ground_truth(piece, Window(0.0, piece.duration))["dynamics"]
    assert curve[0] == [0.0, pytest.approx(np.mean([20, 23, 26, 29]) / 127, abs=1e-3)]
    assert np.all(np.diff([v for _, v in curve]) > 0)


def test_captions_vary_and_tell_the_truth(built):
    truth = next(iter(sidecars(built[0]).values()))
    texts = {caption(truth, np.random.default_rng(i)) for i in range(60)}
    assert len(texts) > 40
    instruments = truth["instruments"]
    for text in texts:
        assert text[0].isupper() and text.endswith(".")
        assert any(name.lower() in text.lower() for name in instruments)
        if "bpm" in text.lower() or "beats per minute" in text:
            assert f"{truth['bpm']:.0f}" in text
        for word in ("major", "minor"):
            assert word not in text or word in truth["key"]
    assert [tempo_word(b) for b in (50, 70, 100, 130, 170)] == [
        "very slow", "slow", "mid-tempo", "fast", "very fast",
    ]  # fmt: skip


def test_the_plan_fills_the_time():
    jobs = plan_composed(0, 3.0, 12.0)
    lengths = [sum(w.end - w.start for w in windows(j.piece(), 12.0)) for j in jobs]
    assert sum(lengths) >= 180 > sum(lengths[:-1])
    assert [j.index for j in jobs] == list(range(len(jobs)))


def test_what_plays_is_chosen_and_said(monkeypatch, tmp_path):
    from latentone.instruments import fluidsynth

    kwargs = {"sample_rate": RATE, "channels": 1}
    assert choose_renderer(**kwargs, recorded="no")[0].soundfont is None
    monkeypatch.setattr(fluidsynth, "missing", lambda soundfont=None: "it is not installed")
    renderer, why = choose_renderer(**kwargs)
    assert renderer.soundfont is None and why == "it is not installed"
    with pytest.raises(ValueError, match="not installed"):
        choose_renderer(**kwargs, recorded="yes")
    with pytest.raises(ValueError, match="not installed"):
        choose_renderer(**kwargs, soundfont=tmp_path / "my.sf2")
    with pytest.raises(ValueError, match="8000 to 96000"):
        Renderer(sample_rate=192000, channels=1)
    with pytest.raises(ValueError, match="1 or 2 channels"):
        Renderer(sample_rate=24000, channels=6)
