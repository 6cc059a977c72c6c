"""Memory and time of `reconstruct_file` from one minute of sound to an hour.

    python benchmarks/growth.py [--minutes 1 5 20 60] [--systems encodec dac rave ...] [--threads 2]

Each row is a process of its own that builds the small recipe of a system with random weights, and
goes from a WAV file at 44.1 kHz to a WAV file: read, resample, encode, quantise, decode, write.
Memory is the most that was resident, and what it is beyond the state behind a first half minute;
seconds are of the run alone; the last column is seconds per minute of sound, beside those of the
first row. Writes benchmarks/results.md. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import soundfile
import torch
from harness import command, machine, record

from latentone.codecs import Codec
from latentone.hub import build_model
from latentone.pipeline import Pipeline

RATE = 44_100
SYSTEMS = ("encodec", "soundstream", "dac", "oobleck", "rave", "hifigan")


def model_of(system: str) -> Pipeline:
    """The small recipe of a system, untrained."""
    torch.manual_seed(0)
    recipe = import_module(f"latentone.systems.{system}").RECIPES["small"]()
    return Pipeline({"acoustic": build_model(recipe.codec.task.model, Codec)}, name=system)


def write_sound(path: Path, minutes: float) -> Path:
    """Noise that swells and fades, a second at a time, in 16 bits."""
    rng = np.random.default_rng(0)
    with soundfile.SoundFile(str(path), "w", RATE, 1, subtype="PCM_16") as file:
        for second in range(round(60 * minutes)):
            level = 0.05 + 0.04 * np.sin(second / 3)
            file.write(level * rng.standard_normal(RATE).clip(-3, 3))
    return path


def resident() -> float:
    """The most memory that was resident in this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(system: str, minutes: float, threads: int) -> dict[str, float]:
    """Run once; in a process that ends then."""
    torch.set_num_threads(threads)
    model = model_of(system)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.wav"
        model.reconstruct_file(write_sound(Path(folder) / "warm.wav", 0.5), out)
        source, before = write_sound(Path(folder) / "in.wav", minutes), resident()
        start = time.perf_counter()
        model.reconstruct_file(source, out)
        return {"seconds": time.perf_counter() - start, "peak": resident(), "before": before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5, 20, 60])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--once", action="store_true", help="run one in this process, print JSON")
    args = parser.parse_args()
    if args.once:
        print(json.dumps(measure(args.systems[0], args.minutes[0], args.threads)))
        return
    rows = []
    for system in args.systems:
        first: float | None = None
        for minutes in args.minutes:
            argv = [sys.executable, __file__, "--once", "--systems", system]
            argv += ["--minutes", str(minutes), "--threads", str(args.threads)]
            done = subprocess.run(argv, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            pace = found["seconds"] / minutes
            first = pace if first is None else first
            rows.append(
                [
                    system,
                    f"{minutes:g}",
                    f"{found['peak']:.0f}",
                    f"{found['peak'] - found['before']:+.0f}",
                    f"{found['seconds']:.1f}",
                    f"{60 * minutes / found['seconds']:.1f}",
                    f"{pace / first:.2f}",
                ]
            )
            print(*rows[-1], flush=True)
    header = ["small recipe", "minutes", "peak MB", "beyond warm MB", "seconds"]
    header += ["times real time", "seconds per minute, to the first"]
    torch.set_num_threads(args.threads)
    notes = f"{command()}; {machine()}."
    record("Growth: an hour from file to file", notes, header, rows)


if __name__ == "__main__":
    main()
