"""`generate`, `continue`, `reconstruct`: files, lengths, seeds, provenance, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import latentone
from latentone.audio import Audio, load_audio, read_tags
from latentone.cli import main


def generate(run: Path, out: Path, *more: str) -> torch.Tensor:
    argv = ["generate", str(run), "--duration", "0.6", "-o", str(out), "--device", "cpu", *more]
    assert main(argv) == 0
    return load_audio(out).samples


def test_generate_writes_what_was_asked_and_how(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    more = ("--prompt", "a pluck", "--seed", "5", "--temperature", "0.9", "--top-k", "8")
    first = generate(trained, out, *more)
    assert first.shape == (1, 4800)
    tags = read_tags(out)
    assert tags["software"] == f"latentone {latentone.__version__}"
    assert (tags["model"], tags["seed"], tags["prompt"]) == (str(trained), 5, "a pluck")
    assert (tags["temperature"], tags["top_k"]) == (0.9, 8)
    assert torch.equal(first, generate(trained, out, *more))


def test_a_drawn_seed_is_told_and_repeats_the_sound(trained: Path, tmp_path: Path) -> None:
    first = generate(trained, tmp_path / "first.wav")
    seed = read_tags(tmp_path / "first.wav")["seed"]
    assert torch.equal(first, generate(trained, tmp_path / "again.wav", "--seed", str(seed)))


def test_several_at_once_are_numbered(trained: Path, tmp_path: Path) -> None:
    argv = ["generate", str(trained), "--num", "3", "--duration", "0.2", "--device", "cpu"]
    assert main([*argv, "-o", str(tmp_path / "take.flac")]) == 0
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["take-1.flac", "take-2.flac", "take-3.flac"]
    assert [read_tags(f)["item"] for f in files] == [1, 2, 3]


def test_continue_keeps_the_beginning(trained: Path, tmp_path: Path) -> None:
    start, out = tmp_path / "start.wav", tmp_path / "out.wav"
    Audio(0.2 * torch.sin(torch.arange(22050) * 0.1)[None], 44100).save(start)
    argv = ["continue", str(trained), str(start), "--duration", "0.5", "--seed", "1"]
    assert main([*argv, "--device", "cpu", "-o", str(out)]) == 0
    assert load_audio(out).samples.shape == (1, 8000)
    assert read_tags(out)["continues"] == "start.wav"
    assert main([*argv, "--seconds", "0.25", "--device", "cpu", "-o", str(out)]) == 0
    assert load_audio(out).samples.shape == (1, 6000)


def test_reconstruct_is_as_long_as_the_recording(
    trained: Path, tones: Path, tmp_path: Path
) -> None:
    source, out = tones / "pluck a.wav", tmp_path / "heard.wav"
    argv = ["reconstruct", str(trained / "codec"), str(source), "--device", "cpu", "-o", str(out)]
    assert main(argv) == 0
    assert load_audio(out).samples.shape == load_audio(source).samples.shape
    assert read_tags(out)["reconstructs"] == "pluck a.wav"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["generate", "{run}/codec"], "codec without a generator"),
        (["generate", "{run}/generator"], "generator without its codec"),
        (["generate", "{run}/nothing"], "does not exist"),
        (["generate", "{run}", "--condition", "bpm"], "NAME=VALUE"),
        (["generate", "{run}", "--condition", "bpm=90"], "unknown condition 'bpm'"),
        (["generate", "{run}", "--duration", "-1"], "positive number of seconds"),
        (["generate", "{run}", "--num", "0"], "--num must be 1"),
        (["generate", "{run}", "--device", "tpu"], "unknown device 'tpu'"),
        (["generate", "{run}", "-o", "out.xyz"], "suffix"),
        (["reconstruct", "{run}", "{data}/broken.wav"], "broken.wav"),
        (["reconstruct", "{run}", "{data}/broken.wav", "--denoise", "1"], "switch of SoundStream"),
        (["continue", "{run}", "{data}/none.wav"], "does not exist"),
    ],
)
def test_wrong_requests_are_told_in_a_line(
    argv: list[str],
    said: str,
    trained: Path,
    tones: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [text.format(run=trained, data=tones) for text in argv]
    assert main([*filled, "--device", "cpu"] if "--device" not in argv else filled) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert list(tmp_path.iterdir()) == []
