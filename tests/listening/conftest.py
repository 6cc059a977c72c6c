"""Folders of short sounds."""

from pathlib import Path

import pytest
from listening_folders import noise


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """`originals`, and `a`, `b`, `c` made of them: three songs each."""
    for number, name in enumerate(("originals", "a", "b", "c")):
        for song in range(3):
            sound = noise(seed=10 * number + song, level=0.05 * (number + 1))
            (tmp_path / name).mkdir(exist_ok=True)
            sound.save(tmp_path / name / f"song{song}.wav")
    return tmp_path
