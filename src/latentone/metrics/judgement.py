"""Everything that was found about two folders of sound, and what to be wary of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

from ..analysis import ESTIMATORS, MATERIALS, estimator_error
from ..data.manifest import Manifest
from .control import ADHERENCE
from .distribution import Score
from .files import Measured
from .judge import JudgedEmbedding
from .notes import NOTES
from .sets import plain_score
from .structure import COHERENCE, DescriptorComparison
from .wholes import Whole

__all__ = ["Judgement", "Pairs", "folder_warnings", "plain"]

SILENT = 0.95
"""Share of silent windows from which a sound counts as silent throughout."""
ERROR_FIGURES = ("mean", "standard_error", "worst", "pieces")
HOLLOW_DB = -6.0
"""What a mixdown leaves of the power below which a sound is called hollow."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Reconstructions beside their originals."""

    scores: Mapping[str, Score]
    """Means over pairs."""
    each: Mapping[str, Mapping[str, float]]
    """Scores of every pair by name."""
    paths: Mapping[str, tuple[Path, Path]]
    """Original and reconstruction by name."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What `latentone evaluate` found."""

    reference: Path
    generated: Path
    manifests: tuple[Manifest, Manifest]
    embeddings: tuple[JudgedEmbedding, ...]
    measured: tuple[tuple[Measured, ...], tuple[Measured, ...]] = ((), ())
    """Sounds of the reference and of the generated set that were listened to one by one."""
    means: Mapping[str, tuple[Mapping[str, Score], Mapping[str, Score]]] = field(
        default_factory=dict
    )
    """Means over the sounds of the reference and of the generated set by name, by group:
    `adherence`, `coherence`, `loops`, `notes`."""
    coherence: Mapping[str, DescriptorComparison] = field(default_factory=dict)
    wholes: Mapping[str, Whole] = field(default_factory=dict)
    """Numbers of the generated set that belong to no single sound."""
    pairs: Pairs | None = None
    notes: tuple[str, ...] = ()
    """What weakens all this, in words."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`, without any number that is not finite.

        Sounds are named by their path inside their folder.
        """
        roots = [Path(m.root) for m in self.manifests]
        failures = [{f.path: f.reason for f in m.failures} for m in self.manifests]
        embeddings = {}
        for found in self.embeddings:
            for failed, side, folder in zip(
                failures, (found.reference, found.generated), roots, strict=True
            ):
                failed |= {_inside(folder, path): why for path, why in side.failures.items()}
            plain_found = found.to_json()
            outliers = plain_found["outliers"]
            embeddings[found.column] = {
                **plain_found,
                "outliers": {_inside(roots[1], path): value for path, value in outliers.items()},
                "nearer_than_tracks": [_inside(roots[1], path) for path in found.near],
            }
        sets = {
            name: {
                "folder": str(folder),
                "files": len(manifest.items),
                "tracks": len({i.group for i in manifest.items}),
                "seconds": sum(i.duration for i in manifest.items),
                "measured_files": len(measured),
                "failures": failed,
            }
            for name, folder, manifest, measured, failed in zip(
                ("reference", "generated"),
                (self.reference, self.generated),
                self.manifests,
                self.measured,
                failures,
                strict=True,
            )
        }
        pairs = self.pairs
        return plain(
            {
                **sets,
                "settings": self.settings,
                "warnings": self.notes,
                "embeddings": embeddings,
                **{
                    group: {
                        "generated": {n: plain_score(s) for n, s in generated.items()},
                        "reference": {n: plain_score(s) for n, s in reference.items()},
                    }
                    for group, (reference, generated) in self.means.items()
                },
                "estimators": self._estimators(),
                "wholes": {n: w.to_json() for n, w in self.wholes.items()},
                "coherence_compared": {n: asdict(c) for n, c in self.coherence.items()},
                "pairs": None
                if pairs is None
                else {
                    "scores": {n: plain_score(s) for n, s in pairs.scores.items()},
                    "each": pairs.each,
                    "notes": pairs.notes,
                },
            }
        )

    def _estimators(self) -> dict[str, Any]:
        """How right the estimator behind each number is where the truth is known."""
        known = {**ADHERENCE, **COHERENCE, **NOTES}
        used = {
            name: known[name].estimator
            for group in self.means.values()
            for side in group
            for name in side
            if name in known
        }
        return {
            name: {
                "estimator": estimator,
                "counts": ESTIMATORS[estimator],
                "by_material": {
                    material: {
                        "mean": e.mean,
                        "standard_error": e.standard_error,
                        "pieces": e.pieces,
                    }
                    for material in MATERIALS
                    if (e := estimator_error(estimator, material)) is not None
                },
            }
            for name, estimator in used.items()
            if estimator is not None
        }


def _inside(folder: Path, path: str | Path) -> str:
    """A path inside a folder, as it is called there; others as they are."""
    path = Path(path)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)


def plain(value: Any) -> Any:
    """JSON values; numbers that are not finite, which JSON does not know, become null."""
    if isinstance(value, Mapping):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def folder_warnings(
    folders: tuple[Path, Path],
    manifests: tuple[Manifest, Manifest],
    measured: tuple[Sequence[Measured], Sequence[Measured]],
    embeddings: Sequence[JudgedEmbedding],
) -> tuple[str, ...]:
    """What to be wary of, and what is still meaningful, in words."""
    notes = []
    if folders[0].resolve() == folders[1].resolve():
        notes.append(
            "Both folders are the same one: every distance is that of a set to itself and says "
            "nothing of a generator. Levels, keys, tempi, coherence and adherence still describe "
            "the sounds."
        )
    names = ("reference", "generated")
    for name, manifest, sounds in zip(names, manifests, measured, strict=True):
        count, tracks = len(manifest.items), len({i.group for i in manifest.items})
        if count == 1:
            notes.append(
                f"The {name} set is a single sound: it has windows, but nothing is known of how "
                "sounds differ. What is measured of it alone is meaningful; shares and intervals "
                "are not."
            )
        elif tracks == 1:
            notes.append(
                f"All sounds of the {name} set count as one track, so there are no intervals: "
                "name the sources in sidecars (`group`), or the files apart."
            )
        hollow = [m.path.name for m in sounds if m.facts.mixdown_db < HOLLOW_DB]
        if hollow:
            notes.append(
                f"{len(hollow)} of {len(sounds)} {name} sounds lose more than {-HOLLOW_DB:g} dB "
                f"when their channels are averaged, such as {hollow[0]}: channels cancel, and "
                "embeddings and analysis hear what is left."
            )
        if manifest.failures:
            notes.append(
                f"{len(manifest.failures)} files of the {name} set could not be read and are left "
                "out; metrics.json names them."
            )
        silent = [m.path.name for m in sounds if m.facts.silent > SILENT]
        if silent:
            notes.append(
                f"{len(silent)} of {len(sounds)} {name} sounds are silent, such as {silent[0]}: "
                "they count in every score; leave them out to judge the rest."
            )
    rates = [median(i.sample_rate for i in m.items) for m in manifests]
    if rates[0] != rates[1]:
        notes.append(
            f"The sets have different sample rates, {rates[0]:g} and {rates[1]:g} Hz: what lies "
            "above half of the lower one is missing from one set, which moves distances by itself."
        )
    channels = [{i.channels for i in m.items} for m in manifests]
    if channels[0] != channels[1]:
        listed = [" and ".join(map(str, sorted(side))) for side in channels]
        notes.append(
            f"Sounds of the reference have {listed[0]} channels, generated ones {listed[1]}: "
            "embeddings and analysis hear the mean of channels, so that width is not judged."
        )
    lengths = [median(i.duration for i in m.items) for m in manifests]
    if max(lengths) > 2 * min(lengths):
        notes.append(
            f"Sounds of the sets differ in length ({lengths[0]:.1f} and {lengths[1]:.1f} s in the "
            "middle): long ones have more windows and weigh more; coherence compares sounds of "
            "like length only."
        )
    for found in embeddings:
        notes += _embedding_warnings(found, manifests)
    problems = [p for side in measured for m in side for p in m.problems]
    notes += problems[:5]
    if len(problems) > 5:
        notes.append(f"{len(problems) - 5} more sounds could not be measured whole.")
    return tuple(dict.fromkeys(notes))


def _embedding_warnings(found: JudgedEmbedding, manifests: tuple[Manifest, Manifest]) -> list[str]:
    notes = []
    for name, manifest in zip(("reference", "generated"), manifests, strict=True):
        short = sum(i.duration < found.window_seconds for i in manifest.items)
        if short:
            notes.append(
                f"{found.name}: {short} of {len(manifest.items)} {name} sounds are shorter than a "
                f"window of {found.window_seconds:g} s and were repeated to fill it."
            )
    used = len(found.reference.vectors), len(found.generated.vectors)
    if used != found.windows:
        notes.append(
            f"{found.name}: {used[0]} of {found.windows[0]} reference and {used[1]} of "
            f"{found.windows[1]} generated windows were compared, evenly spread (--windows)."
        )
    scores = found.comparison.scores
    said = dict.fromkeys(note for score in scores.values() for note in score.warnings)
    notes += [f"{found.name}: {note}." for note in said]
    if found.near:
        notes.append(
            f"{found.name}: {len(found.near)} generated sounds are nearer to the reference than "
            "99 in 100 of its sounds are to another track, or equal to it: `latentone similar` "
            "finds out whether they are copies."
        )
    return notes
