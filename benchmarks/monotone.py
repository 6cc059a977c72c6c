"""Does each metric worsen, in order, under growing damage? On music, not on made-up vectors.

    python benchmarks/monotone.py [--embeddings logmel classifier joint] [--rounds 4] [--docs docs]

Composed pieces of all 15 genres, played by the recorded instruments of a SoundFont where FluidSynth
is installed (`--synthesised` by the project's own). `--rounds` pieces of every genre are the
reference, as many others the set that is damaged; level 0 is that set as it is. Writes
`docs/monotone.md` with a verdict for every metric and damage, and pictures beside it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from analysis_materials import excerpt
from damage import LADDERS, damage
from monotone_report import Curve, write_report
from monotone_sets import WINDOWS, Known, set_curves

from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.composer.genres import GENRES
from latentone.data.render import Renderer
from latentone.embeddings import Embedding, LogMelStatistics, load_shipped
from latentone.instruments import fluidsynth
from latentone.metrics import METRICS, ReconstructionMetrics
from latentone.metrics.control import ADHERENCE, LIKENESS, adherence, likeness

RATE = 24000
SECONDS = 16.0
PAIR_SECONDS = 3.0
"""Of every piece, for metrics of reconstruction."""
STEREO = ("stereo_error", "balance_error")


def music(seed: int, rounds: int, renderer: Renderer) -> list[Known]:
    """`rounds` pieces of every genre, in rounds."""
    return [
        excerpt(compose(seed, index), renderer, SECONDS) for index in range(rounds * len(GENRES))
    ]


def paired_curves(
    music: Sequence[Known], measure: Callable[[Known, Audio], dict[str, float]], better: dict
) -> Iterator[Curve]:
    """Means of metrics of single sounds, and the covariance of these means over the steps."""
    untouched = [measure(known, known[0]) for known in music]
    for kind, ladder in LADDERS.items():
        if kind == "mode dropping":
            continue
        steps = [untouched]
        for level in ladder.levels:
            steps.append([measure(known, damage(known[0], kind, level)) for known in music])
        for name in better:
            rows = np.array([[row.get(name, np.nan) for row in step] for step in steps])
            rows = rows[:, np.isfinite(rows).all(0)]
            if rows.shape[1] < 2:
                continue
            rows = np.abs(rows) if better[name] == "zero" else rows
            yield Curve(
                name=name,
                damage=kind,
                values=rows.mean(1).tolist(),
                better=better[name],
                covariance=np.cov(rows) / rows.shape[1],
            )


def reconstruction() -> Callable[[Known, Audio], dict[str, float]]:
    metrics = ReconstructionMetrics(RATE)

    def measure(known: Known, audio: Audio) -> dict[str, float]:
        length = min(round(PAIR_SECONDS * RATE), audio.samples.shape[1])
        return metrics(known[0].samples[:, :length], audio.samples[:, :length])

    return measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embeddings", nargs="+", help="default: logmel and what is shipped")
    parser.add_argument("--rounds", type=int, default=4, help="pieces of every genre in a set")
    parser.add_argument("--halves", type=int, default=20, help="random halves, for the noise")
    parser.add_argument("--pairs", type=int, default=15, help="pieces for metrics of one sound")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--synthesised", action="store_true", help="no recorded instruments")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    begin = time.perf_counter()

    def progress(what: str) -> None:
        print(f"{time.perf_counter() - begin:6.0f} s  {what}", file=sys.stderr, flush=True)

    recorded = not arguments.synthesised and fluidsynth.missing() is None
    font = fluidsynth.find_soundfont() if recorded else None
    renderer = Renderer(sample_rate=RATE, channels=1, soundfont=font)
    reference = music(arguments.seed, arguments.rounds, renderer)
    held_out = music(arguments.seed + 1, arguments.rounds, renderer)
    progress(f"{len(reference)} + {len(held_out)} pieces by {renderer.instruments}")

    tables: dict[str, list[Curve]] = {}
    for embedding in embeddings(arguments.embeddings):
        label = f"{embedding.name} ({embedding.fingerprint[:8]})"
        tables[label] = list(set_curves(embedding, reference, held_out, arguments.halves))
        progress(label)
    few = held_out[: arguments.pairs]
    judges: dict[str, tuple[Callable[[Known, Audio], dict[str, float]], dict]] = {
        # The music has one channel.
        "reconstruction": (reconstruction(), {n: m for n, m in METRICS.items() if n not in STEREO}),
        "likeness": (lambda known, audio: likeness(known[0], audio), LIKENESS),
        "adherence": (lambda known, audio: adherence(audio, known[1]), ADHERENCE),
    }
    for label, (measure, about) in judges.items():
        better = {name: metric.better for name, metric in about.items()}
        tables[label] = list(paired_curves(few, measure, better))
        progress(label)
    write_report(
        arguments.docs,
        tables,
        command=shlex.join(["python", "benchmarks/monotone.py", *sys.argv[1:]]),
        music=f"{len(reference)} and {len(held_out)} pieces of {SECONDS:g} s, "
        f"{renderer.instruments}; {WINDOWS} windows of each; {len(few)} pieces for single sounds",
    )
    progress(f"wrote {arguments.docs / 'monotone.md'}")


def embeddings(names: Sequence[str] | None) -> Iterator[Embedding]:
    """Those asked for, or all that are there."""
    for name in names or ("logmel", "classifier", "joint"):
        if name == "logmel":
            yield LogMelStatistics()
            continue
        try:
            yield load_shipped(name).eval()
        except FileNotFoundError:
            if names:
                raise
            print(f"{name} is not shipped yet: left out", file=sys.stderr)


if __name__ == "__main__":
    main()
