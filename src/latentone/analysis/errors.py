"""How wrong each estimator is: the figures of docs/analysis.md, for whoever judges with one.

`benchmarks/analysis_errors.py` measures them on music whose truth is known and writes
`errors.json` beside this file. A score that is made with an estimator is no more certain than it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

__all__ = ["ESTIMATORS", "MATERIALS", "EstimatorError", "estimator_error"]

Material = Literal["synthesised", "sampled", "pop909", "recordings"]

MATERIALS: dict[Material, str] = {
    "synthesised": "pieces of the composer, played by the project's synthesisers",
    "sampled": "pieces of the composer, played by the recorded instruments of a SoundFont",
    "pop909": "arrangements of pop songs as people played them, through the same SoundFont",
    "recordings": "recorded sounds and loops, alone or in an order that is known exactly",
}
"""What errors were measured on."""

ESTIMATORS: dict[str, str] = {
    "f0": "share of sounding frames within 50 cents",
    "f0_cents": "median error of those frames, in cents",
    "voicing": "share of sounding frames that are called voiced",
    "voicing_false_alarm": "share of frames without a pitch that are called voiced",
    "melody": "share of notes with the right pitch class",
    "chroma": "mean cosine of a frame and the pitch classes that sound in it",
    "onsets": "F1 at 50 ms",
    "onsets_precision": "share of what is found that is an onset, at 50 ms",
    "onsets_recall": "share of onsets that are found, at 50 ms",
    "tempo": "share of pieces within 4 %",
    "tempo_octave": "share of pieces within 4 % of 1/3, 1/2, 1, 2 or 3 times the tempo",
    "beats": "F1 at 70 ms",
    "downbeats": "F1 at 70 ms",
    "bar_length": "share of pieces with the right number of beats in a bar",
    "key": "share of pieces with the right tonic and mode",
    "key_mirex": "mean MIREX score: a fifth off counts 0.5, the relative 0.3, the parallel 0.2",
    "chords_root": "share of time with the right root",
    "chords": "share of time with the right root and third",
    "chords_sevenths": "share of time with the right root and quality, of 60",
    "dynamics": "mean error of a known curve of gain, in dB",
    "dynamics_level": "error of the mean level, in dB",
    "repetition": "share of pieces whose lag is a whole number of bars within 0.25 s",
    "boundaries": "F1 at 3 s",
}
"""Every estimator whose error is known, by a name that stays, and what its figures count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatorError:
    """How well an estimator did on one kind of material."""

    name: str
    """A key of `ESTIMATORS`, which says what is counted and in what unit."""
    mean: float
    """Over pieces."""
    standard_error: float
    """Of the mean; NaN for a single piece."""
    worst: float
    """The worst piece."""
    pieces: int
    """How many were measured."""
    material: str
    """A key of `MATERIALS`."""

    def __str__(self) -> str:
        spread = (
            "" if self.standard_error != self.standard_error else f" ± {self.standard_error:.2g}"
        )
        return f"{self.name}: {ESTIMATORS[self.name]}: {self.mean:.3g}{spread} ({self.material})"


def estimator_error(name: str, material: Material = "synthesised") -> EstimatorError | None:
    """Look up the error of an estimator.

    Args:
        name: a key of `ESTIMATORS`.
        material: a key of `MATERIALS`, the one that is most like what is judged.

    Returns:
        None where this estimator was not measured on this material: its truth is not known there.

    Raises:
        ValueError: no such estimator or material.
    """
    if name not in ESTIMATORS:
        raise ValueError(f"unknown estimator {name!r}; known: {', '.join(ESTIMATORS)}")
    if material not in MATERIALS:
        raise ValueError(f"unknown material {material!r}; known: {', '.join(MATERIALS)}")
    row = _table()["errors"].get(material, {}).get(name)
    if row is None:
        return None
    spread = row["standard_error"]
    return EstimatorError(
        name=name,
        mean=row["mean"],
        standard_error=float("nan") if spread is None else spread,
        worst=row["worst"],
        pieces=row["pieces"],
        material=material,
    )


@cache
def _table() -> dict[str, Any]:
    text = files(__package__).joinpath("errors.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
