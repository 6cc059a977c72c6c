"""`systems` and `info`: what is there, in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from latentone.cli import main


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 0
    return capsys.readouterr().out


def test_systems_lists_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    listed = said(capsys, "systems")
    assert "toy" in listed and "Tones into tones." in listed
    assert "Nobody 2026: On Toys" in " ".join(listed.split())
    assert "Trains codec (step 1), generator (step 3). Sizes: debug" in " ".join(listed.split())
    one = said(capsys, "systems", "toy")
    for text in ("Toy", "On Toys", "2026", "debug", "seconds", "latentone train toy"):
        assert text in one
    assert "trains: codec (step 1), generator (step 3)\n" in one
    assert main(["systems", "musicgan"]) == 2
    assert "unknown system 'musicgan'" in capsys.readouterr().err


def test_one_system_is_told_with_the_exact_size_of_its_codecs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = said(capsys, "systems", "dac")
    assert "https://arxiv.org/abs/2306.06546" in told and "trains: codec (step 1)\n" in told
    for size, count in (("24khz", "74,708,706"), ("44khz", "76,651,890")):
        (line,) = [line for line in told.splitlines() if line.startswith(f"{size} ")]
        assert count in line
    judge = said(capsys, "systems", "classifier")
    assert "trains: embedding\n" in judge and "codec" not in judge


def test_info_knows_what_it_looks_at(
    trained: Path, tones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = said(capsys, "info", str(tones))
    assert "12 files" in folder and "8000 Hz (12)" in folder and "broken.wav" in folder
    run = said(capsys, "info", str(trained))
    for text in ("a run", "toy", "finished", "2 x 16 codes at 100 Hz", "text", "a latent store"):
        assert text in run
    assert "a latent store" in said(capsys, "info", str(trained / "latents"))
    assert "EnCodec" in said(capsys, "info", str(trained / "codec"))
    generator = said(capsys, "info", str(trained / "generator"))
    assert "a generator" in generator and "Autoregressive" in generator
    assert "8000 Hz" in said(capsys, "info", str(tones / "pluck a.wav"))


def test_info_of_a_run_that_has_only_begun(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("recipe.json", "manifest.json"):
        shutil.copy(trained / name, tmp_path / name)
    assert "none yet" in said(capsys, "info", str(tmp_path))


def test_info_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(tmp_path / "missing")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["info", str(tmp_path)]) == 2
    assert "audio" in capsys.readouterr().err
