"""A strip of the same held-out sounds over a training, few enough to be kept and compared.

    strip/
        original/NAME.flac          what they sound like
        step_N/NAME.flac            what the model made of them after N steps

Of the validations 1, 2, 3, ... those are kept whose number is 1 more than a multiple of a stride:
the smallest power of two with which at most seven are left; and the last one. Strides that divide
each other keep subsets of each other: what is thrown away is never missed again, whenever a
training is killed and goes on, and the strip is a function of the steps that were made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..atomic import atomic_folder
from ..audio import Audio, save_audio
from .task import Portrait

__all__ = ["MOST", "Strip", "read_strip"]

MOST = 8
"""Moments that are kept, the last among them."""
ORIGINAL = "original"


class Strip:
    """Keeps the sounds of some validations; a folder of small files.

    Args:
        folder: `training/strip`, made when there is something to keep.
        every: steps between two validations.
        step: steps done; what an interrupted training kept beyond it is dropped.
    """

    def __init__(self, folder: Path, *, every: int, step: int) -> None:
        self.folder, self.every = folder, every
        for left in folder.glob(".*"):  # of a process that was killed while writing
            shutil.rmtree(left, ignore_errors=True)
        for done in _steps(folder):
            if done > step:
                shutil.rmtree(_at(folder, done))

    def wants(self, step: int) -> bool:
        """Whether the validation after `step` steps is one to keep for longer."""
        number = step // self.every
        return step % self.every == 0 and number > 0 and (number - 1) % _stride(number) == 0

    def add(self, step: int, portrait: Portrait) -> None:
        """Keep this moment, and of the earlier ones those that are wanted still."""
        if not portrait.sounds:
            return
        if not (self.folder / ORIGINAL).exists():
            _write(self.folder / ORIGINAL, portrait.originals)
        _write(_at(self.folder, step), portrait.sounds)
        stride = _stride(step // self.every)
        for done in _steps(self.folder):
            number, rest = divmod(done, self.every)
            if done != step and (rest or (number - 1) % stride):
                shutil.rmtree(_at(self.folder, done))


def read_strip(folder: Path) -> tuple[dict[str, Path], dict[int, dict[str, Path]]]:
    """Files of the originals by name, and of every kept step; both empty where none were kept."""
    steps = {step: _files(_at(folder, step)) for step in _steps(folder)}
    return _files(folder / ORIGINAL), steps


def _stride(number: int) -> int:
    """The smallest power of two that leaves at most seven of validations 1 to `number`."""
    stride = 1
    while (number - 1) // stride + 1 > MOST - 1:
        stride *= 2
    return stride


def _at(folder: Path, step: int) -> Path:
    return folder / f"step_{step:08d}"


def _steps(folder: Path) -> list[int]:
    return sorted(int(p.name.removeprefix("step_")) for p in folder.glob("step_*"))


def _files(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*.flac"))}


def _write(folder: Path, sounds: dict[str, Audio]) -> None:
    with atomic_folder(folder) as partial:
        for name, audio in sounds.items():
            finite = Audio(audio.samples.detach().float().cpu().nan_to_num(), audio.sample_rate)
            save_audio(partial / f"{name}.flac", finite.limit_peak(), subtype="PCM_16")
