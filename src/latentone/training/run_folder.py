"""What a run folder says before anything is trained: the recipe, the items and their split."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..atomic import atomic_file
from ..config import from_dict, load_json, save_json
from ..data import Manifest, scan
from .devices import make_fabric
from .recipe import Recipe
from .resume import ResumeError

__all__ = ["prepare_run", "wait_for_first_rank"]


def prepare_run(
    recipe: Recipe,
    data_folder: str | Path,
    run_dir: Path,
    trained: Sequence[str],
    *,
    device: str,
    on_event: Callable[[str], None],
) -> Manifest:
    """Join the processes, keep the recipe, list the folder once; every process gets the list.

    Args:
        recipe: what is trained.
        data_folder: the sounds.
        run_dir: the run folder; made when missing.
        trained: stages of the recipe that are trained now.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called with a line about what is read.

    Raises:
        ResumeError: the folder holds another system, other data or another split.
        FileNotFoundError: no such folder of sounds.
        ValueError: it holds no audio.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        make_fabric(device)  # joins the processes, so that they can wait for each other
    if int(os.environ.get("RANK", "0")) == 0:
        _remember(recipe, run_dir, trained)
        _list_items(recipe, Path(data_folder), run_dir, on_event)
    wait_for_first_rank()
    return Manifest.load(run_dir / "manifest.json")


def wait_for_first_rank() -> None:
    """Return when every process has come here; alone, at once."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def _remember(recipe: Recipe, run_dir: Path, trained: Sequence[str]) -> None:
    """Write `recipe.json`; of stages that are not trained now, keep what was used before.

    Raises:
        ResumeError: the folder holds another system, or the same on another split.
    """
    path = run_dir / "recipe.json"
    if path.exists():
        before = from_dict(Recipe, load_json(path))
        for name in ("system", "size", "data"):
            old, new = getattr(before, name), getattr(recipe, name)
            if old != new:
                raise ResumeError(
                    f"{run_dir} was begun with `{name}` = {old!r}, and now it is {new!r}: give the "
                    "old value or another folder"
                )
        kept = {
            n: getattr(before, n) for n in ("codec", "generator", "embedding") if n not in trained
        }
        recipe = replace(recipe, **kept)
    save_json(recipe, path)


def _list_items(recipe: Recipe, folder: Path, run_dir: Path, say: Callable[[str], None]) -> None:
    """Scan the folder once; a repeated call trains on what the first one found.

    Raises:
        ResumeError: the run was begun on another folder.
    """
    path = run_dir / "manifest.json"
    if path.exists():
        manifest = Manifest.load(path)
        if Path(manifest.root) != folder.resolve():
            raise ResumeError(
                f"{run_dir} was begun on {manifest.root}, and now the data is {folder.resolve()}: "
                "give the old folder or another run"
            )
        return
    say(f"read {folder}")
    data = recipe.data
    manifest = scan(
        folder,
        group_by=data.group_by,
        valid_fraction=data.valid_fraction,
        test_fraction=data.test_fraction,
        seed=data.seed,
    )
    with atomic_file(run_dir / "test_items.txt") as partial:
        partial.write_text("".join(f"{item.path}\n" for item in manifest.split("test")))
    manifest.save(path)
    left_out = f", {len(manifest.failures)} left out" if manifest.failures else ""
    say(f"{len(manifest.items)} files, {manifest.duration / 60:.1f} minutes{left_out}")
