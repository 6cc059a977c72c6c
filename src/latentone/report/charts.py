"""Training curves as inline SVG, coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, isfinite, log10

__all__ = ["curves", "ticks"]

WIDTH, HEIGHT = 520, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 22, 14, 40

Points = Sequence[tuple[float, float]]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from `low` to `high`."""
    if high <= low:
        return [low]
    raw = (high - low) / count
    base = 10.0 ** floor(log10(raw))
    step = next(base * m for m in (1, 2, 2.5, 5, 10) if base * m >= raw * 0.999)
    first = -(-low // step)
    values = []
    while (value := first * step) <= high + step * 1e-9:
        values.append(float(f"{value:.10g}"))
        first += 1
    return values


def _smooth(points: Points, keep: int = 240) -> list[tuple[float, float]]:
    """Average neighbours so that at most `keep` points remain."""
    size = max(1, -(-len(points) // keep))
    chunks = [points[i : i + size] for i in range(0, len(points), size)]
    return [
        (sum(p[0] for p in chunk) / len(chunk), sum(p[1] for p in chunk) / len(chunk))
        for chunk in chunks
    ]


def curves(training: Points, validation: Points, *, title: str, y_label: str = "loss") -> str:
    """Draw the training and the validation curve over steps, the best validation marked.

    Args:
        training: `(step, value)` pairs; many are averaged down to what a screen shows.
        validation: `(step, value)` pairs; the lowest is circled.
        title: for those who cannot see the picture.
        y_label: what the values are.
    """
    training = _smooth([p for p in training if isfinite(p[1])])
    validation = [p for p in validation if isfinite(p[1])]
    both = [*training, *validation]
    if not both:
        return '<p class="quiet">No curve was written.</p>'
    x_low, x_high = 0.0, max(p[0] for p in both) or 1.0
    # The first steps often tower over the rest: the axis starts at the 2nd percentile from above.
    ordered = sorted(p[1] for p in both)
    y_low, y_high = ordered[0], ordered[min(len(ordered) - 1, int(len(ordered) * 0.98))]
    y_high = max([y_high, *(p[1] for p in validation)])
    pad = 0.06 * (y_high - y_low) or abs(y_high) * 0.1 or 1.0
    y_low, y_high = y_low - pad, y_high + pad

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        share = (min(point[1], y_high) - y_low) / (y_high - y_low)
        return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = []
    for value in ticks(y_low, y_high):
        y = at((x_low, value))[1]
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for value in ticks(x_low, x_high):
        x = at((value, y_low))[0]
        parts.append(
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">steps</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 4}">{escape(y_label)}</text>'
    )
    for kind, points in (("training", training), ("validation", validation)):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, points))
        parts.append(f'<polyline class="{kind}" points="{path}"/>' if points else "")
    described = title
    if validation:
        best = min(validation, key=lambda p: p[1])
        parts += [
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
            for x, y in map(at, validation)
            if len(validation) <= 60
        ]
        x, y = at(best)
        anchor = "end" if x > WIDTH * 0.6 else "start"
        shift = -10 if anchor == "end" else 10
        parts.append(
            f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
            f'<text class="best" x="{x + shift:.1f}" y="{y - 10:.1f}" text-anchor="{anchor}">'
            f"best {best[1]:.4g} at step {best[0]:g}</text>"
        )
        described += f": best validation {best[1]:.4g} at step {best[0]:g}"
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(described)}" xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(parts)}</svg>"
    )
