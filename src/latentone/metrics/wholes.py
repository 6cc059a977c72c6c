"""Numbers of a set that belong to no single sound: texts, instruments, the timbre of notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..audio import Audio, AudioError, load_audio
from ..data.manifest import Item
from ..embeddings import Embedded, Embedding, MusicClassifier, TextAudioEmbedding
from .control import instrument_accuracy, text_audio_similarity
from .notes import timbral_consistency

__all__ = ["Whole", "judge_heads", "judge_texts", "judge_timbre"]

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


def judge_texts(
    embedding: Embedding, found: Embedded, captions: Mapping[Path, str]
) -> dict[str, Whole]:
    """How well sounds fit their texts, where an embedding reads both.

    Args:
        embedding: nothing is measured by one that reads no text.
        found: the embedded sounds; a sound is the mean of its windows.
        captions: texts by file; fewer than two give nothing.
    """
    rows = [i for i, path in enumerate(found.paths) if captions.get(path)]
    if not isinstance(embedding, TextAudioEmbedding) or len(rows) < 2:
        return {}
    texts = torch.cat([embedding.embed_text([captions[found.paths[i]]]).cpu() for i in rows])
    values = text_audio_similarity(_means(found.vectors, found)[rows], texts)
    return {
        _title(name): Whole(
            value=value,
            items=len(rows),
            settings=_named(embedding),
            about=_about(TEXT_ABOUT, name),
        )
        for name, value in values.items()
    }


def judge_heads(
    embedding: Embedding, found: Embedded, items: Mapping[Path, Item]
) -> dict[str, Whole]:
    """Whether a classifier hears what was asked for, for every question that sidecars answer.

    Args:
        embedding: nothing is measured by one that is no classifier.
        found: the embedded sounds; a sound's probabilities are the mean of its windows'.
        items: facts by file.
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
        try:
            values = instrument_accuracy(_means(said[name].cpu(), found)[known], target[known])
        except ValueError:  # no class was asked for that the classifier knows
            continue
        for kind, value in values.items():
            out[f"{name} {kind.replace('_', ' ')}"] = Whole(
                value=value,
                items=int(known.sum()),
                settings=_named(embedding),
                about=_about(HEAD_ABOUT, kind),
            )
    return out


def judge_timbre(sounds: Sequence[tuple[Path, Mapping[str, Any]]]) -> dict[str, Whole]:
    """How alike the notes of one instrument sound, by files that say their `pitch`.

    Args:
        sounds: files with their facts (`pitch`, a MIDI number; `instrument`). At most 200 count.
    """
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
                notes.append(audio)
                pitches.append(float(facts["pitch"]))
                instruments.append(str(facts.get("instrument", "")))
    if len(notes) < 2:
        return {}
    values = timbral_consistency(notes, pitches, instruments)
    return {
        f"timbre {name}": Whole(
            value=value, items=len(notes), settings="", about=_about(TIMBRE_ABOUT, name)
        )
        for name, value in values.items()
    }


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
