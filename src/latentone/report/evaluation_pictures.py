"""The pictures of an evaluation's page: sets in a plane, and side by side as histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..embeddings import Embedded
from ..metrics.distribution import fit_bins
from ..metrics.judge import JudgedEmbedding
from ..metrics.judgement import Judgement
from ..metrics.sets import ITEMS_PER_BIN, thin
from ..symbolic.theory import parse_key
from .evaluation import Chart, EmbeddingPart, Table
from .histogram import binned, histogram
from .scatter import Dot, scatter

__all__ = ["embedding_part", "plane", "set_charts"]

CLOUD, DOTS = 700, 400
"""Windows and sounds of each set that are drawn."""
SHOWN_BINS, SHOWN_CLASSES = 20, 16
KEYS = tuple(
    f"{tonic}{mode}"
    for mode in ("", "m")
    for tonic in ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
)


def plane(reference: Tensor) -> tuple[Tensor, Tensor, tuple[float, float]]:
    """The two directions in which a set varies most (principal components).

    Args:
        reference: `(N, D)`.

    Returns:
        Its mean `(D,)`, the directions `(D, 2)`, and the share of its variance along each; zeros
        where nothing varies.
    """
    x = reference.double()
    mean = x.mean(0)
    _, sizes, rows = torch.linalg.svd(x - mean, full_matrices=False)
    directions = torch.zeros(x.shape[1], 2, dtype=torch.float64)
    kept = min(2, len(rows))
    directions[:, :kept] = rows[:kept].T
    total = float(sizes.square().sum()) or 1.0
    shares = [float(s) ** 2 / total for s in sizes[:2].tolist()] + [0.0, 0.0]
    return mean, directions, (shares[0], shares[1])


def embedding_part(
    found: JudgedEmbedding, anchors: Mapping[str, str], table: Table
) -> EmbeddingPart:
    """What the page shows of one embedding.

    Args:
        found: its results.
        anchors: ids of the sounds that the page holds, by path.
        table: its scores.
    """
    mean, directions, shares = plane(found.reference.vectors)
    clouds: dict[str, list[tuple[float, float]]] = {}
    dots: list[Dot] = []
    for kind, embedded in (("reference", found.reference), ("generated", found.generated)):
        points = (embedded.vectors.double() - mean) @ directions
        rows = thin([""] * len(points), CLOUD)
        clouds[kind] = [(x, y) for x, y in points[rows].tolist()]
        dots += _dots(kind, points, embedded, anchors)
    title = (
        f"The two sets in the plane of most variance of the reference, by {found.name}: "
        f"{len(found.reference.paths)} reference and {len(found.generated.paths)} generated sounds"
    )
    charts = [_bins(found)]
    for name, head in found.heads.items():
        charts.append(_classes(name, head.classes, head.reference, head.generated))
    return EmbeddingPart(
        name=found.name,
        described=(
            f"{found.dim} numbers for every {found.window_seconds:g} s, every "
            f"{found.hop_seconds:g} s; fingerprint {found.fingerprint[:16]}. Scores of different "
            "embeddings do not compare."
        ),
        table=table,
        scatter=scatter(
            clouds,
            dots,
            title=title,
            x_label=f"component 1, {shares[0]:.0%} of the variance",
            y_label=f"component 2, {shares[1]:.0%}",
        ),
        explained=(
            f"Principal components of the reference: {shares[0]:.0%} of its variance across and "
            f"{shares[1]:.0%} upwards; the rest is not in the picture. Faint points are windows, "
            "marks are means of sounds; those with an outline have a player on this page: click "
            "them."
        ),
        charts=tuple(charts),
    )


def _dots(kind: str, points: Tensor, embedded: Embedded, anchors: Mapping[str, str]) -> list[Dot]:
    counts = torch.bincount(embedded.file, minlength=len(embedded.paths)).double()
    sums = points.new_zeros(len(embedded.paths), 2).index_add_(0, embedded.file, points)
    means = (sums / counts.clamp_min(1)[:, None]).tolist()
    present = [i for i, c in enumerate(counts.tolist()) if c]
    with_player = [i for i in present if str(embedded.paths[i]) in anchors]
    others = [i for i in present if str(embedded.paths[i]) not in anchors]
    others = [others[i] for i in thin([""] * len(others), DOTS).tolist()]
    return [
        Dot(
            x=means[i][0],
            y=means[i][1],
            kind=kind,
            label=f"{Path(embedded.paths[i]).stem}, {kind}",
            anchor=anchors.get(str(embedded.paths[i]), ""),
        )
        for i in [*others, *with_player]
    ]


def _bins(found: JudgedEmbedding) -> Chart:
    """Shares of the reference's k-means bins, its fullest first."""
    x, y = found.reference.vectors, found.generated.vectors
    count = max(2, min(SHOWN_BINS, len(x) // ITEMS_PER_BIN))
    title = "Windows by k-means bin of the reference, its fullest first"
    try:
        bins = fit_bins(x, count)
    except ValueError as error:
        return Chart(title=title, svg=f'<p class="quiet">Not measured: {error}.</p>')
    shares = [bins.counts(z.double()).double() / len(z) for z in (x, y)]
    order = shares[0].argsort(descending=True).tolist()
    drawn = {
        kind: [float(s[i]) for i in order]
        for kind, s in zip(("reference", "generated"), shares, strict=True)
    }
    labels = [str(i) for i in range(1, count + 1)]
    return Chart(title=title, svg=histogram(labels, drawn, title=f"{title}, by {found.name}"))


def _classes(name: str, classes: Sequence[str], reference: Tensor, generated: Tensor) -> Chart:
    """Mean probabilities of a head, the most expected classes of both sets."""
    means = reference.double().mean(0), generated.double().mean(0)
    chosen = torch.maximum(*means).argsort(descending=True)[:SHOWN_CLASSES].tolist()
    title = f"Mean probability of each {name.replace('_', ' ')}"
    if len(classes) > SHOWN_CLASSES:
        title += f", the first {SHOWN_CLASSES} of {len(classes)}"
    return Chart(
        title=title,
        svg=histogram(
            [classes[i] for i in chosen],
            {
                kind: [float(m[i]) for i in chosen]
                for kind, m in zip(("reference", "generated"), means, strict=True)
            },
            title=title,
        ),
    )


def set_charts(found: Judgement) -> tuple[Chart, ...]:
    """Level, tempo, key and length of both sets, as far as they were measured."""
    sides = dict(zip(("reference", "generated"), found.measured, strict=True))
    if not any(sides.values()):
        return ()
    charts = []
    for title, unit, values in (
        ("Level", "from, dB RMS", {k: [m.facts.rms_db for m in v] for k, v in sides.items()}),
        (
            "Tempo",
            "from, beats per minute",
            {k: [m.facts.bpm for m in v if m.facts.bpm is not None] for k, v in sides.items()},
        ),
        ("Length", "from, s", {k: [m.facts.seconds for m in v] for k, v in sides.items()}),
    ):
        labels, shares = binned(values)
        if labels:
            charts.append(Chart(title=title, svg=histogram(labels, shares, title=title, unit=unit)))
    keys = {k: [m.facts.key for m in v if m.facts.key is not None] for k, v in sides.items()}
    if any(keys.values()):
        shares = {k: _key_shares(v) for k, v in keys.items()}
        charts.append(Chart(title="Key, minor with an m", svg=histogram(KEYS, shares, title="Key")))
    return tuple(charts)


def _key_shares(keys: Sequence[str]) -> list[float]:
    """Shares of the 24 keys, by pitch class whatever the spelling."""
    counts = [0] * 24
    for name in keys:
        tonic, mode = parse_key(name)
        counts[tonic + 12 * (mode == "minor")] += 1
    return [c / max(1, len(keys)) for c in counts]
