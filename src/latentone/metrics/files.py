"""What is measured of each sound alone, and its mean over a set with an interval by track."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, log10
from pathlib import Path
from typing import Any

import torch

from ..analysis import key, rhythm
from ..audio import Audio, load_audio
from ..config import load_json
from .control import ADHERENCE, adherence, read_seams
from .distribution import Score, bootstrap
from .levels import measure
from .loops import loop_scores
from .notes import NOTES, note_scores
from .reconstruction import METRICS
from .structure import coherence

__all__ = [
    "Measured",
    "SoundFacts",
    "Wanted",
    "mean_scores",
    "measure_file",
    "read_request",
    "sound_facts",
]

SHARES = frozenset(
    name for name, metric in {**ADHERENCE, **NOTES}.items() if metric.range == "0 or 1"
)
"""What is 0 or 1 for each sound."""
SIGNED = frozenset(
    [name for name, metric in METRICS.items() if metric.better == "zero"]
    + [name for name, metric in {**ADHERENCE, **NOTES}.items() if metric.better == "zero"]
)
"""Differences to either side, which would cancel in a mean."""


@dataclass(frozen=True, kw_only=True)
class SoundFacts:
    """Level, key and tempo of one sound."""

    seconds: float
    rms_db: float
    """Root mean square, dB relative to full scale."""
    silent: float
    """Share of 50 ms windows below -60 dB."""
    clipped: float
    """Share of samples at full scale."""
    key: str | None = None
    """As in `Eb major`; None where nothing has a pitch class, or nobody listened."""
    bpm: float | None = None
    """Beats per minute; None where there is no pulse, or nobody listened."""
    mixdown_db: float = 0.0
    """Power of the mean of the channels over the mean of their powers: 0 for mono, -3 for two that
    have nothing in common, less where they cancel."""


def sound_facts(audio: Audio, *, music: bool = True) -> SoundFacts:
    """Measure one sound.

    Args:
        audio: the sound.
        music: whether key and tempo are estimated, which takes most of the time.

    Raises:
        ValueError: samples that are not finite.
    """
    levels = measure(audio)
    tonality = key(audio) if music else None
    beats = rhythm(audio).bpm if music else 0.0
    return SoundFacts(
        seconds=audio.duration,
        rms_db=levels.rms_db,
        silent=levels.silent,
        clipped=levels.clipped,
        mixdown_db=_mixdown_db(audio),
        key=None if tonality is None else tonality.name,
        bpm=beats or None,
    )


def _mixdown_db(audio: Audio) -> float:
    powers = (audio.samples.mean(0), audio.samples)
    mixed, each = (float(x.double().square().mean()) for x in powers)
    return 10 * log10(max(mixed, 1e-12) / max(each, 1e-12))


def mean_scores(
    values: Sequence[Mapping[str, float]],
    tracks: Sequence[str],
    *,
    resamples: int = 100,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> dict[str, Score]:
    """Means over sounds by name, each over those that have a finite value of it.

    Args:
        values: of each sound; names may be missing.
        tracks: of each sound; intervals resample tracks. Fewer than two give none.
        resamples: of the bootstrap; 0 gives no intervals.
        seed: of the draws.
        settings: put into every score.

    Returns:
        Scores in the order in which names appear; the standard deviation over sounds is the
        detail `std`. What is 0 or 1 by definition has a share for a mean, and its interval;
        of differences to either side the mean is that of their sizes, and that of themselves the
        detail `signed`.

    Raises:
        ValueError: not a track for each sound.
    """
    if len(values) != len(tracks):
        raise ValueError(f"expected a track for each of {len(values)} sounds, got {len(tracks)}")
    scores = {}
    for name in dict.fromkeys(n for each in values for n in each):
        rows = [i for i, each in enumerate(values) if isfinite(each.get(name, float("nan")))]
        if not rows:
            continue
        x = torch.tensor([values[i][name] for i in rows], dtype=torch.float64)
        groups = [tracks[i] for i in rows]
        share = name in SHARES
        details = {"signed": float(x.mean())} if name in SIGNED else {}
        if name in SIGNED:
            x = x.abs()

        def mean(_: torch.Tensor, y: torch.Tensor, share: bool = share) -> Score:
            return Score(
                value=float(y.mean()),
                items=(0, len(y)),
                settings=dict(settings or {}),
                details={"std": float(y.std(correction=0))},
                bounds=(0.0, 1.0) if share else (None, None),
                share_of=len(y) if share else None,
            )

        if resamples < 2 or len(set(groups)) < 2:
            scores[name] = replace(mean(x, x), details={**mean(x, x).details, **details})
            continue
        scores[name] = bootstrap(
            mean,
            x,
            x,
            generated_groups=groups,
            resample="generated",
            resamples=resamples,
            rng=torch.Generator().manual_seed(seed),
        )
        scores[name] = replace(scores[name], details={**scores[name].details, **details})
        i = scores[name].interval
        if (
            i is not None and not share
        ):  # a mean lies among its values, whatever the spread of few tracks says
            low, high = max(i.low, float(x.min())), min(i.high, float(x.max()))
            scores[name] = replace(scores[name], interval=i._replace(low=low, high=high))
    return scores


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is measured of each sound beside its level."""

    music: bool = True
    """Key and tempo."""
    structure: bool = True
    """Coherence over time."""
    loops: bool = False
    """Seams, and lengths in beats."""
    notes: bool = False
    """Single notes of an instrument: pitch, attack."""
    seconds: float = 60.0
    """The longest stretch from the start that is listened to; loops are always whole."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found of one file."""

    path: Path
    track: str
    facts: SoundFacts
    groups: Mapping[str, Mapping[str, float]]
    """Numbers by `adherence`, `coherence`, `loops` and `notes`; empty where nothing was asked."""
    problems: tuple[str, ...] = ()
    """What could not be measured, and why."""


def read_request(path: Path) -> Mapping[str, Any] | None:
    """What was asked of a sound: the JSON object beside it (`song.wav`, `song.json`), or None.

    It may say, too, how the sound was made: `seams` are the seconds at which pieces were joined.

    Raises:
        ValueError: the file is no JSON object.
    """
    for beside in (path.with_suffix(".json"), path.with_name(path.name + ".json")):
        if beside.is_file():
            found = load_json(beside)
            if not isinstance(found, dict):
                raise ValueError(f"{beside} must be a JSON object, got {type(found).__name__}")
            return found
    return None


def measure_file(path: Path, track: str, wanted: Wanted) -> Measured:
    """Listen to one file.

    What cannot be measured, a damaged request say, is named in `problems` and costs nothing else.

    Raises:
        AudioError: the file cannot be read.
    """
    audio = load_audio(path, duration=None if wanted.loops else wanted.seconds)
    groups: dict[str, Mapping[str, float]] = {}
    problems: list[str] = []

    def attempt(name: str, measure: Callable[[], Mapping[str, float]]) -> None:
        try:
            groups[name] = measure()
        except ValueError as error:
            problems.append(f"{path.name}: {name} could not be measured: {error}")

    request: Mapping[str, Any] | None = None
    try:
        request = read_request(path)
    except ValueError as error:
        problems.append(str(error))
    if request is not None:
        asked = request
        most = None if wanted.loops else wanted.seconds
        attempt("adherence", lambda: adherence(audio, asked, most_seconds=most))
    known = request or {}
    if wanted.structure:
        seams = None
        try:
            seams = read_seams(known, audio.duration)
        except ValueError as error:
            problems.append(f"{path.name}: {error}")
        attempt("coherence", lambda: coherence(audio, seams_at=seams))
    if wanted.loops:
        attempt("loops", lambda: loop_scores(audio, bpm=known.get("bpm")))
    if wanted.notes:
        attempt("notes", lambda: note_scores(audio, known.get("pitch")))
    return Measured(
        path=path,
        track=track,
        facts=sound_facts(audio, music=wanted.music),
        groups=groups,
        problems=tuple(problems),
    )
