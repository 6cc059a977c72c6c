"""Bars with intervals, and histograms, as inline SVG that the page's style sheet colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..report.charts import ticks

__all__ = ["bars", "histogram"]

WIDTH, ROW, BOTTOM, TOP, RIGHT = 560, 34, 30, 8, 26
CHARACTER = 8.2
"""Pixels of a character, about: names decide how much room they get."""

Row = tuple[str, float, tuple[float, float] | None, str]


def bars(
    rows: Sequence[Row],
    *,
    low: float,
    high: float,
    title: str,
    origin: float | None = None,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Draw a horizontal bar for each row, its interval as a whisker.

    Args:
        rows: name, value, interval or None, and a class: `tested`, `original` or `anchor`.
        low: left end of the axis.
        high: its right end.
        title: for those who cannot see the picture.
        origin: where bars begin; None takes `low`.
        marks: values to label instead of round numbers.
    """
    left = 16 + CHARACTER * min(26, max((len(name) for name, *_ in rows), default=1))
    height = TOP + ROW * len(rows) + BOTTOM
    origin = low if origin is None else origin

    def at(value: float) -> float:
        return left + (min(max(value, low), high) - low) / (high - low) * (WIDTH - RIGHT - left)

    parts = []
    for value, text in marks or [(v, f"{v:g}") for v in ticks(low, high)]:
        x = at(value)
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{escape(text)}</text>'
        )
    spoken = []
    for index, (name, value, interval, kind) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        x0, x1 = sorted((at(origin), at(value)))
        short = name if len(name) <= 26 else f"{name[:25]}…"
        parts.append(
            f'<text class="name" x="{left - 10:.1f}" y="{y + 4:.1f}" text-anchor="end">'
            f"{escape(short)}</text>"
            f'<rect class="{kind}" x="{x0:.1f}" y="{y - 9:.1f}" '
            f'width="{max(1.0, x1 - x0):.1f}" height="18" rx="3"/>'
        )
        text = f"{name} {value:.3g}"
        if interval is not None:
            a, b = map(at, interval)
            parts.append(
                f'<path class="whisker" d="M{a:.1f} {y:.1f}H{b:.1f}M{a:.1f} {y - 5:.1f}V{y + 5:.1f}'
                f'M{b:.1f} {y - 5:.1f}V{y + 5:.1f}"/>'
            )
            text += f" ({interval[0]:.3g} to {interval[1]:.3g})"
        spoken.append(text)
    label = escape(f"{title}: {'; '.join(spoken)}")
    return (
        f'<svg class="chart bars" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def histogram(counts: Sequence[int], *, title: str) -> str:
    """Draw how often each of 1, 2, 3 ... was answered."""
    width, height, base = 44 * len(counts) + 8, 112, 90
    most = max(*counts, 1)
    parts = []
    for index, count in enumerate(counts):
        x, tall = 8 + 44 * index, 66 * count / most
        parts.append(
            f'<rect class="tested" x="{x}" y="{base - tall:.1f}" width="36" '
            f'height="{max(tall, 0.5):.1f}" rx="3"/>'
            f'<text x="{x + 18}" y="{base - tall - 5:.1f}" text-anchor="middle">{count}</text>'
            f'<text x="{x + 18}" y="{height - 5}" text-anchor="middle">{index + 1}</text>'
        )
    spoken = ", ".join(f"{n} times {i}" for i, n in enumerate(counts, 1))
    return (
        f'<svg class="chart histogram" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(f"{title}: {spoken}")}" xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(parts)}</svg>"
    )
