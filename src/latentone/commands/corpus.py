"""Compose and render an endless captioned training set, or turn MIDI files into one.

    latentone corpus --out my_corpus --minutes 30
    latentone corpus --out piano --midi my_midi_files --seconds 30
    latentone corpus --out loops --minutes 30 --per-piece 2 --parts

Every recording has a .json beside it with what is known of it: caption, tempo, key, chords,
instruments, beats and downbeats, notes, dynamics. Stop it at any time; the same command goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..data.corpus import Job, Result, Settings

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone corpus`."""

    out: Path
    """The folder to write, or to continue."""
    minutes: float | None = None
    """How much sound; 30 when composing, all of it with --midi."""
    seed: int = 0
    """Which endless sequence of pieces is composed."""
    sample_rate: int = 44100
    """Hz."""
    channels: Literal[1, 2] = 2
    """Mono or stereo."""
    seconds: float = 12.0
    """Length of a file; pieces are cut at downbeats. 0 keeps them whole."""
    fluidsynth: Literal["auto", "yes", "no"] = "auto"
    """Recorded instruments: `auto` takes them when FluidSynth and a SoundFont are installed."""
    soundfont: Path | None = None
    """A SoundFont (.sf2, .sf3) instead of an installed one."""
    midi: Path | None = None
    """Render the MIDI files of this folder instead of composing."""
    per_piece: int | None = None
    """Files of each piece at most, spread over it: more pieces, and less of each."""
    parts: bool = False
    """Write every part (drums, bass, chords, melody, pad) alone as well; `minutes` counts mixes."""
    format: Literal["flac", "wav"] = "flac"
    """16-bit files of this kind."""
    workers: int = 2
    """Processes; what is written does not depend on it."""


def run(args: Args) -> int:
    """Write the corpus; 1 when pieces failed, and then `failures.jsonl` names them."""
    from ..data.corpus import FromMidi, Settings, build_corpus, plan_composed
    from ..data.render import choose_renderer
    from ..data.render_midi import find_midi

    _check(args)
    renderer, why = choose_renderer(
        sample_rate=args.sample_rate,
        channels=args.channels,
        recorded=args.fluidsynth,
        soundfont=args.soundfont,
    )
    seconds = args.seconds or None
    settings = Settings(
        renderer=renderer,
        seconds=seconds,
        suffix=f".{args.format}",
        per_piece=args.per_piece,
        parts=args.parts,
    )
    print(f"instruments: {renderer.instruments} ({why})")
    jobs: list[Job]
    if args.midi is None:
        minutes = 30.0 if args.minutes is None else args.minutes
        jobs = list(plan_composed(args.seed, minutes, seconds, args.per_piece))
        origin: dict[str, object] = {"composed": {"seed": args.seed}}
    else:
        jobs = [FromMidi(path=path, folder=args.midi) for path in find_midi(args.midi)]
        if args.minutes is not None:
            jobs = _first_minutes(jobs, args.minutes, settings)
        origin = {"midi": args.midi.resolve().name}
    with _Progress(len(jobs)) as progress:
        results = build_corpus(
            jobs, args.out, settings, origin=origin, workers=args.workers, on_result=progress
        )
    _summary(results, args.out)
    return 1 if any(result.failure for result in results) else 0


def _check(args: Args) -> None:
    if args.minutes is not None and not args.minutes > 0:
        raise ValueError(f"--minutes must be positive, got {args.minutes:g}")
    if args.seconds and args.seconds < 1:
        raise ValueError(
            f"--seconds must be 1 or more, or 0 for whole pieces; got {args.seconds:g}"
        )
    if args.per_piece is not None and args.per_piece < 1:
        raise ValueError(f"--per-piece must be 1 or more, got {args.per_piece}")
    if args.workers < 1:
        raise ValueError(f"--workers must be 1 or more, got {args.workers}")
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out must be a folder, and {args.out} is a file")


def _first_minutes(jobs: Iterable[Job], minutes: float, settings: Settings) -> list[Job]:
    """The first MIDI files that fill a time; unreadable ones stay in, to be reported."""
    from ..data.piece import spread, windows

    chosen, total = [], 0.0
    for job in jobs:
        if total >= minutes * 60:
            break
        chosen.append(job)
        try:
            cuts = spread(windows(job.piece(), settings.seconds), settings.per_piece)
            total += sum(w.end - w.start for w in cuts.values())
        except ValueError:
            continue
    return chosen


class _Progress:
    """A line with what is done, the rate and the time left."""

    def __init__(self, total: int) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[sound]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        self._task = self._progress.add_task("pieces", total=total, sound="")
        self._seconds = 0.0

    def __enter__(self) -> _Progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, result: Result) -> None:
        self._seconds += result.seconds
        if result.failure:
            self._progress.console.print(f"left out: {result.failure}", markup=False)
        self._progress.update(self._task, advance=1, sound=f"{self._seconds / 60:.1f} min of sound")


def _summary(results: list[Result], out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    done = [result for result in results if not result.failure]
    facts = [fact for result in done for fact in result.metadata]
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    table = Table(title=str(out), show_header=False, title_justify="left")

    def common(counts: Counter[str]) -> str:
        return ", ".join(f"{name} {n}" for name, n in counts.most_common(12))

    files, written = sum(r.files for r in done), sum(r.written for r in done)
    table.add_row("pieces", f"{len(done)}" + f", {len(results) - len(done)} left out")
    table.add_row("files", f"{files} ({written} written now, {files - written} were there)")
    table.add_row("sound", f"{sum(r.seconds for r in done) / 60:.1f} minutes")
    table.add_row("on disk", f"{size / 1e6:.1f} MB")
    if any(fact["genre"] for fact in facts):
        table.add_row("genres", common(Counter(f["genre"] for f in facts if f["genre"])))
    table.add_row("instruments", common(Counter(n for f in facts for n in f["instruments"])))
    table.add_row("keys", common(Counter(fact["key"] or "unknown" for fact in facts)))
    tempi = sorted(fact["bpm"] for fact in facts if fact["bpm"])
    if tempi:
        middle = tempi[len(tempi) // 2]
        table.add_row("bpm", f"{tempi[0]:.0f} to {tempi[-1]:.0f}, median {middle:.0f}")
    Console().print(table)
