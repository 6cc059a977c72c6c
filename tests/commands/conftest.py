"""A folder of tones, and a toy system beside the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import latentone.systems
from latentone.audio import Audio
from latentone.cli import main


@pytest.fixture(scope="session", autouse=True)
def toy_system() -> Iterator[None]:
    """Adding a system is adding a file to `systems/`: here, a folder to its path."""
    folder = str(Path(__file__).parent / "systems")
    latentone.systems.__path__.append(folder)
    yield
    latentone.systems.__path__.remove(folder)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve captioned plucks of a second, and a file that is none."""
    folder = tmp_path_factory.mktemp("tones")
    t = torch.arange(8000) / 8000
    for i in range(12):
        x = 0.3 * torch.sin(2 * torch.pi * 110 * 2 ** (i / 6) * t) * torch.exp(-6 * (t % 0.5))
        name = f"pluck {'abcdefghijkl'[i]}"
        Audio(x[None], 8000).save(folder / f"{name}.wav")
        (folder / f"{name}.json").write_text(json.dumps({"caption": f"pluck number {i}"}))
    (folder / "broken.wav").write_bytes(b"RIFF nothing")
    return folder


@pytest.fixture(scope="session")
def trained(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, made by the command line."""
    run = tmp_path_factory.mktemp("runs") / "run"
    argv = ["train", "toy", "--size", "debug", "--data", str(tones), "--out", str(run)]
    assert main([*argv, "--device", "cpu", "--no-report"]) == 0
    return run
