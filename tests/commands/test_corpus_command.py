"""`latentone corpus` from the outside: flags, exit codes, what is said."""

import subprocess
import sys

import pytest

from latentone.cli import main
from latentone.symbolic import Note, Score, Track, write_midi

FAST = ["--sample-rate", "8000", "--channels", "1", "--workers", "1", "--fluidsynth", "no"]


def test_composing(tmp_path, capsys):
    out = tmp_path / "c"
    assert main(["corpus", "--out", str(out), "--minutes", "0.5", *FAST]) == 0
    said = capsys.readouterr().out
    assert "latentone.instruments" in said and "minutes" in said
    files = sorted(p.name for p in out.glob("*.flac"))
    assert files and all((out / f).with_suffix(".json").is_file() for f in files)
    assert main(["corpus", "--out", str(out), "--minutes", "0.5", *FAST]) == 0
    assert "(0 written now" in capsys.readouterr().out


def test_midi_with_damage_exits_with_one(tmp_path, capsys):
    midi = tmp_path / "midi"
    midi.mkdir()
    notes = tuple(Note(i, 0.9, 60 + i, 90) for i in range(12))
    write_midi(Score(tracks=(Track(name="a", notes=notes),)), midi / "a.mid")
    (midi / "b.mid").write_bytes(b"broken")
    out = tmp_path / "c"
    command = ["corpus", "--out", str(out), "--midi", str(midi), "--format", "wav", *FAST]
    assert main(command) == 1
    assert "b.mid" in capsys.readouterr().out.replace("\n", "")
    assert (out / "a-00.wav").is_file() and (out / "failures.jsonl").is_file()
    (midi / "b.mid").unlink()
    assert main(command) == 0
    assert not (out / "failures.jsonl").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--minutes", "0"], "--minutes must be positive"),
        (["--seconds", "0.2"], "--seconds must be 1 or more"),
        (["--workers", "0"], "--workers"),
        (["--sample-rate", "400000"], "8000 to 96000"),
        (["--midi", "nowhere"], "nowhere"),
        (["--soundfont", "no.sf2", "--fluidsynth", "yes"], "not available"),
    ],
)
def test_wrong_requests_exit_with_two(tmp_path, capsys, flags, message):
    assert main(["corpus", "--out", str(tmp_path / "c"), *flags]) == 2
    assert message in capsys.readouterr().err


def test_help_imports_no_torch():
    code = (
        "import sys, latentone.commands.corpus\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
