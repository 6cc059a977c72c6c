"""Curves over steps as inline SVG, coloured by the page's style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

__all__ = ["Plane", "Points", "curves", "line_key", "lines", "shade", "svg", "ticks"]

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


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Where numbers lie on a chart: `x` to the right, `y` up, logarithmic if so wanted."""

    x: tuple[float, float]
    """Lowest and highest."""
    y: tuple[float, float]
    """Lowest and highest; what lies outside is drawn at the edge."""
    log: bool = False
    """Whether equal factors of y are equally far apart; then y is positive."""

    def at(self, point: tuple[float, float]) -> tuple[float, float]:
        """Where a point is drawn."""
        (left, right), (low, high) = self.x, (self._height(v) for v in self.y)
        x = LEFT + (point[0] - left) / ((right - left) or 1.0) * (WIDTH - LEFT - RIGHT)
        share = (self._height(point[1]) - low) / ((high - low) or 1.0)
        return x, HEIGHT - BOTTOM - min(1.0, max(0.0, share)) * (HEIGHT - TOP - BOTTOM)

    def _height(self, value: float) -> float:
        return log10(max(value, 1e-30)) if self.log else value

    def path(self, points: Points) -> str:
        """Points for a `<polyline>`."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, points))

    def axes(self, *, x_label: str, y_label: str) -> str:
        """Lines across, numbers along both sides, and what they are."""
        (left, right), (low, high) = self.x, self.y
        parts = []
        for value in self._marks(low, high):
            y = self.at((left, value))[1]
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
            )
        for value in ticks(left, right):
            x, y = self.at((value, low))[0], HEIGHT - BOTTOM + 18
            parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{value:g}</text>')
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(x_label)}</text>'
            f'<text x="{LEFT}" y="{HEIGHT - 4}">{escape(y_label)}</text>'
        )
        return "".join(parts)

    def _marks(self, low: float, high: float) -> list[float]:
        if not self.log:
            return ticks(low, high)
        first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
        every = max(1, (last - first) // 5)
        powers = [10.0**n for n in range(first, last + 1, every)]
        return powers if len(powers) > 1 else [float(f"{v:.2g}") for v in (low, high)]


def svg(content: str, *, label: str) -> str:
    """A chart from its parts, with words for those who cannot see it."""
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">{content}</svg>'
    )


def curves(
    training: Points,
    validation: Points,
    *,
    title: str,
    y_label: str = "loss",
    best: float | None = None,
) -> str:
    """Draw the training and the validation curve over steps, the best validation marked.

    Args:
        training: `(step, value)` pairs; many are averaged down to what a screen shows.
        validation: `(step, value)` pairs.
        title: for those who cannot see the picture.
        y_label: what the values are.
        best: step of the validation to circle; the lowest when None or not among them.
    """
    training = _smooth([p for p in training if isfinite(p[1])])
    validation = [p for p in validation if isfinite(p[1])]
    both = [*training, *validation]
    if not both:
        return '<p class="quiet">No curve was written.</p>'
    # The first steps often tower over the rest: the axis starts at the 2nd percentile from above.
    ordered = sorted(p[1] for p in both)
    y_low, y_high = ordered[0], ordered[min(len(ordered) - 1, int(len(ordered) * 0.98))]
    y_high = max([y_high, *(p[1] for p in validation)])
    pad = 0.06 * (y_high - y_low) or abs(y_high) * 0.1 or 1.0
    plane = Plane(x=(0.0, max(p[0] for p in both) or 1.0), y=(y_low - pad, y_high + pad))
    parts = [plane.axes(x_label="steps", y_label=y_label)]
    for kind, points in (("training", training), ("validation", validation)):
        parts.append(f'<polyline class="{kind}" points="{plane.path(points)}"/>' if points else "")
    described = title
    if validation:
        lowest = min(validation, key=lambda p: p[1])
        marked = next((p for p in validation if p[0] == best), lowest)
        parts += [
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
            for x, y in map(plane.at, validation)
            if len(validation) <= 60
        ]
        x, y = plane.at(marked)
        anchor = "end" if x > WIDTH * 0.6 else "start"
        shift = -10 if anchor == "end" else 10
        word = "best" if marked == lowest else "best checkpoint"
        parts.append(
            f'<circle class="best" cx="{x:.1f}" cy="{y:.1f}" r="6"/>'
            f'<text class="best" x="{x + shift:.1f}" y="{y - 10:.1f}" text-anchor="{anchor}">'
            f"{word} {marked[1]:.4g} at step {marked[0]:g}</text>"
        )
        described += f": {word} validation {marked[1]:.4g} at step {marked[0]:g}"
    return svg("".join(parts), label=described)


def lines(
    series: Mapping[str, Points],
    *,
    title: str,
    y_label: str,
    x_label: str = "steps",
    zone: tuple[float, float, str] | None = None,
    bounds: tuple[float, float] | None = None,
    log: bool = False,
) -> str:
    """Draw several lines in one chart, from the first, pale, to the last, strong.

    Args:
        series: `(x, value)` pairs by name; what cannot be drawn (not finite, or not positive where
            `log`) is left out.
        title: for those who cannot see the picture.
        y_label: what the values are.
        x_label: what they are over.
        zone: lowest and highest value of a band to tint, and what it means.
        bounds: of the values; by default what there is.
        log: whether equal factors are equally far apart.
    """
    shown = {
        name: _smooth([p for p in points if isfinite(p[1]) and (p[1] > 0 or not log)])
        for name, points in series.items()
    }
    every = [p for points in shown.values() for p in points]
    if not every:
        return '<p class="quiet">Nothing was written.</p>'
    low, high = bounds or (min(p[1] for p in every), max(p[1] for p in every))
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    right = max(p[0] for p in every) or 1.0
    plane = Plane(x=(0.0, right), y=(low, high), log=log)
    parts = []
    if zone is not None:
        (left, bottom), (_, top) = plane.at((0.0, zone[0])), plane.at((0.0, zone[1]))
        parts.append(
            f'<rect class="zone" x="{left:.1f}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" '
            f'height="{bottom - top:.1f}"/><text x="{left + 6:.1f}" y="{top + 15:.1f}">'
            f"{escape(zone[2])}</text>"
        )
    parts.append(plane.axes(x_label=x_label, y_label=y_label))
    for place, (name, points) in enumerate(shown.items()):
        said = f"{name}: {points[-1][1]:.4g} at the end" if points else name
        parts.append(
            f'<polyline style="stroke:{shade(place, len(shown))}" points="{plane.path(points)}">'
            f"<title>{escape(said)}</title></polyline>"
        )
    return svg("".join(parts), label=f"{title}: {', '.join(shown)}")


def line_key(names: Sequence[str]) -> str:
    """What the lines of `lines` are; of many, the first and the last."""
    places = list(enumerate(names)) if len(names) <= 8 else [(0, names[0]), (-1, names[-1])]
    rows = "".join(
        f'<li><i class="line" style="border-color:{shade(p % len(names), len(names))}"></i>'
        f"{escape(name)}</li>"
        for p, name in places
    )
    return f'<ul class="key">{rows}</ul>'


def shade(place: int, count: int) -> str:
    """A colour from blue, the first, to orange, the last; legible on white and on black."""
    share = place / max(1, count - 1)
    return f"hsl({210 + 170 * share:.0f} 62% {54 - 4 * share:.0f}%)"
