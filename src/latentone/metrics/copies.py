"""Which generated sounds are too near to a training sound, judged by how near its own tracks are.

Two rulers: the distance of runs of windows in an embedding, and the correlation of excerpts slid
along whole sounds (`excerpts`). What is too near is read from the training set: each of its sounds
is searched among the other tracks, and what only one in a hundred of them reaches is suspicious.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .excerpts import SIZES, Match, Trace, best_match, coarse_scores
from .nearness import EQUAL, FEW, SHARE, Ruler, calibrated

__all__ = [
    "Copies",
    "Limits",
    "Neighbour",
    "SoundSet",
    "find_copies",
]

MEL_LEAST = {4.0: 0.8, 2.0: 0.9, 1.0: 0.96}
CHROMA_LEAST = {4.0: 0.95, 2.0: 0.99, 1.0: 0.995}
"""Correlations below these are never flagged, by seconds of the excerpt: unrelated pieces of one
style reach 0.7 and 0.92 in 4 s, two strokes that decay 0.95 and 0.99 in a second."""
MOST = 0.985
"""The training set raises a limit to this at most: a copy with nothing done to it reaches 0.99."""


@dataclass(frozen=True, kw_only=True)
class SoundSet:
    """Sounds as they are compared; lists have an entry for each sound."""

    names: tuple[str, ...]
    tracks: tuple[str, ...]
    """Sounds of one track resemble each other: they say nothing of what is usual."""
    traces: tuple[Trace, ...]
    vectors: Tensor
    """Windows in one embedding, sound after sound, in order, `(N, D)`; silent ones left out."""
    file: Tensor
    """int64 `(N,)`, ascending: which sound a window is of."""
    digests: tuple[str, ...] | None = None
    """A hash of each sound's samples, empty for silence; None looks for no equal ones."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond which a sound is too near."""

    distance: float | None
    """Distance in the embedding, in standard deviations of the training windows; None where
    the training set has too few tracks to tell."""
    mel: dict[float, float]
    """Correlation of mel bands by seconds of the excerpt."""
    chroma: dict[float, float]
    """Correlation of pitch classes by seconds of the excerpt."""
    sounds: int
    """Training sounds that were searched for."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training sound near a generated one."""

    name: str
    distance: float
    """In the embedding, of the nearest runs of windows; infinite where there is none."""
    match: Match
    reasons: tuple[str, ...]
    """Of `equal`, `mel`, `chroma`, `distance`: equal samples or a run of equal windows, and which
    limits it goes beyond."""


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What was found for every generated sound."""

    limits: Limits
    neighbours: dict[str, tuple[Neighbour, ...]]
    """By generated sound: what is flagged first, then by correlation."""
    uncompared: dict[str, str]
    """Sounds that could be compared for being equal at most, and are not: `silent`, `short` or
    `steady`. That they are not flagged says nothing."""

    @property
    def flagged(self) -> tuple[str, ...]:
        """Sounds that are too near to one training sound or more."""
        return tuple(name for name, near in self.neighbours.items() if near and near[0].reasons)


def find_copies(
    training: SoundSet,
    generated: SoundSet,
    *,
    candidates: int = 5,
    limits: Limits | None = None,
    on_sound: Callable[[int, int], None] | None = None,
) -> Copies:
    """Find the nearest training sounds of each generated one, and flag what is too near.

    Args:
        training: what a model was trained on.
        generated: what it made; of the same embedding.
        candidates: training sounds that are looked at closely for each sound, so many by
            embedding and so many by a coarse correlation with all.
        limits: from an earlier call; read from the training set when None.
        on_sound: called with sounds done and in all, those for the limits counted too.

    Raises:
        ValueError: an empty set, sets of different embeddings, or fewer than one candidate.
    """
    if candidates < 1 or not training.names or not generated.names:
        raise ValueError(
            "expected sounds in both sets and 1 or more candidates, got "
            f"{len(training.names)}, {len(generated.names)} and {candidates}"
        )
    if training.vectors.shape[1:] != generated.vectors.shape[1:]:
        raise ValueError(
            f"the training sounds have {training.vectors.shape[1]} features a window and the "
            f"generated ones {generated.vectors.shape[1]}: embed both with the same model"
        )
    search = _Search(training, candidates)
    own = calibrated(len(training.names)) if limits is None else range(0)
    total, done = len(own) + len(generated.names), 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_sound is not None:
            on_sound(done, total)

    if limits is None:
        limits = _limits(training, own, search, step)
    neighbours, uncompared = {}, {}
    coarse = coarse_scores(generated.traces, training.traces)
    same = _same_samples(training, generated)
    for i, name in enumerate(generated.names):
        vectors = generated.vectors[generated.file == i]
        found = search.nearest(generated.traces[i], vectors, coarse[i], also=same[i])
        near = [
            Neighbour(
                name=training.names[j],
                distance=distance,
                match=match,
                reasons=_reasons(match, distance, limits, equal=j in same[i]),
            )
            for j, distance, match in found
        ]
        near.sort(key=lambda n: (-len(n.reasons), -n.match.mel, n.distance))
        neighbours[name] = tuple(near)
        if why := _uncompared(near, generated.traces[i], limits):
            uncompared[name] = why
        step()
    return Copies(limits=limits, neighbours=neighbours, uncompared=uncompared)


class _Search:
    """Nearest training sounds of one sound."""

    def __init__(self, training: SoundSet, candidates: int) -> None:
        self.training, self.candidates = training, candidates
        self.ruler = Ruler(training.vectors, training.file, training.tracks)

    def nearest(
        self,
        trace: Trace,
        vectors: Tensor,
        coarse: Tensor,
        *,
        without: str | None = None,
        also: Sequence[int] = (),
    ) -> list[tuple[int, float, Match]]:
        """Candidates of all tracks but one: index, distance in the embedding, best match."""
        sounds = len(self.training.names)
        distances = self.ruler.distances(vectors, without=without)
        if without is not None:
            own = torch.tensor([track == without for track in self.training.tracks])
            coarse = coarse.masked_fill(own, -torch.inf)
        count = min(self.candidates, sounds)
        picks = [*also, *distances.topk(count, largest=False).indices.tolist()]
        picks += coarse.topk(count).indices.tolist()
        return [
            (j, float(distances[j]), best_match(trace, self.training.traces[j]))
            for j in dict.fromkeys(picks)
            if without is None or self.training.tracks[j] != without
        ]


def _limits(training: SoundSet, own: range, search: _Search, step: Callable[[], None]) -> Limits:
    """Search training sounds among the other tracks, and see what hardly any of them reaches."""
    distances: list[float] = []
    mel: dict[float, list[float]] = {s: [] for s in SIZES}
    chroma: dict[float, list[float]] = {s: [] for s in SIZES}
    coarse = coarse_scores([training.traces[i] for i in own], training.traces)
    for row, i in enumerate(own):
        vectors = training.vectors[training.file == i]
        found = search.nearest(training.traces[i], vectors, coarse[row], without=training.tracks[i])
        distances.append(min((d for _, d, _ in found), default=torch.inf))
        for seconds in SIZES:
            matches = [m for _, _, m in found if m.seconds == seconds]
            if matches:
                mel[seconds].append(max(m.mel for m in matches))
                chroma[seconds].append(max(m.chroma for m in matches))
        step()
    notes, tracks = [], len(set(training.tracks))
    if tracks < 2:
        notes.append(
            "the training set is one track: nothing is known of how near different tracks are; "
            "correlations are judged by fixed limits alone, and equal sounds are found"
        )
    elif tracks < FEW:
        notes.append(
            f"the training set has {tracks} tracks: too few to say which distance is unusual, so "
            "sounds are judged by correlation and for being equal alone; "
            f"{FEW} tracks or more are needed"
        )
    high = [s for s in SIZES if len(mel[s]) and _quantile(mel[s], 1 - SHARE) > MOST]
    if high:
        lengths = ", ".join(f"{s:g}" for s in high)
        notes.append(
            f"the training set holds near copies of its own in different tracks (excerpts of "
            f"{lengths} s): sounds that correlate above {MOST} are flagged all the same"
        )
    return Limits(
        distance=search.ruler.limit(distances),
        mel={s: _limit(mel[s], MEL_LEAST[s]) for s in SIZES},
        chroma={s: _limit(chroma[s], CHROMA_LEAST[s]) for s in SIZES},
        sounds=len(own),
        warnings=tuple(notes),
    )


def _quantile(values: Sequence[float], share: float) -> float:
    return float(torch.tensor(values, dtype=torch.float64).quantile(share))


def _limit(values: Sequence[float], least: float) -> float:
    """What one in a hundred reaches, but a fixed least, and never out of a copy's reach."""
    return max(least, min(MOST, _quantile(values, 1 - SHARE) if values else least))


def _reasons(match: Match, distance: float, limits: Limits, *, equal: bool) -> tuple[str, ...]:
    found = ["equal"] if equal or distance <= EQUAL else []
    if match.seconds:
        found += ["mel"] if match.mel > limits.mel[match.seconds] else []
        found += ["chroma"] if match.chroma > limits.chroma[match.seconds] else []
    if limits.distance is not None and distance < limits.distance:
        found.append("distance")
    return tuple(found)


def _same_samples(training: SoundSet, generated: SoundSet) -> list[list[int]]:
    """Of each generated sound, the training sounds of equal samples."""
    where: dict[str, list[int]] = {}
    for j, digest in enumerate(training.digests or ()):
        where.setdefault(digest, []).append(j)
    return [where.get(d, []) if d else [] for d in generated.digests or [""] * len(generated.names)]


def _uncompared(near: Sequence[Neighbour], sound: Trace, limits: Limits) -> str:
    """Why no ruler applied to a sound that is not flagged; empty where one did."""
    by_distance = limits.distance is not None and any(n.distance < torch.inf for n in near)
    # Correlations are exactly 0 where either sound is steady.
    moving = any(n.match.mel or n.match.chroma for n in near if n.match.seconds)
    if by_distance or moving or any(n.reasons for n in near):
        return ""
    if bool(sound.mel.amin() == sound.mel.amax()):
        return "silent"
    return "steady" if any(n.match.seconds for n in near) else "short"
