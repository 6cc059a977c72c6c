"""All metrics of two embedded sets over the ladders of damage, for `monotone.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from analysis_materials import Truth
from damage import LADDERS, damage
from monotone_report import Curve
from torch import Tensor

from latentone.audio import Audio
from latentone.data.composer.genres import GENRES
from latentone.embeddings import Embedding
from latentone.metrics.sets import compare_sets, set_metric

__all__ = ["WINDOWS", "Known", "set_curves"]

WINDOWS = 10
"""Of every piece, spread evenly; of fewer pieces there are more, so that sets are of one size."""
BATCH = 32
Known = tuple[Audio, Truth]


def embed(embedding: Embedding, audio: Audio, count: int) -> Tensor:
    """`count` windows, spread evenly over a sound, as vectors `(count, D)`."""
    source = embedding.source
    x = audio.resample(source.sample_rate).samples.expand(source.channels, -1)
    starts = np.linspace(0, max(0, x.shape[1] - embedding.window), count).round().astype(int)
    windows = torch.stack([x[:, s : s + embedding.window] for s in starts])
    with torch.no_grad():
        return torch.cat([embedding(part).float() for part in windows.split(BATCH)])


@dataclass(frozen=True)
class Step:
    """A set at one step of a ladder; step 0 is the set as it is."""

    damage: str
    vectors: Tensor
    pieces: Tensor
    """Which piece of the held-out music each vector is of, int64 `(N,)`."""

    def of(self, pieces: Tensor) -> Step:
        """What is of some pieces."""
        rows = torch.isin(self.pieces, pieces)
        return Step(self.damage, self.vectors[rows], self.pieces[rows])


def ladder_of_sets(embedding: Embedding, held_out: Sequence[Known]) -> list[Step]:
    """Every damage, from none to the most."""

    def step(name: str, change: Callable[[Audio], Audio], kept: list[int]) -> Step:
        count = round(WINDOWS * len(held_out) / len(kept))
        vectors = torch.cat([embed(embedding, change(held_out[n][0]), count) for n in kept])
        return Step(name, vectors, torch.tensor(kept).repeat_interleave(count))

    everyone = list(range(len(held_out)))
    plain = step("", lambda audio: audio, everyone)
    steps = []
    for kind, ladder in LADDERS.items():
        steps.append(replace(plain, damage=kind))
        for level in ladder.levels:
            if kind == "mode dropping":
                genres = {g.name for g in GENRES[: len(GENRES) - int(level)]}
                kept = [n for n in everyone if held_out[n][1]["genre"] in genres]
                steps.append(step(kind, lambda audio: audio, kept))
            else:
                change = partial(damage, kind=kind, level=level)
                steps.append(step(kind, change, everyone))
    return steps


def measure_sets(
    embedding: Embedding, base: Tensor, base_pieces: Tensor, step: Step
) -> dict[str, float]:
    """All metrics of `compare_sets` of one step; where there is a classifier, also of its heads."""
    posteriors = None
    heads = getattr(embedding, "posteriors", None)
    if heads is not None:
        pair = heads(base), heads(step.vectors)
        # Of heads with several right answers the rows are no distributions.
        single = [n for n, p in pair[0].items() if torch.allclose(p.sum(1), p.new_ones(()))]
        posteriors = {name: (pair[0][name], pair[1][name]) for name in single}
    tracks = [[str(n) for n in pieces.tolist()] for pieces in (base_pieces, step.pieces)]
    found = compare_sets(base, step.vectors, *tracks, posteriors=posteriors, resamples=0)
    return {name: score.value for name, score in found.scores.items()}


def set_curves(
    embedding: Embedding, reference: Sequence[Known], held_out: Sequence[Known], halves: int
) -> Iterator[Curve]:
    """Values of whole sets; how sure their differences are, from halves of the music.

    The spread over random halves is that of a bootstrap (see `metrics.distribution.bootstrap`).
    The same half is damaged at every step, so that what the steps share cancels.
    """
    base = torch.cat([embed(embedding, audio, WINDOWS) for audio, _ in reference])
    base_pieces = torch.arange(len(reference)).repeat_interleave(WINDOWS)
    steps = ladder_of_sets(embedding, held_out)
    measured = [measure_sets(embedding, base, base_pieces, step) for step in steps]
    rng = np.random.default_rng(0)
    resampled = []
    for _ in range(halves):
        rows = torch.isin(base_pieces, half_of_each_genre(reference, rng))
        kept = half_of_each_genre(held_out, rng)
        parts = [torch.isin(step.pieces, kept) for step in steps]
        some = [
            Step(s.damage, s.vectors[p], s.pieces[p]) for s, p in zip(steps, parts, strict=True)
        ]
        resampled.append([measure_sets(embedding, base[rows], base_pieces[rows], s) for s in some])
    for kind in LADDERS:
        at = [n for n, step in enumerate(steps) if step.damage == kind]
        for name in measured[0]:
            draws = np.array([[found[n].get(name, np.nan) for n in at] for found in resampled])
            yield Curve(
                name=name,
                damage=kind,
                values=[measured[n].get(name, np.nan) for n in at],
                better=set_metric(name).better,
                covariance=np.cov(draws, rowvar=False),
            )


def half_of_each_genre(music: Sequence[Known], rng: np.random.Generator) -> Tensor:
    kept: list[int] = []
    for genre in GENRES:
        own = [n for n, (_, truth) in enumerate(music) if truth["genre"] == genre.name]
        kept += rng.choice(own, max(1, len(own) // 2), replace=False).tolist()
    return torch.tensor(kept)
