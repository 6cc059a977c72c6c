"""Chords over time: templates of pitch classes, and a path that prefers to stay.

Fujishima, *Realtime Chord Recognition of Musical Sound*, 1999, for the templates; Sheh and Ellis,
*Chord Segmentation and Recognition using EM-Trained Hidden Markov Models*, 2003, for the path. The
bass helps to name the root: C6 and Am7 have the same notes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..audio import Audio
from ..symbolic.theory import CHORDS, spell
from .pitchgram import LOWEST, Pitchgram, fold, pitchgram

__all__ = ["VOCABULARIES", "ChordSpan", "chord_templates", "chords"]

Vocabulary = Literal["triads", "sevenths"]

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "triads": ("maj", "min"),
    "sevenths": ("maj", "min", "7", "maj7", "min7"),
}
"""Qualities that are told apart, in Harte's shorthand; `N` is in both."""

BASS = 0.1
"""What the bass on the root counts, beside the cosine of all pitch classes."""
SILENT_DB = -50.0
"""A frame this far below the loudest has no chord."""
SHARPNESS = 20.0
"""Log-likelihood of a chord in one frame, per cosine."""
STAY = 0.9
"""Probability that a chord goes on from one frame to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChordSpan:
    """One chord and when it sounds."""

    start: float
    """Seconds."""
    end: float
    """Seconds."""
    label: str
    """Harte syntax, as in `A:min7`; `N` for none."""
    fit: float
    """How well the template fits, 0 to 1: cosine of pitch classes, and the bass; 0 for `N`."""


def chords(
    audio: Audio, *, vocabulary: Vocabulary = "triads", edges: Tensor | None = None
) -> tuple[ChordSpan, ...]:
    """Name the chords of a piece.

    Args:
        audio: any sound; channels are averaged.
        vocabulary: a name of `VOCABULARIES`. More qualities are more often confused.
        edges: times in seconds between which a chord holds, such as `Rhythm.beats`; None decides
            every tenth of a second.

    Returns:
        Spans in order that fill the sound (or the edges) without gaps, neighbours differ; none for
        no samples, one `N` for silence.

    Raises:
        ValueError: a sample is not finite, the vocabulary is unknown, or `edges` are not two or
            more ascending times.
    """
    if vocabulary not in VOCABULARIES:
        raise ValueError(f"unknown vocabulary {vocabulary!r}; known: {', '.join(VOCABULARIES)}")
    if edges is not None and (len(edges) < 2 or bool((edges.diff() <= 0).any())):
        raise ValueError(f"edges must be two or more ascending times, got {edges.tolist()}")
    pitches = pitchgram(audio)
    count = pitches.power.shape[1]
    if not count:
        return ()
    if edges is None:
        # Frame n is heard from half a frame before its centre to half a frame after.
        edges = (torch.arange(count + 1, dtype=torch.float64) - 0.5) / pitches.frame_rate
        edges[0], edges[-1] = 0.0, max(audio.duration, float(edges[-2]) + 1e-3)
        stretches = None
    else:
        stretches = edges
    labels, templates = chord_templates(vocabulary)
    likeness, silent = _likeness(pitches, vocabulary, labels, templates, stretches)
    # A long stretch counts for as many frames as it lasts.
    weight = torch.ones(1) if stretches is None else stretches.diff().cpu() * pitches.frame_rate
    path = _best_path(SHARPNESS * weight * likeness)
    # Silence is decided frame by frame: a path would smear it into its neighbours.
    path[silent] = len(labels)
    return _spans(path, likeness, labels, edges.tolist())


def chord_templates(vocabulary: Vocabulary) -> tuple[list[str], Tensor]:
    """Labels in Harte syntax, and their pitch classes as rows of norm 1, `(K, 12)`."""
    labels, rows = [], []
    for quality in VOCABULARIES[vocabulary]:
        for root in range(12):
            row = torch.zeros(12)
            row[[(root + step) % 12 for step in CHORDS[quality]]] = 1.0
            labels.append(f"{spell(root)}:{quality}")
            rows.append(row / row.norm())
    return labels, torch.stack(rows)


def _likeness(
    pitches: Pitchgram,
    vocabulary: Vocabulary,
    labels: list[str],
    templates: Tensor,
    edges: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Cosines of stretches and templates plus bass, `(K, S)`, and which stretches are silent."""
    power = pitches.power.cpu()
    # Sevenths are quiet notes of a chord: compression would raise overtones to their level.
    if vocabulary == "triads":
        values, low, high = pitches.compressed.cpu(), 48, 84
    else:
        values, low, high = power.sqrt(), 42, 90
    total = power.sum(0)
    silent = total <= max(float(total.max()) * 10 ** (SILENT_DB / 10), 1e-9)
    if edges is not None:
        edges = edges.cpu()
        values = pitches.mean_between(values, edges)
        # By majority: neighbours ring into the first and last window of a rest.
        silent = pitches.mean_between(silent[None].float(), edges)[0] > 0.5
    midi = torch.arange(LOWEST, LOWEST + len(values))[:, None]
    upper = fold(values * ((midi >= low) & (midi < high)))
    bass = fold(values * ((midi >= 28) & (midi < 52)))
    upper = upper / upper.norm(dim=0).clamp_min(1e-9)
    bass = bass / bass.norm(dim=0).clamp_min(1e-9)
    roots = torch.arange(len(labels)) % 12
    return templates @ upper + BASS * bass[roots], silent


def _best_path(likeness: Tensor) -> Tensor:
    """Viterbi over log-likelihoods `(K, S)`, int64 `(S,)`; all chords are as likely to be next."""
    kinds, count = likeness.shape
    stay, leave = math.log(STAY), math.log((1 - STAY) / kinds)
    score = likeness[:, 0].double()
    own = torch.arange(kinds)
    came = torch.zeros(count, kinds, dtype=torch.long)
    for n in range(1, count):
        best, index = score.max(0)
        came[n] = torch.where(best + leave > score + stay, index, own)
        score = torch.maximum(score + stay, best + leave) + likeness[:, n]
    path = torch.zeros(count, dtype=torch.long)
    state = int(score.argmax())
    for n in range(count - 1, -1, -1):
        path[n] = state
        state = int(came[n, state])
    return path


def _spans(
    path: Tensor, likeness: Tensor, labels: list[str], edges: list[float]
) -> tuple[ChordSpan, ...]:
    states = path.tolist()
    changes = [n for n in range(1, len(states)) if states[n] != states[n - 1]]
    out = []
    for begin, end in zip([0, *changes], [*changes, len(states)], strict=True):
        state = states[begin]
        known = state < len(labels)
        fit = float(likeness[state, begin:end].mean()) / (1 + BASS) if known else 0.0
        out.append(
            ChordSpan(
                start=edges[begin],
                end=edges[end],
                label=labels[state] if known else "N",
                fit=min(1.0, max(0.0, fit)),
            )
        )
    return tuple(out)
