"""A whole system from a folder of sound: codec, latents, generator, a few samples.

    run_dir/
        recipe.json         what was asked for, written before anything else
        manifest.json       the folder's items and their split
        test_items.txt      what no step has seen: the items to judge the system by
        codec/              step 1 (see `fit.py` for what is inside)
        latents/            step 2
        generator/          step 3
        samples/            held-out sounds, their reconstructions, generations

Every step goes on where it stopped: kill it at any moment and repeat the call.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from ..codecs.base import Codec
from ..data import AudioCrops, Manifest
from ..hub import CONFIG, resolve_folder
from ..latents import EncodeProgress, LatentStore, encode_folder
from ..loading import import_models, load
from .chance import seed_everything
from .fit import fit
from .latent_stage import fit_on_latents
from .recipe import Recipe, Stage
from .run_folder import prepare_run, wait_for_first_rank
from .samples import fresh_samples, make_samples

__all__ = ["STEPS", "Step", "train_system"]

Step = Literal["codec", "encode", "generator"]
STEPS: tuple[Step, ...] = ("codec", "encode", "generator")


def train_system(
    recipe: Recipe,
    data_folder: str | Path,
    run_dir: str | Path,
    *,
    steps: Sequence[Step] | None = None,
    minutes: float | None = None,
    device: str = "auto",
    codec_from: str | Path | None = None,
    generator_from: str | Path | None = None,
    progress: bool = True,
    on_event: Callable[[str], None] | None = None,
    on_encode: Callable[[EncodeProgress], None] | None = None,
) -> Path:
    """Run steps 1 to 3 of a recipe on a folder of sound; repeating the call goes on.

    Args:
        recipe: what is trained.
        data_folder: the sounds, nested as you like.
        run_dir: the run folder; made when missing.
        steps: which of codec, encode, generator; what an earlier one makes must be there. None
            takes all. All of them, for a recipe without a generator, is the codec alone.
        minutes: of training in all, half for the codec and half for the generator when both are
            trained; None keeps the recipe's budgets. Encoding and samples come on top.
        device: auto, cpu, cuda, cuda:N or mps.
        codec_from: folder or Hub id of a codec, also in a foreign layout that a codec reads. With
            the step `codec` in a recipe that trains one it is fine-tuned, its discriminator
            (`training/discriminator.safetensors`) included; otherwise it is taken as it is, and
            stored in our layout.
        generator_from: folder of a generator of the same latents to fine-tune.
        progress: whether trainings show themselves on stderr.
        on_event: called with one line as each step begins.
        on_encode: called with the progress of step 2.

    Returns:
        `run_dir`.

    Raises:
        ResumeError: the run folder holds another system, other data or other settings.
        ValueError: a step that is unknown or not in the recipe, no audio, or conditions that the
            generator cannot read.
        FileNotFoundError: no such folder, or an earlier step's result is missing.
    """
    steps = STEPS if steps is None else steps
    if recipe.generator is None and set(steps) == set(STEPS):
        steps = ("codec",)  # latents would serve nobody
    trained = _trained(recipe, steps)
    if minutes is not None:
        for name in trained:
            recipe = recipe.within(name, minutes / len(trained))
    run_dir, rank = Path(run_dir), int(os.environ.get("RANK", "0"))
    say = on_event if on_event is not None and rank == 0 else _silence
    import_models()
    manifest = prepare_run(recipe, data_folder, run_dir, trained, device=device, on_event=say)
    hours = f"{manifest.duration / 3600:.2f} hours in {len(manifest.items)} files"

    codec_dir = run_dir / "codec"
    if "codec" in trained and recipe.codec is not None:
        say(f"step 1: train the codec on {hours}")
        _fit_codec(recipe.codec, manifest, codec_dir, codec_from, device, progress)
    elif codec_from is not None and not (codec_dir / CONFIG).exists():
        say(f"step 1: take the codec {codec_from}")
        if rank == 0:
            _ready_codec(resolve_folder(codec_from)).save_pretrained(codec_dir)
        wait_for_first_rank()
    if set(steps) != {"codec"}:
        if not (codec_dir / CONFIG).exists():
            raise FileNotFoundError(
                f"{codec_dir} holds no trained codec: train it first (step codec), or name one to "
                "take (codec_from)"
            )
        codec = Codec.from_pretrained(codec_dir)
        if "encode" in steps:
            say(f"step 2: compute the latents, {codec.latent.describe()}")
            encode_folder(
                codec,
                manifest,
                run_dir / "latents",
                name=str(codec_dir),
                device=device,
                maps={} if recipe.generator is None else recipe.generator.task.maps(),
                on_progress=on_encode,
            )
        if "generator" in trained and recipe.generator is not None:
            say(f"step 3: train the generator on {hours}")
            fit_on_latents(
                recipe.generator,
                run_dir / "generator",
                LatentStore.open(run_dir / "latents"),
                codec,
                pretrained=None if generator_from is None else Path(generator_from),
                device=device,
                progress=progress,
            )
    if rank == 0 and (codec_dir / CONFIG).exists() and fresh_samples(run_dir) is None:
        say("make samples")
        make_samples(load(run_dir, device=device), manifest, run_dir)
    return run_dir


def _silence(text: str) -> None:
    """Say nothing."""


def _trained(recipe: Recipe, steps: Sequence[str]) -> list[str]:
    """Which stages are trained: codec, generator."""
    unknown = sorted(set(steps) - set(STEPS))
    if unknown or not steps:
        raise ValueError(f"steps must be some of {', '.join(STEPS)}, got {tuple(steps)}")
    both = (("codec", recipe.codec), ("generator", recipe.generator))
    found = [name for name, stage in both if name in steps and stage is not None]
    if set(steps) == {"generator"} and not found:
        raise ValueError(f"{recipe.system} has no generator to train: it is a codec alone")
    return found


def _fit_codec(
    stage: Stage,
    manifest: Manifest,
    codec_dir: Path,
    codec_from: str | Path | None,
    device: str,
    progress: bool,
) -> None:
    seed_everything(stage.train.seed)
    pretrained = None if codec_from is None else _codec_folder(resolve_folder(codec_from))
    task = stage.task.build(pretrained)
    if not isinstance(task.model, Codec):
        raise ValueError(f"the codec stage of a recipe trains a {type(task.model).__name__}")
    source, config = task.model.source, stage.train
    train, valid = (
        AudioCrops(
            manifest.root,
            manifest.split(name),
            source,
            config.crop_seconds,
            config.draw_by,
            augmented=config.augment if name == "train" else None,
            salient_db=config.salient_db if name == "train" else None,
        )
        for name in ("train", "valid")
    )
    fit(stage, codec_dir, train, valid, task=task, device=device, progress=progress)


def _codec_folder(folder: Path) -> Path:
    """The codec inside a run or a pipeline, or the folder itself."""
    return folder / "codec" if (folder / "codec" / CONFIG).exists() else folder


def _ready_codec(folder: Path) -> Codec:
    """A codec in our layout, or in any that a codec reads (`import_models` has found them)."""
    return Codec.from_pretrained(_codec_folder(folder))
