"""Write report.html of a run: players, spectrograms, curves, what each step did, scores.

    latentone report run
    latentone report run --generations 9 --duration 12 --renew

Recordings that no training saw are sent through the codec and measured, new sounds are drawn, and
all of it goes into one page that needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

__all__ = ["Args", "report_on", "run"]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone report`."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """The run folder."""
    renew: bool = False
    """Render and measure again, also when nothing has changed."""
    measured: int = 12
    """Held-out recordings to reconstruct and measure."""
    seconds: float = 10.0
    """Longest excerpt of each."""
    generations: int = 6
    """New sounds."""
    duration: float = 8.0
    """Seconds of each."""
    seed: int = 0
    """Of the new sounds."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""


def run(args: Args) -> int:
    """Render what is missing and write the page."""
    from ..training.samples import SampleSettings

    settings = SampleSettings(
        measured=args.measured,
        seconds=args.seconds,
        generations=args.generations,
        duration=args.duration,
        seed=args.seed,
    )
    print(report_on(args.folder, settings=settings, renew=args.renew, device=args.device))
    return 0


def report_on(
    folder: Path,
    *,
    settings: object = None,
    renew: bool = False,
    device: str = "auto",
) -> Path:
    """Write the report of a run folder and return its path.

    Raises:
        FileNotFoundError: no run folder, or its codec is not trained.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from ..data.manifest import Manifest
    from ..loading import load
    from ..report import gather, write_report
    from ..training.samples import SampleSettings, fresh_samples, make_samples

    if not (folder / "manifest.json").exists():
        raise FileNotFoundError(
            f"{folder} is no run folder: it has no manifest.json, which `latentone train` writes"
        )
    model = load(folder, device=device)
    manifest = Manifest.load(folder / "manifest.json")
    wanted = settings if isinstance(settings, SampleSettings) else SampleSettings()
    samples = None if renew else fresh_samples(folder, wanted)
    if samples is None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("report")
            samples = make_samples(
                model,
                manifest,
                folder,
                wanted,
                on_progress=lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total
                ),
            )
    return write_report(folder, gather(folder, model, manifest, samples))
