"""How wrong each estimator of `latentone.analysis` is, on music whose truth is known.

    python benchmarks/analysis_errors.py [--pieces 24] [--seconds 30] [--seed 11]
        [--pop909 ../shared/data/pop909] [--recordings ../shared/data/sonic_pi] [--write]

The kinds of music are those of `latentone.analysis.MATERIALS`; a folder that is not there leaves
its kind out. Of pieces the middle `--seconds` are played. f0 and melody hear the melody alone, one
note at a time; the rest hears the band. Prints a Markdown table: mean over pieces with its standard
error, the worst piece in brackets, and the number of pieces. Where librosa estimates the same
thing, it is measured on the same sounds. `--write` keeps the table for `estimator_error`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import torch
from analysis_materials import Item, pop909, sampled, synthesised
from analysis_recordings import recordings
from analysis_scores import measure

from latentone.analysis import ESTIMATORS, MATERIALS
from latentone.analysis import errors as kept_errors

PEERS = [f"librosa {name}" for name in ("onsets", "tempo", "tempo_octave", "beats")]
LOWER = {"f0_cents", "voicing_false_alarm", "dynamics", "dynamics_level"}
Errors = dict[str, dict[str, float | int | None]]


def summary(items: Iterator[Item]) -> Errors:
    """Mean, standard error, worst and number of pieces of every score."""
    scores: dict[str, list[float]] = defaultdict(list)
    for item in items:
        for name, value in measure(item).items():
            scores[name].append(float(value))
        print(".", end="", file=sys.stderr, flush=True)
    rows: Errors = {}
    for name, values in scores.items():
        count = len(values)
        error = statistics.stdev(values) / count**0.5 if count > 1 else None
        rows[name] = {
            "mean": round(statistics.fmean(values), 5),
            "standard_error": None if error is None else round(error, 5),
            "worst": round(max(values) if name in LOWER else min(values), 5),
            "pieces": count,
        }
    return rows


def cell(row: dict[str, float | int | None] | None) -> str:
    if row is None:
        return ""
    spread = "" if row["standard_error"] is None else f" ± {row['standard_error']:.2g}"
    return f"{row['mean']:.3g}{spread} ({row['worst']:.2g}) of {row['pieces']}"


def table(errors: dict[str, Errors]) -> Iterator[str]:
    """Lines of Markdown: a row for every estimator, a column for every kind of music."""
    yield "| estimator | " + " | ".join(errors) + " |"
    yield "| --- " * (len(errors) + 1) + "|"
    for name in [*ESTIMATORS, *PEERS]:
        cells = [cell(column.get(name)) for column in errors.values()]
        if any(cells):
            yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pieces", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=11, help="of composer and recorded strokes")
    shared = Path("../shared/data")
    parser.add_argument("--pop909", type=Path, default=shared / "pop909")
    parser.add_argument("--recordings", type=Path, default=shared / "sonic_pi")
    parser.add_argument("--write", action="store_true", help="keep the figures in the package")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)

    pieces, seconds, seed = arguments.pieces, arguments.seconds, arguments.seed
    materials = {
        "synthesised": synthesised(pieces, seconds, seed),
        "sampled": sampled(pieces, seconds, seed),
    }
    if arguments.pop909.is_dir():
        materials["pop909"] = pop909(pieces, seconds, arguments.pop909)
    if arguments.recordings.is_dir():
        materials["recordings"] = recordings(arguments.recordings, seed)
    errors = {name: summary(materials[name]) for name in MATERIALS if name in materials}
    print(file=sys.stderr)
    print("\n".join(table(errors)))
    if arguments.write:
        own = {
            name: {k: row for k, row in rows.items() if k in ESTIMATORS}
            for name, rows in errors.items()
        }
        options = [part for part in sys.argv[1:] if part != "--write"]
        command = shlex.join(["python", "benchmarks/analysis_errors.py", *options])
        path = Path(kept_errors.__file__).with_suffix(".json")
        path.write_text(json.dumps({"command": command, "errors": own}, indent=1) + "\n")


if __name__ == "__main__":
    main()
