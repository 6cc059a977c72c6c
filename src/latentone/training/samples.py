"""What a run sounds like: held-out recordings through its codec, and new music, with numbers.

run_dir/
    samples/        NAME.original.flac, NAME.reconstruction.flac, generated-N.flac, samples.json
    metrics.json    means over the recordings, levels of the new sounds
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..atomic import atomic_folder
from ..audio import Audio, load_audio, save_audio
from ..conditioning import FramesConditioner
from ..config import ConfigError, from_dict, load_json, save_json
from ..data.manifest import Item, Manifest
from ..hub import WEIGHTS
from ..metrics.levels import measure
from ..metrics.reconstruction import ReconstructionMetrics
from ..pipeline import Pipeline

__all__ = ["Generation", "HeldOut", "SampleSettings", "Samples", "fresh_samples", "make_samples"]

INDEX, METRICS_FILE = "samples.json", "metrics.json"


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """How much is rendered and measured."""

    measured: int = 12
    """Held-out recordings that are reconstructed and measured."""
    seconds: float = 10.0
    """Longest excerpt of a recording."""
    generations: int = 6
    """New sounds."""
    duration: float = 8.0
    """Seconds of each."""
    seed: int = 0
    """Of the new sounds."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A recording that no training saw, and its reconstruction."""

    id: str
    """Of the manifest's item."""
    caption: str
    """What is known of it."""
    original: str
    """File in `samples/`."""
    reconstruction: str
    """File in `samples/`."""
    scores: dict[str, float]
    """`metrics.reconstruction.METRICS` by name."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A new sound."""

    file: str
    """File in `samples/`."""
    prompt: str
    """What was asked for; empty for nothing."""
    seed: int
    """Of the batch it was drawn in."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The content of `samples/samples.json`."""

    settings: SampleSettings
    """How they were made."""
    split: str
    """Where the recordings are from: test, else valid, else train."""
    held_out: tuple[HeldOut, ...] = ()
    """Recordings and reconstructions."""
    generations: tuple[Generation, ...] = ()
    """New sounds."""


def fresh_samples(run: Path, settings: SampleSettings | None = None) -> Samples | None:
    """Read what `make_samples` wrote; None where models (or given settings) are others now."""
    path = run / "samples" / INDEX
    if not path.exists():
        return None
    models = [p for part in ("codec", "generator") if (p := run / part / WEIGHTS).exists()]
    if any(p.stat().st_mtime > path.stat().st_mtime for p in models):
        return None
    try:
        samples = from_dict(Samples, load_json(path))
    except ConfigError:
        return None
    return samples if settings in (None, samples.settings) else None


def make_samples(
    model: Pipeline,
    manifest: Manifest,
    run: Path,
    settings: SampleSettings | None = None,
    *,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> Samples:
    """Render and measure into `run/samples/` and `run/metrics.json`.

    Recordings that cannot be read are passed over for the next ones.

    Args:
        model: the run's pipeline; without a generator only reconstructions are made.
        manifest: of the audio that it was trained on.
        run: the run folder.
        settings: how much.
        on_progress: called with (what, done, total).
    """
    settings = settings or SampleSettings()
    say = on_progress or (lambda what, done, total: None)
    split = next(name for name in ("test", "valid", "train") if manifest.split(name))
    with atomic_folder(run / "samples") as folder:
        samples = _render(model, manifest, split, folder, settings, say)
        summary = _summary(samples, folder)
        save_json(samples, folder / INDEX)
    save_json(summary, run / METRICS_FILE)
    return samples


def _render(
    model: Pipeline,
    manifest: Manifest,
    split: str,
    folder: Path,
    settings: SampleSettings,
    say: Callable[[str, int, int], None],
) -> Samples:
    items = manifest.split(split)
    judge = ReconstructionMetrics(model.sample_rate)
    held_out: list[HeldOut] = []
    wanted = min(settings.measured, len(items))
    for item in _spread(items):
        if len(held_out) == wanted:
            break
        say("reconstructing", len(held_out), wanted)
        pair = _reconstruct(model, judge, Path(manifest.root), item, folder, settings)
        if pair is not None:
            held_out.append(pair)

    generations: list[Generation] = []
    if model.stages and settings.generations:
        generations = _generate(model, Path(manifest.root), items, folder, settings, say)
    return Samples(
        settings=settings,
        split=split,
        held_out=tuple(held_out),
        generations=tuple(generations),
    )


def _spread(items: list[Item]) -> list[Item]:
    """One item of every group first, then the second of every group, and so on."""
    places: dict[str, int] = {}
    ranked = []
    for item in items:
        places[item.group] = places.get(item.group, 0) + 1
        ranked.append((places[item.group], item.id, item))
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]


def _reconstruct(
    model: Pipeline,
    judge: ReconstructionMetrics,
    root: Path,
    item: Item,
    folder: Path,
    settings: SampleSettings,
) -> HeldOut | None:
    try:
        x = model.codec.source.load(root / item.path, duration=settings.seconds)
    except (ValueError, OSError):
        return None
    original = Audio(x, model.sample_rate)
    if original.duration < 0.1:
        return None
    heard = model.reconstruct(original)
    name = Path(item.id).with_suffix("").as_posix().replace("/", "-")
    files = f"{name}.original.flac", f"{name}.reconstruction.flac"
    tags = {"software": f"latentone {__version__}", "model": model.name, "source": item.id}
    save_audio(folder / files[0], original.limit_peak(), tags=tags)
    save_audio(folder / files[1], heard.limit_peak(), tags=tags)
    return HeldOut(
        id=item.id,
        caption=item.caption or "",
        original=files[0],
        reconstruction=files[1],
        scores=judge(original.samples, heard.samples),
    )


def _generate(
    model: Pipeline,
    root: Path,
    items: list[Item],
    folder: Path,
    settings: SampleSettings,
    say: Callable[[str, int, int], None],
) -> list[Generation]:
    prompts = _prompts(model, items, settings.generations)
    sounds = model.generate_batch(
        prompts,
        duration=settings.duration,
        seed=settings.seed,
        conditions=_maps(model, root, items, settings),
        on_step=lambda done, total: say("generating", done, total),
    )
    made = []
    for i, (prompt, sound) in enumerate(zip(prompts, sounds, strict=True), 1):
        file = f"generated-{i}.flac"
        tags: dict[str, Any] = {"software": f"latentone {__version__}", "model": model.name}
        tags |= {"seed": settings.seed, "item": i, "prompt": prompt}
        save_audio(folder / file, sound.limit_peak(), tags=tags)
        made.append(Generation(file=file, prompt=prompt or "", seed=settings.seed))
    return made


def _prompts(model: Pipeline, items: list[Item], count: int) -> list[str | None]:
    """Captions of held-out recordings, as different as there are; None for models without text."""
    if model.text_condition is None:
        return [None] * count
    captions = list(dict.fromkeys(i.caption for i in _spread(items) if i.caption))
    return [captions[i % len(captions)] if captions else None for i in range(count)]


def _maps(
    model: Pipeline, root: Path, items: list[Item], settings: SampleSettings
) -> dict[str, list[Audio]]:
    """Beginnings of held-out recordings, for the conditions that are measured from sound."""
    names = [n for n, c in model.generator.conditioners.items() if isinstance(c, FramesConditioner)]
    sounds: list[Audio] = []
    for item in _spread(items) if names else []:
        if len(sounds) == settings.generations:
            break
        try:
            sounds.append(load_audio(root / item.path, duration=settings.duration))
        except (ValueError, OSError):
            continue
    if not sounds:
        return {}
    chosen = [sounds[i % len(sounds)] for i in range(settings.generations)]
    return dict.fromkeys(names, chosen)


def _summary(samples: Samples, folder: Path) -> dict[str, Any]:
    pairs = samples.held_out
    names = list(pairs[0].scores) if pairs else []
    means = {n: sum(p.scores[n] for p in pairs) / len(pairs) for n in names}
    levels = {g.file: measure(load_audio(folder / g.file)) for g in samples.generations}
    return {
        "reconstruction": {"split": samples.split, "recordings": len(pairs), "mean": means},
        "generation": {
            file: {**vars(level), "problems": list(level.problems())}
            for file, level in levels.items()
        },
    }
