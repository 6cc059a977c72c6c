"""Measure two ways of doing the same thing, alternating in one process.

Alternating cancels what drifts (heat, other programs); the ratio is taken pair by pair and given
with its spread. Run with nothing else on the machine.
"""

from __future__ import annotations

import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["Timing", "alternate", "command", "machine", "record"]

RESULTS = Path(__file__).parent / "results.md"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of each run."""

    ours: tuple[float, ...]
    peer: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """How many times faster we were, by pair, ascending."""
        return sorted(p / o for o, p in zip(self.ours, self.peer, strict=True))

    def row(self, name: str, amount: float, unit: str) -> list[str]:
        """Cells of a table: what, our rate, the peer's rate, the ratio with its spread."""
        ours, peer = (amount / statistics.median(times) for times in (self.ours, self.peer))
        low, middle, high = self.ratios[0], statistics.median(self.ratios), self.ratios[-1]
        rates = [f"{ours:.3g} {unit}", f"{peer:.3g} {unit}"]
        return [name, *rates, f"{middle:.2f} ({low:.2f} to {high:.2f})"]


def alternate(
    ours: Callable[[], Any], peer: Callable[[], Any], *, repeats: int = 7, warmup: int = 1
) -> Timing:
    """Time both in turn; which goes first changes with every pair."""
    for _ in range(warmup):
        ours(), peer()
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for repeat in range(repeats):
        pair = [("ours", ours), ("peer", peer)]
        for name, run in pair if repeat % 2 == 0 else reversed(pair):
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return Timing(ours=tuple(times["ours"]), peer=tuple(times["peer"]))


def command() -> str:
    """What was typed to run this script."""
    return f"`python benchmarks/{shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}`"


def machine() -> str:
    """Processor, threads and versions, for the head of a table."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        model = found[1]
    return f"{model}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def record(section: str, notes: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, and put it in place of its section in results.md."""
    lines = [f"## {section}", "", notes, "", f"| {' | '.join(header)} |"]
    lines += ["|" + " --- |" * len(header), *(f"| {' | '.join(row)} |" for row in rows)]
    text = "\n".join(lines) + "\n"
    print(text)
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Measured\n"
    parts = re.split(r"(?m)^(?=## )", old)
    kept = [part.rstrip() for part in parts if not part.startswith(f"## {section}\n")]
    RESULTS.write_text("\n\n".join([*kept, text]), encoding="utf-8")
