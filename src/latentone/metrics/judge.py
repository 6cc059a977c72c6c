"""Two embedded folders side by side: scores, the reference's own ruler, what to be wary of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..embeddings import Embedded, Embedding, MusicClassifier
from .nearness import Ruler, calibrated, heard_windows, is_near
from .sets import SetComparison, compare_sets, thin

__all__ = ["Head", "JudgedEmbedding", "judge_embedding", "near_copies"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a classifier says of both sets."""

    classes: tuple[str, ...]
    multiple: bool
    """Whether several classes may be right at once: probabilities then do not add up to 1."""
    reference: Tensor
    """Probabilities of windows `(N, classes)`."""
    generated: Tensor
    """`(M, classes)`."""


@dataclass(frozen=True, kw_only=True)
class JudgedEmbedding:
    """All that one embedding says of two folders."""

    name: str
    fingerprint: str
    dim: int
    window_seconds: float
    hop_seconds: float
    reference: Embedded
    """Of the windows that were compared."""
    generated: Embedded
    windows: tuple[int, int]
    """How many there were before they were thinned."""
    comparison: SetComparison
    halves: Mapping[str, float]
    """The same scores of one half of the reference's tracks against the other: what equal music
    scores at half the items. Empty where there are fewer than 4 tracks."""
    heads: Mapping[str, Head]
    repeated: tuple[int, int]
    """Files of each set with a single window: most are shorter than one."""
    near: tuple[str, ...]
    """Generated files nearer to the reference than its own tracks are to one another."""

    @property
    def column(self) -> str:
        """What results are filed under: embeddings that differ in anything never share one."""
        return f"{self.name}@{self.fingerprint[:16]}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for `metrics.json`."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "dimensions": self.dim,
            "window_seconds": self.window_seconds,
            "hop_seconds": self.hop_seconds,
            "reference_windows": self.windows[0],
            "generated_windows": self.windows[1],
            **self.comparison.to_json(),
            "reference_halves": dict(self.halves),
            "nearer_than_tracks": list(self.near),
        }


def judge_embedding(
    embedding: Embedding,
    reference: Embedded,
    generated: Embedded,
    reference_tracks: Sequence[str],
    generated_tracks: Sequence[str],
    *,
    windows: int = 10_000,
    resamples: int = 100,
    seed: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> JudgedEmbedding:
    """Compare two embedded folders in every way that their vectors allow.

    Args:
        embedding: what embedded both.
        reference: windows of real sound.
        generated: windows of what is judged.
        reference_tracks: the track of each window.
        generated_tracks: likewise.
        windows: more of one set are thinned evenly to so many: neighbours cost the square.
        resamples: of the bootstrap; 0 gives no intervals.
        seed: of all draws.
        on_step: called with steps done and in all.

    Raises:
        ValueError: vectors of another embedding.
    """
    for found in (reference, generated):
        if found.fingerprint != embedding.fingerprint:
            raise ValueError(
                f"these vectors are of {found.name} {found.fingerprint[:16]}, not of "
                f"{embedding.name} {embedding.fingerprint[:16]}: embed the folder anew"
            )
    counts = len(reference.vectors), len(generated.vectors)
    single = tuple(int((_per_file(e) == 1).sum()) for e in (reference, generated))
    rows = thin(reference_tracks, windows), thin(generated_tracks, windows)
    kept = [_rows(e, r) for e, r in zip((reference, generated), rows, strict=True)]
    tracks = [
        [names[i] for i in r.tolist()]
        for names, r in zip((reference_tracks, generated_tracks), rows, strict=True)
    ]
    heads = _heads(embedding, *kept)
    comparison = compare_sets(
        kept[0].vectors,
        kept[1].vectors,
        tracks[0],
        tracks[1],
        posteriors={n: (h.reference, h.generated) for n, h in heads.items() if not h.multiple},
        resamples=resamples,
        seed=seed,
        songs=[str(kept[1].paths[i]) for i in kept[1].file.tolist()],
        on_metric=on_step,
    )
    rate = embedding.source.sample_rate
    return JudgedEmbedding(
        name=embedding.name,
        fingerprint=embedding.fingerprint,
        dim=embedding.dim,
        window_seconds=embedding.window / rate,
        hop_seconds=embedding.hop / rate,
        reference=kept[0],
        generated=kept[1],
        windows=counts,
        comparison=comparison,
        halves=_halves(kept[0].vectors, tracks[0], heads, seed),
        heads=heads,
        repeated=(single[0], single[1]),
        # Of all windows: runs are of consecutive ones, which thinning would tear apart.
        near=near_copies(
            reference, generated, reference_tracks, window_seconds=embedding.window / rate
        ),
    )


def _per_file(found: Embedded) -> Tensor:
    return torch.bincount(found.file, minlength=len(found.paths))


def _rows(found: Embedded, rows: Tensor) -> Embedded:
    return Embedded(
        name=found.name,
        fingerprint=found.fingerprint,
        vectors=found.vectors[rows],
        file=found.file[rows],
        seconds=found.seconds[rows],
        paths=found.paths,
        failures=found.failures,
    )


def _heads(embedding: Embedding, reference: Embedded, generated: Embedded) -> dict[str, Head]:
    if not isinstance(embedding, MusicClassifier):
        return {}
    device = next(embedding.parameters()).device
    said = [
        {n: p.cpu() for n, p in embedding.posteriors(e.vectors.to(device)).items()}
        for e in (reference, generated)
    ]
    return {
        name: Head(
            classes=tuple(head.classes),
            multiple=head.multiple,
            reference=said[0][name],
            generated=said[1][name],
        )
        for name, head in embedding.config.heads.items()
    }


def _halves(
    vectors: Tensor, tracks: Sequence[str], heads: Mapping[str, Head], seed: int
) -> dict[str, float]:
    """Every second track against the others, so that both halves span the folder."""
    order = {track: i for i, track in enumerate(dict.fromkeys(tracks))}
    if len(order) < 4:
        return {}
    odd = torch.tensor([order[t] % 2 == 1 for t in tracks])
    sides = [
        [t for t, o in zip(tracks, odd.tolist(), strict=True) if o is half]
        for half in (False, True)
    ]
    found = compare_sets(
        vectors[~odd],
        vectors[odd],
        *sides,
        posteriors={
            n: (h.reference[~odd], h.reference[odd]) for n, h in heads.items() if not h.multiple
        },
        resamples=0,
        seed=seed,
    )
    return {name: score.value for name, score in found.scores.items()}


def near_copies(
    reference: Embedded,
    generated: Embedded,
    reference_tracks: Sequence[str],
    *,
    window_seconds: float = 1.0,
) -> tuple[str, ...]:
    """Generated files nearer to a reference file than 99 in 100 reference files are to another
    track, or equal to it for a run of windows: a hint of copying, which `find_copies` looks into.

    Distances and limit are those of `Ruler`, of windows that hold sound. Where the reference has
    fewer than 20 tracks to read the limit from, only what is equal is found.

    Args:
        reference: all windows of real sound, in order.
        generated: all windows of what is judged.
        reference_tracks: the track of each reference window.
        window_seconds: length of a window.
    """
    heard, made = heard_windows(reference, window_seconds), heard_windows(generated, window_seconds)
    track = dict(zip(reference.file.tolist(), reference_tracks, strict=True))
    # A file without a window, if there ever is one, is near to nothing, whatever its track.
    tracks = [track.get(f, "") for f in range(len(reference.paths))]
    x, file = reference.vectors[heard], reference.file[heard]
    ruler = Ruler(x, file, tracks)
    own = [
        float(ruler.distances(x[file == f], without=tracks[f]).min())
        for f in calibrated(len(tracks))
    ]
    limit = ruler.limit(own)
    y, of = generated.vectors[made], generated.file[made]
    return tuple(
        str(path)
        for f, path in enumerate(generated.paths)
        if is_near(float(ruler.distances(y[of == f]).min()), limit)
    )
