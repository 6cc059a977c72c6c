"""What commands that make sound share: flags, loading, progress, writing."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from .. import __version__
from ..device import ComputeArgs

if TYPE_CHECKING:
    from ..audio import Audio
    from ..pipeline import Pipeline

__all__ = ["DrawArgs", "arguments", "load_model", "progress", "provenance", "tell", "write"]

WHOLE, NUMBER = tyro.conf.arg(metavar="INT"), tyro.conf.arg(metavar="FLOAT")
PAIR = tyro.conf.arg(metavar="NAME=VALUE")


@dataclass(frozen=True, kw_only=True)
class DrawArgs:
    """Flags of what draws from a generator."""

    prompt: Annotated[str | None, tyro.conf.arg(aliases=["-p"], metavar="TEXT")] = None
    """What it should be, in words, for models with a text condition."""
    condition: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, PAIR] = ()
    """Another condition as NAME=VALUE; may be repeated. A number, or text."""
    negative: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, PAIR] = ()
    """A condition to steer away from, as NAME=VALUE."""
    seed: Annotated[int | None, WHOLE] = None
    """The same seed gives the same sound; without it, one is drawn and printed."""
    guidance_scale: Annotated[float | None, NUMBER] = None
    """How strongly conditions steer; 1 is not at all beyond training, 3 is usual."""
    temperature: Annotated[float | None, NUMBER] = None
    """Below 1 is safer, above 1 is wilder."""
    top_k: Annotated[int | None, WHOLE] = None
    """Draw among this many most probable codes."""
    top_p: Annotated[float | None, NUMBER] = None
    """Draw among the most probable codes that reach this probability together."""


def arguments(args: DrawArgs) -> tuple[int, dict[str, Any]]:
    """Return the seed, drawn when there is none, and the settings for the pipeline.

    Raises:
        ValueError: a condition that is not NAME=VALUE.
    """
    seed = secrets.randbits(31) if args.seed is None else args.seed
    options = {
        name: getattr(args, name)
        for name in ("temperature", "top_k", "top_p")
        if getattr(args, name) is not None
    }
    return seed, {
        "conditions": _pairs(args.condition),
        "negative": _pairs(args.negative),
        "guidance_scale": args.guidance_scale,
        **options,
    }


def _pairs(texts: tuple[str, ...]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"expected NAME=VALUE, such as bpm=92, got {text!r}")
        try:
            pairs[name] = json.loads(value)
        except json.JSONDecodeError:
            pairs[name] = value
    return pairs


@contextmanager
def load_model(args: Any) -> Iterator[Pipeline]:
    """Load `args.model` where `args.device` says, and run the block in `args.precision`.

    `args.out` is looked at first: a file that could not be written in the end costs no waiting.
    """
    from ..audio import FORMATS
    from ..device import arithmetic

    if args.out.suffix.lower() not in FORMATS:
        raise ValueError(f"{args.out}: expected a suffix of {sorted(FORMATS)}")
    if args.out.is_dir():
        raise ValueError(f"{args.out} is a folder; --out takes a file")
    compute: ComputeArgs = args
    model = load_told(args.model, compute.device)
    with arithmetic(model.device, compute.precision):
        yield model


def load_told(name: str, device: str = "cpu") -> Pipeline:
    """Load a model, and tell the licence of weights that have one."""
    from ..loading import load

    model = load(name, device=device)
    if model.licence:
        print(f"licence of the weights of {model.name}: {model.licence}", file=sys.stderr)
    return model


@contextmanager
def progress(unit: str = "steps") -> Iterator[Callable[[int, int], None]]:
    """Show a bar and the time left while something is made; yields the `on_step` callback."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (unit, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(unit)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def write(
    path: Path,
    audio: Audio,
    model: Pipeline,
    *,
    seed: Annotated[int | None, WHOLE] = None,
    args: DrawArgs | None = None,
    **more: Any,
) -> None:
    """Write a file with its provenance in the tags, and say so.

    Sound beyond full scale is scaled down to it; that is said, too.
    """
    from ..audio import save_audio

    tags = provenance(model, seed=seed, args=args, **more)
    peak = audio.peak
    save_audio(path, audio.limit_peak(), tags=tags)
    tell(path, audio.samples.shape[1], audio.sample_rate, peak, seed)


def provenance(
    model: Pipeline, *, seed: int | None = None, args: DrawArgs | None = None, **more: Any
) -> dict[str, Any]:
    """Tags that say what a sound comes from; what is None or empty is left out."""
    tags: dict[str, Any] = {"software": f"latentone {__version__}", "model": model.name}
    if args is not None:
        tags |= {"seed": seed, "prompt": args.prompt}
        tags |= {"conditions": _pairs(args.condition), "negative": _pairs(args.negative)}
        names = ("guidance_scale", "temperature", "top_k", "top_p")
        tags |= {name: getattr(args, name) for name in names}
    tags |= {**more, "licence": model.licence}
    return {name: value for name, value in tags.items() if value not in (None, {})}


def tell(path: Path, num_samples: int, sample_rate: int, peak: float, seed: int | None) -> None:
    """Say what was written, and whether it was scaled down."""
    if peak > 1:
        print(f"the peak was {peak:.3g} of full scale; scaled down to 1")
    seeded = "" if seed is None else f", seed {seed}"
    print(f"{path}: {num_samples / sample_rate:.2f} s, {sample_rate} Hz{seeded}")
