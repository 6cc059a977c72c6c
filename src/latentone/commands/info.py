"""Say what something is: a folder of audio, a sound file, a model, a latent store, a run.

    latentone info my_sounds
    latentone info run
    latentone info run/latents
    latentone info out.wav

A folder of audio is read whole: hours, rates, silence, clipping, duplicates, what is too short or
broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

__all__ = ["Args", "run"]

MODELS = ("config.json", "model_index.json", "best_netG.pt", "netG.pt")
"""What the folder of a model holds, ours or another's, and a folder of sound does not."""
WEIGHTS = (".ckpt", ".pt", ".pth", ".safetensors", ".th")
"""Ends of files that hold a published codec."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone info`."""

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """What to look at."""
    shortest: float = 1.0
    """Seconds under which a file of a folder counts as too short."""


def run(args: Args) -> int:
    """Find out what it is, and print it."""
    path = args.path
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a file or folder")
    if path.is_file():
        (_model if _holds_weights(path) else _file)(path)
    elif any((path / name).exists() for name in ("recipe.json", "pipeline.json", "codec")):
        _run_folder(path)
    elif (path / "dataset.json").exists():
        _store(path)
    elif any((path / name).exists() for name in MODELS):
        _model(path)
    else:
        _audio_folder(path, args.shortest)
    return 0


def _holds_weights(path: Path) -> bool:
    """Whether a file is a model; HiFi-GAN's (`g_02500000`) has no ending, but a config beside."""
    if path.suffix:
        return path.suffix in WEIGHTS
    from ..codecs.hifigan_layouts import find_original

    return find_original(path) is not None


def _print(title: str, rows: list[tuple[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, str(value))
    console = Console()
    console.print(title, style="bold", markup=False, highlight=False)
    console.print(table, highlight=False, markup=False)


def _file(path: Path) -> None:
    from ..audio import audio_info, load_audio, read_tags
    from ..metrics.levels import measure

    info = audio_info(path)
    levels = measure(load_audio(path))
    rows: list[tuple[str, Any]] = [
        ("what", f"{info.format} {info.subtype}, {info.sample_rate} Hz, {info.channels} channels"),
        ("length", f"{info.duration:.3f} s"),
        ("levels", levels.describe()),
        *(("warning", problem) for problem in levels.problems()),
        *read_tags(path).items(),
    ]
    _print(str(path), rows)


def _audio_folder(path: Path, shortest: float) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from ..data.inspect import inspect_folder

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("listening")
        report = inspect_folder(
            path,
            shortest=shortest,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    print(f"{path}: a folder of audio")
    print(report.describe())
    for failure in report.failures[:20]:
        print(f"  unreadable: {failure.path}: {failure.reason}")


def _parameters(module: Any) -> str:
    return f"{type(module).__name__}, {sum(p.numel() for p in module.parameters()):,} parameters"


def _live(codec: Any) -> str:
    """How late it is when it streams, or which layer keeps it from that."""
    from ..codecs.streaming import stream_spec

    try:
        return str(stream_spec(codec).describe())
    except ValueError as error:
        return str(error)


def _pipeline_rows(model: Any) -> list[tuple[str, Any]]:
    codec = model.codec
    rows: list[tuple[str, Any]] = [
        ("codec", _parameters(codec)),
        ("sound", f"{codec.source.sample_rate} Hz, {codec.source.channels} channels"),
        ("latents", codec.latent.describe()),
        ("live", _live(codec)),
    ]
    for stage in model.stages:
        rows.append(("generator", _parameters(stage)))
        known = [f"{name} ({c.kind})" for name, c in stage.conditioners.items()]
        rows.append(("conditions", ", ".join(known) or "none"))
    if model.licence:
        rows.append(("licence", model.licence))
    return rows


def _embedding_rows(model: Any) -> list[tuple[str, Any]]:
    rate = model.source.sample_rate
    rows: list[tuple[str, Any]] = [
        ("embedding", _parameters(model)),
        ("hears", f"{rate} Hz, windows of {model.window / rate:g} s, {model.hop / rate:g} s apart"),
        ("vectors", f"{model.dim} dimensions"),
        ("fingerprint", model.fingerprint[:16]),
    ]
    heads = getattr(model.config, "heads", {})
    rows += [(f"asks {name}", ", ".join(head.classes)) for name, head in heads.items()]
    return rows


def _model(path: Path) -> None:
    from ..config import load_json
    from ..embeddings import TrainedEmbedding
    from ..generators.base import Generator
    from ..loading import import_models, load

    config = path / "config.json"
    data = load_json(config) if config.exists() else None
    import_models()
    kind = str(data.get("model_type")) if isinstance(data, dict) else ""
    if Generator._find(kind) is not None:
        generator = Generator.from_pretrained(path)
        rows: list[tuple[str, Any]] = [
            ("generator", _parameters(generator)),
            ("latents", generator.latent.describe()),
            ("conditions", ", ".join(generator.conditioners) or "none"),
        ]
        _print(f"{path}: a generator", rows)
        return
    if TrainedEmbedding._find(kind) is not None:
        _print(f"{path}: an embedding", _embedding_rows(TrainedEmbedding.from_pretrained(path)))
        return
    _print(f"{path}: a model", _pipeline_rows(load(path)))


def _store(path: Path) -> None:
    from ..latents.format import Description

    description = Description.load(path)
    rows: list[tuple[str, Any]] = [("codec", description.codec.name)]
    rows += [(name, spec.describe()) for name, spec in description.streams.items()]
    counts = description.counts
    if counts is None:
        rows.append(("status", f"unfinished: {description.plan.items} items planned"))
    else:
        rows.append(("items", f"{counts.items:,}, {counts.failures} left out"))
        rows.append(("sound", f"{counts.seconds / 3600:.2f} hours"))
        rows += [(f"{name} frames", f"{n:,}") for name, n in counts.frames.items()]
    _print(f"{path}: a latent store ({description.kind})", rows)


def _run_folder(path: Path) -> None:
    from ..config import load_json
    from ..embeddings import TrainedEmbedding
    from ..loading import load
    from ..training.resume import read_state

    rows: list[tuple[str, Any]] = []
    if (path / "recipe.json").exists():
        recipe = load_json(path / "recipe.json")
        rows.append(("recipe", f"{recipe.get('system')}, size {recipe.get('size')}"))
    for part in ("codec", "generator", "embedding"):
        state = read_state(path / part / "training")
        if state is not None:
            text = f"{state['status']}, {state['step']:,} of {state['total_steps']:,} steps"
            if state.get("best"):
                text += f", best validation {state['best']['loss']:.4g}"
            rows.append((f"{part} training", text))
    try:
        if (path / "embedding" / "config.json").exists():
            rows += _embedding_rows(TrainedEmbedding.from_pretrained(path / "embedding"))
        else:
            rows += _pipeline_rows(load(path))
    except FileNotFoundError as error:
        rows.append(("models", f"none yet: {error}"))
    if (path / "report.html").exists():
        rows.append(("report", path / "report.html"))
    _print(f"{path}: a run", rows)
    if (path / "latents" / "dataset.json").exists():
        _store(path / "latents")
