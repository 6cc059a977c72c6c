"""Find out whether generated sounds are copies of training sounds: a list and a page.

    latentone similar training_sounds generated -o copies

Every generated sound is searched among the training sounds twice: by the distance of windows in an
embedding, and by excerpts of 4 s slid along whole sounds, which finds a copied stretch where it
lies. How near is too near is read from the training set: from how near its own tracks come to one
another; what is equal is always too near. Writes copies.json and index.html with the nearest pairs
side by side. What is not caught (other pitch or speed, less than a second, drones) stands in
docs/evaluation.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ._embedding import CACHE, Folder, embed_folder, open_embedding, timed
from ._output import check_folder

if TYPE_CHECKING:
    from ..audio import Audio
    from ..embeddings import Embedding
    from ..metrics.copies import Copies, SoundSet

__all__ = ["Args", "run"]

CANCELLED = 0.1
"""RMS of the mixdown, relative to that of the loudest channel, below which channels cancel."""
NAMED = 3
"""Files that a warning names; it counts the others."""


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
    check_folder(args.out, "--out")
    check_folder(args.cache, "--cache")
    folders = Folder.read(args.training), Folder.read(args.generated)
    embedding = open_embedding(args.embedding)
    training, training_failures, cancelled = _sounds(folders[0], embedding, args)
    generated, failures, more = _sounds(folders[1], embedding, args)
    cancelled += more
    with timed("search") as on_sound:
        found = find_copies(training, generated, candidates=args.candidates, on_sound=on_sound)
    notes = list(found.limits.warnings)
    if found.uncompared:
        notes.insert(0, _uncompared_note(found.uncompared))
    mono = embedding.source.channels == 1
    if cancelled:
        notes.append(
            f"The channels of {_named(cancelled)} cancel in the mixdown: the loudest one was "
            "compared by its excerpts"
            + (", and not by the embedding, which hears the mixdown." if mono else ".")
        )
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


def _sounds(
    folder: Folder, embedding: Embedding, args: Args
) -> tuple[SoundSet, dict[str, str], list[str]]:
    """What is compared of a folder, what could not be read, and whose channels cancel."""
    import torch

    from ..audio import AudioError, load_audio
    from ..metrics.copies import SoundSet
    from ..metrics.excerpts import trace
    from ..metrics.runs import audible_windows

    found = embed_folder(folder, embedding, args.cache, workers=args.workers).embedded
    tracks = folder.tracks
    traces, digests, cancelled = [], [], []
    with timed(f"listen: {folder.path.name}", len(found.paths)) as on_file:
        for done, path in enumerate(found.paths, 1):
            try:
                audio = load_audio(path)
            except AudioError as error:  # it could be read a moment ago
                raise RuntimeError(f"{path} changed while it was read: {error.reason}") from error
            if _cancels(audio):
                cancelled.append(done - 1)
            traces.append(trace(_loudest(audio) if _cancels(audio) else audio))
            digests.append(_digest(audio))
            on_file(done, len(found.paths))
    heard = audible_windows(
        traces, found.file, found.seconds, embedding.window / embedding.source.sample_rate
    )
    if embedding.source.channels == 1:
        # Its vectors are those of silence, or of what is left beside it.
        heard &= ~torch.isin(found.file, torch.tensor(cancelled, dtype=torch.int64))
    sounds = SoundSet(
        names=tuple(str(p) for p in found.paths),
        tracks=tuple(tracks[p] for p in found.paths),
        traces=tuple(traces),
        vectors=found.vectors[heard],
        file=found.file[heard],
        digests=tuple(digests),
    )
    return sounds, found.failures, [sounds.names[i] for i in cancelled]


def _cancels(audio: Audio) -> bool:
    """Whether channels cancel each other in their mean, as two of opposite phase do."""
    x = audio.samples.double()
    return bool(x.mean(0).norm() < CANCELLED * x.norm(dim=1).max())


def _loudest(audio: Audio) -> Audio:
    from ..audio import Audio

    loudest = int(audio.samples.norm(dim=1).argmax())
    return Audio(audio.samples[loudest : loudest + 1], audio.sample_rate)


def _digest(audio: Audio) -> str:
    """Of the samples, the same for every file format that keeps them; empty for silence."""
    if not bool(audio.samples.any()):
        return ""
    shape = f"{audio.sample_rate} {tuple(audio.samples.shape)} ".encode()
    samples = audio.samples.contiguous().numpy().tobytes()
    return hashlib.blake2b(shape + samples, digest_size=16).hexdigest()


def _named(paths: list[str]) -> str:
    names = ", ".join(Path(path).name for path in paths[:NAMED])
    more = len(paths) - NAMED
    return f"{names} and {more} more" if more > 0 else names


def _uncompared_note(uncompared: dict[str, str]) -> str:
    from ..report.copying import why_uncompared

    return (
        f"{len(uncompared)} generated sounds could not be compared, only looked for equal ones "
        f"({why_uncompared(uncompared)}), such as {_named(list(uncompared))}: that they are not "
        "flagged says nothing."
    )


def _plain(found: Copies) -> dict[str, Any]:
    limits = asdict(found.limits)
    limits.pop("warnings")
    return {
        "limits": limits,
        "flagged": found.flagged,
        "uncompared": found.uncompared,
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

    from ..report.copying import headline

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
    console.print(headline(found), markup=False)
    equal, held = (sum(r in n.reasons for _, n in near) for r in ("equal", "mel"))
    console.print(
        f"{equal} of them are equal to a training sound or hold equal windows, {held} hold an "
        "excerpt of one by its mel bands. About one in a hundred unrelated sounds is flagged by "
        "each limit.",
        markup=False,
    )
    for note in notes:
        console.print(f"- {note}", style="yellow", markup=False)
