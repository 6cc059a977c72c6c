"""Training checkpoints: folders of safetensors and JSON, written whole or not at all.

    checkpoints/step_00001000/
        <module>.safetensors        one for each module of the task
        optimizer.<name>.safetensors
        average.safetensors         when weights are averaged
        state.json                  step, total, best, optimiser settings, a CRC-32 of every file

Chance needs no file: it is a function of the step (see `chance.py`).
"""

from __future__ import annotations

import json
import shutil
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..atomic import atomic_folder

__all__ = [
    "CheckpointError",
    "Snapshot",
    "load_newest",
    "newest",
    "save_checkpoint",
    "save_tensors",
]

FORMAT = 1


class CheckpointError(RuntimeError):
    """A checkpoint that could not be written."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that a training is, at the end of a step."""

    step: int
    """Optimiser steps done."""
    total_steps: int
    modules: dict[str, dict[str, Tensor]]
    """State dict of every module."""
    optimizers: dict[str, dict[str, Any]]
    """State dict of every optimiser."""
    average: dict[str, Tensor] | None = None
    """Averaged parameters of the model."""
    progress: dict[str, Any] = field(default_factory=dict)
    """JSON values of the loop: the best validation, seconds spent."""


def save_checkpoint(folder: Path, snapshot: Snapshot, keep: int) -> Path:
    """Write `folder/step_N` and remove all but the newest `keep`.

    Raises:
        CheckpointError: the disk is full or broken; older checkpoints are untouched.
    """
    target = folder / f"step_{snapshot.step:08d}"
    for left in folder.glob(".step_*.partial"):  # of a process that was killed while writing
        shutil.rmtree(left, ignore_errors=True)
    try:
        with atomic_folder(target) as partial:
            _write(partial, snapshot)
    except (OSError, SafetensorError) as error:
        older = newest(folder)
        kept = (
            f"{older.name} is intact: make room and repeat to go on from there"
            if older
            else ("there is no older one")
        )
        raise CheckpointError(f"cannot write checkpoint {target}: {error}; {kept}") from error
    for old in sorted(folder.glob("step_*"))[:-keep]:
        shutil.rmtree(old)
    return target


def newest(folder: Path) -> Path | None:
    """The checkpoint with the most steps, whole or not; None without any."""
    return max(folder.glob("step_*"), default=None)


def load_newest(folder: Path) -> Snapshot | None:
    """Read the newest checkpoint that is whole; None without any.

    One that is damaged is named in a warning and passed over.
    """
    for path in sorted(folder.glob("step_*"), reverse=True):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            warnings.warn(
                f"checkpoint {path} is damaged ({error}); going back to the one before",
                stacklevel=2,
            )
    return None


def _write(folder: Path, snapshot: Snapshot) -> None:
    for name, tensors in snapshot.modules.items():
        save_tensors(tensors, folder / f"{name}.safetensors")
    settings = {}
    for name, state in snapshot.optimizers.items():
        settings[name], tensors = _pack(state)
        save_tensors(tensors, folder / f"optimizer.{name}.safetensors")
    if snapshot.average is not None:
        save_tensors(snapshot.average, folder / "average.safetensors")
    state = {
        "format_version": FORMAT,
        "step": snapshot.step,
        "total_steps": snapshot.total_steps,
        "modules": list(snapshot.modules),
        "optimizers": settings,
        "average": snapshot.average is not None,
        "progress": snapshot.progress,
        "crc32": {path.name: _crc32(path) for path in sorted(folder.iterdir())},
    }
    (folder / "state.json").write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _read(folder: Path) -> Snapshot:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if state["format_version"] != FORMAT:
        raise ValueError(f"format_version must be {FORMAT}, got {state['format_version']}")
    for name, expected in state["crc32"].items():
        if (found := _crc32(folder / name)) != expected:
            raise ValueError(f"{name} has CRC-32 {found:08x}, expected {expected:08x}")
    return Snapshot(
        step=state["step"],
        total_steps=state["total_steps"],
        modules={name: load_file(folder / f"{name}.safetensors") for name in state["modules"]},
        optimizers={
            name: _unpack(settings, load_file(folder / f"optimizer.{name}.safetensors"))
            for name, settings in state["optimizers"].items()
        },
        average=load_file(folder / "average.safetensors") if state["average"] else None,
        progress=state["progress"],
    )


def _pack(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Split an optimiser's state dict into JSON values and tensors named `index.key`."""
    values: dict[str, dict[str, Any]] = {}
    tensors = {}
    for index, entries in state["state"].items():
        values[str(index)] = {}
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                values[str(index)][key] = value
    return {"values": values, "groups": state["param_groups"]}, tensors


def _unpack(settings: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {int(i): dict(v) for i, v in settings["values"].items()}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state[int(index)][key] = tensor
    groups = [
        {k: tuple(v) if k == "betas" else v for k, v in group.items()}
        for group in settings["groups"]
    ]
    return {"state": state, "param_groups": groups}


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors; tied ones are written twice."""
    # Clones part tensors that share memory (tied weights), which safetensors refuses.
    save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, path)


def _crc32(path: Path) -> int:
    value, block = 0, 1 << 24
    with path.open("rb") as file:
        while data := file.read(block):
            value = zlib.crc32(data, value)
    return value
