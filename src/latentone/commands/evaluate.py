"""Say how close a folder of sounds is to another, and how varied: metrics.json.

latentone evaluate real_sounds generated -o judged
latentone evaluate real_sounds generated --embedding run/codec

Nothing is paired: files of both folders are cut into windows, embedded, and compared as sets. Each
number has an interval by resampling tracks. Vectors are kept in --cache, so that a set is embedded
once. To judge a codec's reconstructions pair by pair, see the report of its run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ._embedding import CACHE, embed_folder, open_embedding

if TYPE_CHECKING:
    from ..embeddings import Embedded, Embedding
    from ..metrics.sets import SetComparison

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone evaluate`."""

    reference: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Folder of sounds as they should be: real ones, held out of training."""
    generated: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="GENERATED")]
    """Folder of sounds to judge."""
    embedding: str = "logmel"
    """What turns windows into vectors: logmel, or a codec (run folder, codec folder or Hub id)."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("evaluation")
    """Folder for metrics.json."""
    cache: Path = CACHE
    """Folder that keeps vectors for the next time."""
    resamples: int = 100
    """Bootstrap resamples by track; 0 gives no intervals."""
    seed: int = 0
    """Of all draws."""


def run(args: Args) -> int:
    """Embed, compare, write, and print a table."""
    from ..metrics.sets import compare_sets

    embedding = open_embedding(args.embedding)
    reference = embed_folder(args.reference, embedding, args.cache)
    generated = embed_folder(args.generated, embedding, args.cache)
    comparison = compare_sets(
        reference.embedded.vectors,
        generated.embedded.vectors,
        reference.tracks,
        generated.tracks,
        resamples=args.resamples,
        seed=args.seed,
    )
    _write(args, embedding, reference.embedded, generated.embedded, comparison)
    _show(comparison)
    print(f"\nwrote {args.out / 'metrics.json'}")
    return 0


def _write(
    args: Args,
    embedding: Embedding,
    reference: Embedded,
    generated: Embedded,
    comparison: SetComparison,
) -> None:
    from .. import __version__
    from ..config import save_json

    rate = embedding.source.sample_rate
    sets = {
        name: {
            "folder": str(folder),
            "files": len(found.paths),
            "windows": len(found.vectors),
            "failures": found.failures,
        }
        for name, folder, found in (
            ("reference", args.reference, reference),
            ("generated", args.generated, generated),
        )
    }
    args.out.mkdir(parents=True, exist_ok=True)
    save_json(
        {
            "software": f"latentone {__version__}",
            "embedding": {
                "name": embedding.name,
                "fingerprint": embedding.fingerprint,
                "dimensions": embedding.dim,
                "window_seconds": embedding.window / rate,
                "hop_seconds": embedding.hop / rate,
            },
            **sets,
            "settings": {"resamples": args.resamples, "seed": args.seed},
            **comparison.to_json(),
        },
        args.out / "metrics.json",
    )


def _show(comparison: SetComparison) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..metrics.sets import SET_METRICS

    table = Table("metric", "value", "95 %", "what it is", box=None)
    notes: list[str] = []
    for name, about in SET_METRICS.items():
        score = comparison.scores.get(name)
        if score is None:
            table.add_row(name, "-", "", comparison.missing[name])
            continue
        interval = score.interval
        between = "" if interval is None else f"{interval.low:.3g} to {interval.high:.3g}"
        table.add_row(name, f"{score.value:.4g}", between, about)
        notes += [note for note in score.warnings if note not in notes]
    console = Console()
    console.print(table)
    for note in notes:
        console.print(f"- {note}", style="yellow")
