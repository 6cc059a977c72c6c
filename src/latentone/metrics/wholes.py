"""Numbers of a set that belong to no single sound: texts, instruments, the timbre of notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..audio import Audio, AudioError, load_audio
from ..data.manifest import Item
from ..embeddings import Embedded, Embedding, MusicClassifier, TextAudioEmbedding
from .control import instrument_accuracy, text_audio_similarity
from .distribution import Interval, Score, bootstrap
from .notes import consistency_of_distances, identified_notes, partials, timbre_distances

__all__ = ["Resampling", "Whole", "judge_heads", "judge_texts", "judge_timbre"]

MOST_NOTES = 200

TEXT_ABOUT = {
    "similarity": "mean cosine of a sound and its text; higher is better",
    "mismatched": "the same of sounds and texts that do not belong together: what the space gives "
    "away",
    "recall": "share of partners among the first k; higher is better",
    "median_rank": "rank of the partner; 1 is best",
}
HEAD_ABOUT = {
    "mean_average_precision": "of the classes that were asked for; higher is better",
    "micro_f1": "of all decisions at a probability of 0.5; higher is better",
    "accuracy": "share of sounds whose most likely class was asked for; higher is better",
}
TIMBRE_ABOUT = {
    "within": "distance of neighbouring notes of one instrument in dB; lower is better",
    "across": "the same of different instruments in dB",
    "margin": "across minus within in dB; higher is better",
    "identified": "share of notes whose nearest neighbour is of their instrument",
}


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A number of a whole set."""

    value: float
    items: int
    """Sounds that count."""
    settings: str
    """Which embedding made it, by name and fingerprint; empty for none."""
    about: str
    interval: Interval | None = None
    """Of means and shares over sounds, and of the agreement of classes, by resampling tracks. None
    for ranks, for what is a mean over pairs of notes, and where there are fewer than two tracks."""

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        interval = None if self.interval is None else self.interval._asdict()
        return {**asdict(self), "interval": interval}


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made."""

    tracks: Mapping[Path, str]
    """The track of each file; a file that is not named is its own."""
    resamples: int = 100
    """Of the bootstrap; fewer than 2 give no intervals."""
    seed: int = 0

    def spread(
        self, metric: Callable[[Tensor], dict[str, Score]], paths: Sequence[Path]
    ) -> dict[str, Interval]:
        """Intervals of a metric that is called with row numbers of `paths`, int64 `(N,)`.

        Missing where tracks are fewer than two, or half of them too few for an answer.
        """
        tracks = [self.tracks.get(path, str(path)) for path in paths]
        if self.resamples < 2 or len(set(tracks)) < 2:
            return {}
        rows = torch.arange(len(paths))

        def among(names: Sequence[str]) -> dict[str, Interval]:
            def known(_: Tensor, drawn: Tensor) -> dict[str, Score]:
                found = metric(drawn)
                if not found.keys() >= set(names):
                    raise ValueError("half of the tracks do not answer what all of them do")
                return {name: found[name] for name in names}

            try:
                scores = bootstrap(
                    known,
                    rows,
                    rows,
                    generated_groups=tracks,
                    resample="generated",
                    resamples=self.resamples,
                    rng=torch.Generator().manual_seed(self.seed),
                )
            except ValueError:
                return {n: i for n in names for i in among([n]).values()} if names[1:] else {}
            return {n: s.interval for n, s in scores.items() if s.interval is not None}

        return among(list(metric(rows)))


def judge_texts(
    embedding: Embedding,
    found: Embedded,
    captions: Mapping[Path, str],
    resampling: Resampling | None = None,
) -> dict[str, Whole]:
    """How well sounds fit their texts, where an embedding reads both.

    Intervals hold the texts and sounds that are searched fixed: the places found vary, not their
    number.

    Args:
        embedding: nothing is measured by one that reads no text.
        found: the embedded sounds; a sound is the mean of its windows.
        captions: texts by file; fewer than two give nothing.
        resampling: gives what is a mean or a share over sounds an interval.
    """
    rows = [i for i, path in enumerate(found.paths) if captions.get(path)]
    if not isinstance(embedding, TextAudioEmbedding) or len(rows) < 2:
        return {}
    texts = torch.cat([embedding.embed_text([captions[found.paths[i]]]).cpu() for i in rows])
    sounds = _means(found.vectors, found)[rows]
    values = text_audio_similarity(sounds, texts)
    each = _by_sound(sounds, texts)
    intervals: dict[str, Interval] = {}
    if resampling is not None:
        for name in each.keys() & values.keys():
            metric = _mean_of(name, each[name], share="recall" in name)
            intervals |= resampling.spread(metric, [found.paths[i] for i in rows])
    return {
        _title(name): Whole(
            value=value,
            items=len(rows),
            settings=_named(embedding),
            about=_about(TEXT_ABOUT, name),
            interval=intervals.get(name),
        )
        for name, value in values.items()
    }


def judge_heads(
    embedding: Embedding,
    found: Embedded,
    items: Mapping[Path, Item],
    resampling: Resampling | None = None,
) -> dict[str, Whole]:
    """Whether a classifier hears what was asked for, for every question that sidecars answer.

    Args:
        embedding: nothing is measured by one that is no classifier.
        found: the embedded sounds; a sound's probabilities are the mean of its windows'.
        items: facts by file.
        resampling: gives intervals.
    """
    if not isinstance(embedding, MusicClassifier):
        return {}
    device = next(embedding.parameters()).device
    said = embedding.posteriors(found.vectors.to(device))
    asked = embedding.targets([items[path] for path in found.paths])
    out = {}
    for name, target in asked.items():
        known = ~target.isnan().any(1) if target.is_floating_point() else target >= 0
        if not bool(known.any()):
            continue
        rows = known.nonzero()[:, 0].tolist()
        p, wanted = _means(said[name].cpu(), found)[known], target[known].cpu()
        try:
            values = instrument_accuracy(p, wanted)
        except ValueError:  # no class was asked for that the classifier knows
            continue
        intervals = (
            {}
            if resampling is None
            else resampling.spread(_agreement(p, wanted), [found.paths[i] for i in rows])
        )
        for kind, value in values.items():
            out[f"{name} {kind.replace('_', ' ')}"] = Whole(
                value=value,
                items=int(known.sum()),
                settings=_named(embedding),
                about=_about(HEAD_ABOUT, kind),
                interval=intervals.get(kind),
            )
    return out


def judge_timbre(
    sounds: Sequence[tuple[Path, Mapping[str, Any]]], resampling: Resampling | None = None
) -> dict[str, Whole]:
    """How alike the notes of one instrument sound, by files that say their `pitch`.

    Args:
        sounds: files with their facts (`pitch`, a MIDI number; `instrument`). At most 200 count.
        resampling: gives the share of notes that are identified an interval.
    """
    paths: list[Path] = []
    notes: list[Audio] = []
    pitches: list[float] = []
    instruments: list[str] = []
    for path, facts in sounds:
        if isinstance(facts.get("pitch"), int | float) and len(notes) < MOST_NOTES:
            try:
                audio = load_audio(path)
            except AudioError:
                continue  # named when it was embedded
            if audio.peak > 0:
                paths.append(path)
                notes.append(audio)
                pitches.append(float(facts["pitch"]))
                instruments.append(str(facts.get("instrument", "")))
    if len(notes) < 2:
        return {}
    levels = [partials(note, pitch) for note, pitch in zip(notes, pitches, strict=True)]
    distances = timbre_distances(levels)
    values = consistency_of_distances(distances, pitches, instruments)
    counts = dict.fromkeys(values, len(notes))
    intervals: dict[str, Interval] = {}
    if "identified" in values:
        right = identified_notes(distances, pitches, instruments)
        rows = (~right.isnan()).nonzero()[:, 0].tolist()
        counts["identified"] = len(rows)
        if resampling is not None:
            metric = _mean_of("identified", right[rows], share=True)
            intervals = resampling.spread(metric, [paths[i] for i in rows])
    return {
        f"timbre {name}": Whole(
            value=value,
            items=counts[name],
            settings="",
            about=_about(TIMBRE_ABOUT, name),
            interval=intervals.get(name),
        )
        for name, value in values.items()
    }


def _mean_of(
    name: str, values: Tensor, share: bool = False
) -> Callable[[Tensor], dict[str, Score]]:
    ends = (float(values.min()), float(values.max()))

    def mean(rows: Tensor) -> dict[str, Score]:
        return {
            name: Score(
                value=float(values[rows].mean()),
                items=(0, len(rows)),
                bounds=(0.0, 1.0) if share else ends,
                share_of=len(rows) if share else None,
            )
        }

    return mean


def _agreement(p: Tensor, wanted: Tensor) -> Callable[[Tensor], dict[str, Score]]:
    def measure(rows: Tensor) -> dict[str, Score]:
        return {
            kind: Score(
                value=value,
                items=(0, len(rows)),
                bounds=(0.0, 1.0),
                share_of=len(rows) if kind == "accuracy" else None,
            )
            for kind, value in instrument_accuracy(p[rows], wanted[rows]).items()
        }

    return measure


def _by_sound(audio: Tensor, text: Tensor) -> dict[str, Tensor]:
    """What each sound and its text add to the means of `text_audio_similarity`, `(N,)` each."""
    a, t = (x.double() / x.double().norm(dim=1, keepdim=True) for x in (audio, text))
    cosines = (t @ a.T).clamp(-1, 1).mul(1e9).round().div(1e9)
    own, count = cosines.diagonal(), len(cosines)
    each = {"similarity": own, "mismatched": (cosines.sum(1) - own) / (count - 1)}
    for name, table in (("text_to_audio", cosines), ("audio_to_text", cosines.T)):
        ranks = 1 + (table > own[:, None]).sum(1) + ((table == own[:, None]).sum(1) - 1) / 2
        each |= {f"{name}/recall@{k}": (ranks <= k).double() for k in (1, 5, 10)}
    return each


def _title(name: str) -> str:
    """`text similarity`, but `text to audio recall@5` and `text to audio median rank`."""
    direction, _, figure = name.rpartition("/")
    return f"{direction or 'text'} {figure}".replace("_", " ")


def _about(known: Mapping[str, str], name: str) -> str:
    return next((text for key, text in known.items() if key in name), "")


def _named(embedding: Embedding) -> str:
    return f"{embedding.name}@{embedding.fingerprint[:16]}"


def _means(values: Tensor, found: Embedded) -> Tensor:
    """Means over the windows of each file, `(files, D)`."""
    counts = torch.bincount(found.file, minlength=len(found.paths)).clamp_min(1)
    sums = values.new_zeros(len(found.paths), values.shape[1])
    return sums.index_add_(0, found.file, values) / counts[:, None]
