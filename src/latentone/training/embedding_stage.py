"""Train an embedding on a folder of sound and say how good it is on what it has not seen.

run_dir/
    recipe.json manifest.json test_items.txt    as for every system
    embedding/                                  the model, and its `training/`
    metrics.json                                its figures on the held-out items
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import save_json
from ..data import AudioCrops, Manifest
from ..device import choose_device
from ..embeddings import embed_files
from ..embeddings.trained import TrainedEmbedding
from ..hub import CONFIG, resolve_folder
from ..metrics.wholes import judge_heads, judge_texts
from .chance import seed_everything
from .fit import fit
from .recipe import Recipe, Stage
from .run_folder import prepare_run
from .tasks.embedding import EmbeddingTaskConfig

__all__ = ["EMBEDDING", "fit_embedding", "judge_embedding", "train_embedding"]

EMBEDDING = "embedding"
"""Its folder in a run."""


def train_embedding(
    recipe: Recipe,
    data_folder: str | Path,
    run_dir: str | Path,
    *,
    minutes: float | None = None,
    device: str = "auto",
    embedding_from: str | Path | None = None,
    progress: bool = True,
    on_event: Callable[[str], None] = print,
    on_file: Callable[[int, int], None] | None = None,
) -> Path:
    """Train and judge the embedding of a recipe on a folder of sound; repeating the call goes on.

    Args:
        recipe: what is trained.
        data_folder: the sounds with what is said of them, nested as you like.
        run_dir: the run folder; made when missing.
        minutes: of training; None keeps the recipe's budget.
        device: auto, cpu, cuda, cuda:N or mps.
        embedding_from: run or folder of an embedding to fine-tune.
        progress: whether the training shows itself on stderr.
        on_event: called with one line as each step begins.
        on_file: called with held-out files judged and in all.

    Raises:
        ResumeError: the run folder holds another system, other data or other settings.
        ValueError: a recipe without an embedding, no audio, or nothing said of it.
    """
    if minutes is not None and recipe.embedding is not None:
        recipe = recipe.within(EMBEDDING, minutes)
    stage = recipe.embedding
    if stage is None:
        raise ValueError(f"{recipe.system} has no embedding to train")
    run_dir, first = Path(run_dir), int(os.environ.get("RANK", "0")) == 0
    say = on_event if first else (lambda text: None)
    manifest = prepare_run(recipe, data_folder, run_dir, [EMBEDDING], device=device, on_event=say)
    hours = f"{manifest.duration / 3600:.2f} hours in {len(manifest.items)} files"
    say(f"train the embedding on {hours}")
    fit_embedding(
        stage,
        manifest,
        run_dir,
        pretrained=None if embedding_from is None else resolve_folder(embedding_from),
        device=device,
        progress=progress,
    )
    if first:
        say("judge it on what it has not seen")
        judge_embedding(manifest, run_dir, device=device, on_file=on_file)
    return run_dir


def fit_embedding(
    stage: Stage,
    manifest: Manifest,
    run_dir: Path,
    *,
    pretrained: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Path:
    """Train `stage` on the training items of a manifest into `run_dir/embedding`.

    Raises:
        ValueError: no training items, or items that do not say what is to be learned.
        ResumeError: the folder holds a training with other settings.
    """
    task_config = stage.task
    if not isinstance(task_config, EmbeddingTaskConfig):
        raise ValueError(f"the embedding stage of a recipe trains a {type(task_config).__name__}")
    if not manifest.split("train"):
        raise ValueError(f"{manifest.root} has no training items")
    fitted = task_config.fitted_to(manifest.split("train"))
    stage = replace(stage, task=fitted)
    seed_everything(stage.train.seed)
    if pretrained is not None and (pretrained / EMBEDDING / CONFIG).exists():
        pretrained = pretrained / EMBEDDING
    task, config = fitted.build(pretrained), stage.train
    model = task.embedding
    train, valid = (
        AudioCrops(
            manifest.root,
            manifest.split(name),
            model.source,
            config.crop_seconds,
            config.draw_by,
            targets=model.targets,
        )
        for name in ("train", "valid")
    )
    folder = run_dir / EMBEDDING
    return fit(stage, folder, train, valid, task=task, device=device, progress=progress)


@torch.no_grad()
def judge_embedding(
    manifest: Manifest,
    run_dir: Path,
    *,
    device: str = "auto",
    on_file: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write `metrics.json`: figures of a trained embedding on the test items (else valid, train).

    Returns:
        What was written: `split`, how many `items` and `windows`, `failures`, `figures` (see
        `metrics.wholes`), and for heads with one answer the share of the `commonest`.
    """
    model = TrainedEmbedding.from_pretrained(run_dir / EMBEDDING).to(choose_device(device))
    split = next(name for name in ("test", "valid", "train") if manifest.split(name))
    items = {Path(manifest.root) / item.path: item for item in manifest.split(split)}
    found = embed_files(model, list(items), on_file=on_file)
    model = model.cpu()
    captions = {path: item.caption for path, item in items.items() if item.caption}
    figures = judge_texts(model, found, captions) | judge_heads(model, found, items)
    result = {
        "embedding": {"name": model.name, "fingerprint": model.fingerprint},
        "split": split,
        "items": len(found.paths),
        "windows": len(found.vectors),
        "failures": found.failures,
        "figures": {n: {"value": f.value, "items": f.items} for n, f in figures.items()},
        "commonest": _commonest(model.targets([items[path] for path in found.paths])),
    }
    save_json(result, run_dir / "metrics.json")
    return result


def _commonest(targets: Mapping[str, Tensor]) -> dict[str, float]:
    """The accuracy of always giving the commonest answer, by head with one answer."""
    labels = {n: t[t >= 0] for n, t in targets.items() if t.ndim == 1 and n != "group"}
    return {n: float(t.bincount().max() / len(t)) for n, t in labels.items() if len(t)}
