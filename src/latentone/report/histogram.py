"""Shares of two sets side by side, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from .charts import ticks

__all__ = ["binned", "histogram"]

WIDTH, HEIGHT = 520, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 12, 34
TURNED = 78
"""Room below for labels that stand upright."""


def histogram(
    labels: Sequence[str], shares: Mapping[str, Sequence[float]], *, title: str, unit: str = ""
) -> str:
    """Draw a group of bars for every label, a bar for every set.

    Args:
        labels: below the groups.
        shares: heights in [0, 1] by kind (`reference`, `generated`), one for each label.
        title: for those who cannot see the picture.
        unit: of the labels.
    """
    if not labels:
        return '<p class="quiet">Nothing to count.</p>'
    turned = sum(len(label) for label in labels) > 62
    bottom = TURNED if turned else BOTTOM
    height = HEIGHT + (bottom - BOTTOM)
    top = max((v for values in shares.values() for v in values), default=0.0) or 1.0
    room, width = height - TOP - bottom, (WIDTH - LEFT - RIGHT) / len(labels)
    parts = []
    for value in ticks(0.0, top, 4):
        y = TOP + room * (1 - value / top)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{100 * value:g} %</text>'
        )
    bar = 0.8 * width / max(1, len(shares))
    for order, (kind, values) in enumerate(shares.items()):
        for i, (label, value) in enumerate(zip(labels, values, strict=True)):
            x = LEFT + i * width + 0.1 * width + order * bar
            size = room * value / top
            parts.append(
                f'<rect class="bar {escape(kind)}" x="{x:.1f}" y="{TOP + room - size:.1f}" '
                f'width="{max(bar - 0.6, 0.6):.1f}" height="{size:.1f}">'
                f"<title>{escape(kind)}, {escape(label)}: {100 * value:.1f} %</title></rect>"
            )
    every = 1 if turned else max(1, -(-sum(len(t) + 1 for t in labels) // 62))
    for i, label in enumerate(labels):
        if i % every:
            continue
        x, y = LEFT + (i + 0.5) * width, height - bottom + 16
        if turned:
            place = f'transform="translate({x + 4:.1f} {y - 8:.1f}) rotate(-90)" text-anchor="end"'
        else:
            place = f'x="{x:.1f}" y="{y}" text-anchor="middle"'
        parts.append(f"<text {place}>{escape(label)}</text>")
    if unit:
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{height - 3}" text-anchor="end">{escape(unit)}</text>'
        )
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def binned(
    values: Mapping[str, Sequence[float]], count: int = 10
) -> tuple[list[str], dict[str, list[float]]]:
    """Cut numbers into equal steps between round numbers: labels (where a step begins), shares.

    Args:
        values: by kind.
        count: about how many steps.
    """
    every = [v for side in values.values() for v in side]
    if not every:
        return [], {kind: [] for kind in values}
    low, high = min(every), max(every)
    marks = ticks(low, high if high > low else low + 1.0, count)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    first = marks[0] - step if marks[0] > low else marks[0]
    steps = int((high - first) // step) + 1
    counts = {kind: [0] * steps for kind in values}
    for kind, side in values.items():
        for v in side:
            counts[kind][min(steps - 1, max(0, int((v - first) // step)))] += 1
    shares = {
        kind: [c / max(1, len(values[kind])) for c in counted] for kind, counted in counts.items()
    }
    return [f"{first + i * step:g}" for i in range(steps)], shares
