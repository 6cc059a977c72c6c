"""Say how close a folder of sounds is to another, how varied, and whether it obeys: a page.

    latentone evaluate real_sounds generated -o judged
    latentone evaluate real_sounds generated --embedding logmel --embedding run/codec
    latentone evaluate originals reconstructions --paired

Files of both folders are cut into windows, embedded, and compared as sets; numbers have an
interval by resampling tracks. Sounds with a .json beside them (tempo, key, chords, as `corpus`
writes) are held to it; seconds in its `seams` say where pieces were joined. Vectors are kept in
--cache, so that a set is embedded once. Writes metrics.json and index.html; see docs/evaluation.md
for what each number means.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ._embedding import CACHE, Folder
from ._measuring import judge, listen, pairs, wholes
from ._output import check_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..metrics.distribution import Score
    from ..metrics.files import Measured
    from ..metrics.judgement import Judgement

__all__ = ["Args", "run"]

SETTINGS = ("resamples", "windows", "measured", "seed", "structure", "loops", "notes")
"""Flags that have to be equal for two results to compare."""
SHOWN_NOTES = 6


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone evaluate`."""

    reference: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Folder of sounds as they should be: real ones, held out of training."""
    generated: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="GENERATED")]
    """Folder of sounds to judge."""
    embedding: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")
    ] = ()
    """What turns windows into vectors, may be repeated: logmel (taken when none is named),
    classifier, joint, vggish:FILE, clap:FOLDER, or a codec or trained embedding (run folder,
    model folder or Hub id)."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("evaluation")
    """Folder for metrics.json and index.html."""
    cache: Path = CACHE
    """Folder that keeps vectors for the next time."""
    workers: int = 0
    """Processes that embed beside this one; they are worth it from minutes of work on."""
    paired: bool = False
    """Files of equal name belong together, as originals and reconstructions: measure each pair,
    by its waves, by what of melody, harmony, dynamics, rhythm and form comes back, and, where the
    original is a single voice, by f0 and voicing."""
    structure: bool = True
    """Measure coherence over time: drift of key and tempo, repetition, and how smooth the seams
    are (`seams` in a sound's .json, seconds)."""
    loops: bool = False
    """Measure how well each sound goes round as a loop."""
    notes: bool = False
    """Measure each sound as a single note: pitch (`pitch` in its .json, a MIDI number), attack,
    how varied the pitches of the set are, and how alike notes of one instrument sound."""
    resamples: int = 100
    """Bootstrap resamples by track; 0 gives no intervals."""
    windows: int = 10_000
    """More windows of a set than these are thinned evenly."""
    measured: int = 60
    """Sounds of each set that are listened to one by one, at even distances; 0 for none."""
    sounds: int = 6
    """Players of each set on the page, besides outliers."""
    seconds: float = 10.0
    """Of each player."""
    seed: int = 0
    """Of all draws."""


def run(args: Args) -> int:
    """Embed, compare, listen, write, and print a table."""
    from .. import __version__
    from ..atomic import atomic_file
    from ..config import save_json
    from ..report.evaluation import render_evaluation
    from ..report.evaluation_gather import gather_evaluation

    _check(args)
    judgement = _judge(args)
    page = render_evaluation(gather_evaluation(judgement, sounds=args.sounds, seconds=args.seconds))
    args.out.mkdir(parents=True, exist_ok=True)
    with atomic_file(args.out / "index.html") as partial:
        partial.write_text(page, encoding="utf-8")
    save_json(
        {"software": f"latentone {__version__}", **judgement.to_json()}, args.out / "metrics.json"
    )
    _show(judgement)
    print(f"\nwrote {args.out / 'metrics.json'} and {args.out / 'index.html'}")
    return 0


def _check(args: Args) -> None:
    for name in ("resamples", "measured", "sounds"):
        if getattr(args, name) < 0:
            raise ValueError(f"--{name} must be 0 or more, got {getattr(args, name)}")
    if args.windows < 2 or args.seconds <= 0:
        raise ValueError(
            "expected 2 or more --windows and --seconds above 0, got "
            f"{args.windows} and {args.seconds}"
        )
    check_folder(args.out, "--out")
    check_folder(args.cache, "--cache")


def _judge(args: Args) -> Judgement:
    from ..metrics.files import Wanted, mean_scores
    from ..metrics.judgement import Judgement, folder_warnings
    from ..metrics.structure import compare_coherence

    folders = Folder.read(args.reference), Folder.read(args.generated)
    names = tuple(dict.fromkeys(args.embedding)) or ("logmel",)
    resamples, seed = args.resamples, args.seed
    embeddings = tuple(
        judge(
            name,
            folders,
            args.cache,
            workers=args.workers,
            windows=args.windows,
            resamples=resamples,
            seed=seed,
        )
        for name in names
    )
    wanted = Wanted(structure=args.structure, loops=args.loops, notes=args.notes)
    measured = tuple(listen(folder, args.measured, wanted) for folder in folders)
    paired = pairs(folders, resamples=resamples, seed=seed) if args.paired else None
    means: dict[str, Any] = {}
    for group in ("adherence", "coherence", "loops", "notes"):
        sides = []
        for side in measured:
            heard = [m for m in side if m.groups.get(group)]
            sides.append(
                mean_scores(
                    [m.groups[group] for m in heard],
                    [m.track for m in heard],
                    resamples=resamples,
                    seed=seed,
                )
            )
        if group == "notes":
            for side, folder, scores in zip(measured, folders, sides, strict=True):
                scores |= _variety(side, folder, resamples, seed)
        if any(sides):
            means[group] = tuple(sides)
    coherent = [[m for m in side if "coherence" in m.groups] for side in measured]
    manifests = folders[0].manifest, folders[1].manifest
    notes = folder_warnings(
        (args.reference, args.generated), manifests, (measured[0], measured[1]), embeddings
    )
    return Judgement(
        reference=args.reference,
        generated=args.generated,
        manifests=manifests,
        embeddings=embeddings,
        measured=(measured[0], measured[1]),
        means=means,
        coherence=compare_coherence(
            *([m.groups["coherence"] for m in side] for side in coherent),
            reference_tracks=[m.track for m in coherent[0]],
            generated_tracks=[m.track for m in coherent[1]],
        )
        if all(coherent)
        else {},
        wholes=wholes(
            names,
            folders[1],
            args.cache,
            notes=args.notes,
            resamples=args.resamples,
            seed=args.seed,
        ),
        pairs=paired,
        notes=(*notes, *(() if paired is None else _first(paired.notes))),
        settings={
            "embeddings": {e.name: e.fingerprint for e in embeddings},
            **{name: getattr(args, name) for name in SETTINGS},
            "listened_seconds": wanted.seconds,
        },
    )


def _variety(
    side: Sequence[Measured], folder: Folder, resamples: int, seed: int
) -> dict[str, Score]:
    """How varied the pitches are, where sounds are notes."""
    from ..metrics.notes import pitch_variety

    facts = {Path(folder.manifest.root) / i.path: i.metadata for i in folder.manifest.items}
    heard = [m for m in side if m.groups.get("notes")]
    asked = [facts.get(m.path, {}).get("pitch") for m in heard]
    return pitch_variety(
        [m.groups["notes"].get("pitch") for m in heard],
        [float(p) if isinstance(p, int | float) else None for p in asked],
        [m.track for m in heard],
        resamples=resamples,
        seed=seed,
    )


def _first(notes: tuple[str, ...]) -> tuple[str, ...]:
    if len(notes) <= SHOWN_NOTES + 1:
        return notes
    more = f"{len(notes) - SHOWN_NOTES} more notes on pairs are in metrics.json."
    return (*notes[:SHOWN_NOTES], more)


def _show(found: Judgement) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..report.evaluation_tables import scores_table, tables

    console = Console()
    for part in (*(scores_table(e) for e in found.embeddings), *tables(found)):
        # What the numbers mean stands on the page; a terminal is too narrow for it.
        kept = [i for i in range(len(part.head)) if i not in part.prose]
        table = Table(*(part.head[i] for i in kept), box=None, title=part.title)
        table.title_justify = "left"
        for row in part.rows[:20]:
            table.add_row(*(row[i] for i in kept))
        console.print(table)
    for note in found.notes:
        console.print(f"- {note}", style="yellow", markup=False)
