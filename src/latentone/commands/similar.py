"""Find out whether generated sounds are copies of training sounds: a list and a page.

    latentone similar training_sounds generated -o copies

Every generated sound is searched among the training sounds twice: by the distance of windows in an
embedding, and by excerpts of 4 s slid along whole sounds, which finds a copied stretch where it
lies. How near is too near is read from the training set: from how near its own tracks come to one
another. Writes copies.json and index.html with the nearest pairs side by side. What is not caught
(other pitch or speed, less than a second, drones) stands in docs/evaluation.md.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ._embedding import CACHE, Folder, embed_folder, open_embedding, timed

if TYPE_CHECKING:
    from ..embeddings import Embedding
    from ..metrics.copies import Copies, SoundSet

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone similar`."""

    training: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TRAINING")]
    """Folder of sounds that a model was trained on."""
    generated: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="GENERATED")]
    """Folder of sounds that it made."""
    embedding: str = "logmel"
    """What turns windows into vectors: logmel, classifier, joint, vggish:FILE, clap:FOLDER, or a
    codec or trained embedding (run folder, model folder or Hub id)."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("copies")
    """Folder for copies.json and index.html."""
    cache: Path = CACHE
    """Folder that keeps vectors for the next time."""
    workers: int = 0
    """Processes that embed beside this one; they are worth it from minutes of work on."""
    candidates: int = 5
    """Training sounds that are looked at closely for each generated one: so many by embedding,
    and so many by a coarse search of all."""
    shown: int = 8
    """Pairs with players on the page, the most alike first."""


def run(args: Args) -> int:
    """Embed, search, write, and say how many are too near."""
    from .. import __version__
    from ..atomic import atomic_file
    from ..config import save_json
    from ..metrics.copies import find_copies
    from ..metrics.judgement import plain
    from ..report.copying import gather_copying, render_copying

    if args.candidates < 1 or args.shown < 0:
        raise ValueError(
            "expected --candidates of 1 or more and --shown of 0 or more, got "
            f"{args.candidates} and {args.shown}"
        )
    if args.out.is_file():
        raise ValueError(f"{args.out} is a file; --out takes a folder")
    folders = Folder.read(args.training), Folder.read(args.generated)
    embedding = open_embedding(args.embedding)
    training, training_failures = _sounds(folders[0], embedding, args)
    generated, failures = _sounds(folders[1], embedding, args)
    with timed("search") as on_sound:
        found = find_copies(training, generated, candidates=args.candidates, on_sound=on_sound)
    notes = list(found.limits.warnings)
    if args.training.resolve() == args.generated.resolve():
        notes.insert(0, "Both folders are the same one: everything is a copy of itself.")
    described = f"{embedding.name}, {embedding.fingerprint[:16]}"
    page = render_copying(
        gather_copying(
            found,
            training=args.training,
            generated=args.generated,
            training_sounds=len(training.names),
            embedding=described,
            shown=args.shown,
            notes=notes,
        )
    )
    args.out.mkdir(parents=True, exist_ok=True)
    with atomic_file(args.out / "index.html") as partial:
        partial.write_text(page, encoding="utf-8")
    data = {
        "software": f"latentone {__version__}",
        "embedding": {"name": embedding.name, "fingerprint": embedding.fingerprint},
        "settings": {"candidates": args.candidates},
        "training": {
            "folder": args.training,
            "sounds": len(training.names),
            "failures": training_failures,
        },
        "generated": {
            "folder": args.generated,
            "sounds": len(generated.names),
            "failures": failures,
        },
        "warnings": notes,
        **_plain(found),
    }
    save_json(plain(data), args.out / "copies.json")
    _show(found, notes)
    print(f"\nwrote {args.out / 'copies.json'} and {args.out / 'index.html'}")
    return 0


def _sounds(folder: Folder, embedding: Embedding, args: Args) -> tuple[SoundSet, dict[str, str]]:
    from ..audio import AudioError, load_audio
    from ..metrics.copies import SoundSet
    from ..metrics.excerpts import trace
    from ..metrics.runs import audible_windows

    found = embed_folder(folder, embedding, args.cache, workers=args.workers).embedded
    tracks = folder.tracks
    traces = []
    with timed(f"listen: {folder.path.name}", len(found.paths)) as on_file:
        for done, path in enumerate(found.paths, 1):
            try:
                traces.append(trace(load_audio(path)))
            except AudioError as error:  # it could be read a moment ago
                raise RuntimeError(f"{path} changed while it was read: {error.reason}") from error
            on_file(done, len(found.paths))
    heard = audible_windows(
        traces, found.file, found.seconds, embedding.window / embedding.source.sample_rate
    )
    sounds = SoundSet(
        names=tuple(str(p) for p in found.paths),
        tracks=tuple(tracks[p] for p in found.paths),
        traces=tuple(traces),
        vectors=found.vectors[heard],
        file=found.file[heard],
    )
    return sounds, found.failures


def _plain(found: Copies) -> dict[str, Any]:
    limits = asdict(found.limits)
    limits.pop("warnings")
    return {
        "limits": limits,
        "flagged": found.flagged,
        "sounds": {
            name: [
                {
                    "training": n.name,
                    "reasons": n.reasons,
                    "distance": n.distance,
                    **asdict(n.match),
                }
                for n in near
            ]
            for name, near in found.neighbours.items()
        },
    }


def _show(found: Copies, notes: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    near = [(name, n[0]) for name, n in found.neighbours.items() if n and n[0].reasons]
    table = Table("generated", "training", "mel", "chroma", "distance", "why", box=None)
    for name, n in near[:20]:
        table.add_row(
            Path(name).name,
            Path(n.name).name,
            f"{n.match.mel:.3f}",
            f"{n.match.chroma:.3f}",
            f"{n.distance:.3g}",
            ", ".join(n.reasons),
        )
    if near:
        console.print(table)
    held = sum("mel" in n.reasons for _, n in near)
    total = len(found.neighbours)
    console.print(
        f"{len(near)} of {total} sounds are flagged; {held} of them hold an excerpt of a training "
        "sound by its mel bands. About one in a hundred unrelated sounds is flagged by each limit.",
        markup=False,
    )
    for note in notes:
        console.print(f"- {note}", style="yellow", markup=False)
