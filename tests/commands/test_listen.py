"""`latentone listen` from the outside: flags, files, exit codes, what is said."""

import dataclasses
import json

import pytest
import torch

from latentone.audio import Audio
from latentone.cli import main
from latentone.commands import listen as verb


@pytest.fixture
def folders(tmp_path):
    rng = torch.Generator().manual_seed(0)
    for name in ("originals", "a", "b"):
        (tmp_path / name).mkdir()
        for song in ("one", "two"):
            sound = Audio(0.1 * torch.randn(1, 8000, generator=rng), 16_000)
            sound.save(tmp_path / name / f"{song}.wav")
    return tmp_path


def listen(*argv):
    return main(["listen", *map(str, argv)])


def key(folder):
    return json.loads((folder / "key.json").read_text())


def test_a_mushra_test(folders, capsys):
    argv = [folders / "originals", folders / "a", f"second={folders / 'b'}"]
    assert listen("mushra", *argv, "-o", folders / "t", "--title", "T", "--repeats", "2") == 0
    design = key(folders / "t")
    assert design["kind"] == "mushra" and design["systems"] == ["a", "second"]
    assert design["title"] == "T" and design["repeats"] == 2 and design["lufs"] == -23
    assert design["anchors"] == ["anchor 3.5 kHz", "anchor 7 kHz"]
    said = capsys.readouterr().out
    assert "4 pages" in said and "index.html" in said and "keep it" in said
    assert listen("mushra", *argv, "-o", folders / "u", "--anchors", "2000", "--no-loudness") == 0
    assert key(folders / "u")["anchors"] == ["anchor 2 kHz"] and key(folders / "u")["lufs"] is None


def test_pairs_of_all_kinds(folders):
    two = folders / "a", folders / "b"
    assert (
        listen("ab", *two, "-o", folders / "ab", "--no-ties", "--task", "Which is livelier?") == 0
    )
    assert key(folders / "ab")["ties"] is False
    assert key(folders / "ab")["task"] == "Which is livelier?"
    assert listen("abx", *two, "-o", folders / "abx", "--items", "1", "--repeats", "3") == 0
    assert key(folders / "abx")["kind"] == "abx" and len(key(folders / "abx")["trials"]) == 1
    assert listen("pairs", folders / "originals", *two, "-o", folders / "p") == 0
    assert len(key(folders / "p")["trials"]) == 6


def test_questions(folders, capsys):
    argv = ["questions", folders / "a", "-o", folders / "q"]
    scale = "How musical?|not at all|very"
    assert listen(*argv, "--scale", scale, "--question", "Why?", "--question", "Where?") == 0
    asked = key(folders / "q")["questions"]
    assert [(q["kind"], q["text"]) for q in asked] == [
        ("scale", "How musical?"),
        ("open", "Why?"),
        ("open", "Where?"),
    ]
    assert asked[0]["low"] == "not at all" and asked[0]["high"] == "very"
    assert listen(*argv, "--scale", "a|b") == 2
    assert listen(*argv) == 2
    assert "expected a question" in capsys.readouterr().err


def save_result(folder, listener, pick):
    design = key(folder)
    answers = [
        {
            "trial": trial["id"],
            "round": 0,
            "sounds": list(trial["sounds"]),
            "choice": next(k for k, name in trial["sounds"].items() if name == pick),
        }
        for trial in design["trials"]
    ]
    data = {
        "format": "latentone listening result",
        "test": design["id"],
        "session": listener,
        "seed": 1,
        "listener": {"id": listener, "headphones": False},
        "answers": answers,
    }
    path = folder / f"result-{listener}.json"
    path.write_text(json.dumps(data))
    return path


def test_results(folders, capsys):
    test, out = folders / "t", folders / "analysis"
    assert listen("ab", folders / "a", folders / "b", "-o", test) == 0
    files = [save_result(test, name, "a") for name in ("ann", "bo", "cy")]
    assert listen("results", *files, "-o", out) == 0
    found = json.loads((out / "results.json").read_text())
    assert found["pairs"][0]["share"] == 1 and found["pairs"][0]["first_wins"] == 6
    said = capsys.readouterr().out
    assert "100%" in said and "results.html" in said and "rough guesses" in said
    files[0].write_text("{")
    assert listen("results", test, "-o", out) == 2
    assert "result-ann.json" in capsys.readouterr().err
    assert listen("results", test, "-o", out, "--leave-out") == 0
    assert "left out: result-ann.json" in capsys.readouterr().out
    assert json.loads((out / "results.json").read_text())["listeners_heard"] == 2


def test_wrong_requests(folders, capsys):
    assert listen("ab", folders / "a", "-o", folders / "t") == 2
    assert "two folders" in capsys.readouterr().err
    assert listen("ab", folders / "a", folders / "none", "-o", folders / "t") == 2
    assert "is no folder" in capsys.readouterr().err
    assert listen("results", folders / "none.json") == 2
    assert not (folders / "t").exists()


def test_unusable_outputs_are_found_before_the_work(folders, capsys, monkeypatch):
    def work(*_, **__):
        raise AssertionError("worked before looking where the test goes")

    for name in ("build_mushra", "build_pairs", "analyse"):
        monkeypatch.setattr(f"latentone.listening.{name}", work)
    file = folders / "a" / "one.wav"
    for out in (file, file / "t", file / "t" / "deeper"):
        for argv in (["mushra", folders / "originals", folders / "b"], ["ab", *"ab"]):
            paths = [folders / a if a in ("a", "b") else a for a in argv]
            assert listen(*paths, "-o", out) == 2
            said = capsys.readouterr().err
            assert f"--out {out} cannot be written to" in said and "is a file" in said
            assert "name a new folder" in said and "Errno" not in said
    assert listen("results", folders / "none.json", "-o", file / "t") == 2
    assert f"--out {file / 't'} cannot be written to" in capsys.readouterr().err


def test_power(capsys):
    assert listen("power") == 0
    said = capsys.readouterr().out
    assert "| 60% | 210 | 169 |" in said and "| 10 | 5 | 10 | 20 | 34 |" in said


def test_every_flag_is_explained():
    from tyro._docstrings import get_field_docstring

    for words in (verb.Mushra, verb.Ab, verb.Abx, verb.Pairs, verb.Questions, verb.Results):
        for field in dataclasses.fields(words):
            assert get_field_docstring(words, field.name, ()), (words, field.name)
