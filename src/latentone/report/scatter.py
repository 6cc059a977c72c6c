"""Two sets of sounds as points in a plane, as inline SVG; a point with a player leads to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

__all__ = ["Dot", "scatter"]

WIDTH, HEIGHT, PAD = 720, 460, 26

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One sound."""

    x: float
    y: float
    kind: str
    """`reference` (a circle) or `generated` (a square standing on its corner)."""
    label: str
    """Shown when pointed at, and read aloud."""
    anchor: str = ""
    """Id of its card; empty for a sound that the page does not hold."""


def scatter(
    clouds: Mapping[str, Sequence[Point]],
    dots: Sequence[Dot],
    *,
    title: str,
    x_label: str,
    y_label: str,
) -> str:
    """Draw faint clouds of windows, and a dot for every sound.

    Args:
        clouds: small points by kind.
        dots: sounds; those with an anchor are drawn last, as links.
        title: for those who cannot see the picture.
        x_label: what the horizontal axis is.
        y_label: what the vertical axis is.
    """
    everything = [p for points in clouds.values() for p in points] + [(d.x, d.y) for d in dots]
    everything = [p for p in everything if isfinite(p[0]) and isfinite(p[1])]
    if not everything:
        return '<p class="quiet">Nothing to draw.</p>'
    low = [min(p[i] for p in everything) for i in (0, 1)]
    high = [max(p[i] for p in everything) for i in (0, 1)]
    span = [b - a or 1.0 for a, b in zip(low, high, strict=True)]

    def at(x: float, y: float) -> Point:
        return (
            PAD + (x - low[0]) / span[0] * (WIDTH - 2 * PAD),
            HEIGHT - PAD - (y - low[1]) / span[1] * (HEIGHT - 2 * PAD),
        )

    parts = [
        f'<rect class="frame" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="8"/>',
        f'<text x="{WIDTH - 12}" y="{HEIGHT - 9}" text-anchor="end">{escape(x_label)}</text>',
        f'<text transform="translate(17 14) rotate(-90)" text-anchor="end">'
        f"{escape(y_label)}</text>",
    ]
    for kind, points in clouds.items():
        drawn = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in (at(*p) for p in points))
        parts.append(f'<path class="cloud {escape(kind)}" d="{drawn}"/>' if drawn else "")
    for dot in sorted(dots, key=lambda d: bool(d.anchor)):
        parts.append(_mark(dot, *at(dot.x, dot.y)))
    return (
        f'<svg class="chart scatter" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" '
        f'aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _mark(dot: Dot, x: float, y: float) -> str:
    label = escape(dot.label)
    kind = f"dot {escape(dot.kind)}" + (" playable" if dot.anchor else "")
    size = 6.0 if dot.anchor else 4.0
    if dot.kind == "generated":
        s = 1.2 * size
        shape = (
            f'<path class="{kind}" d="M{x:.1f} {y - s:.1f}l{s:g} {s:g}l-{s:g} {s:g}l-{s:g}-{s:g}z">'
        )
        end = "</path>"
    else:
        shape, end = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{size:g}">', "</circle>"
    mark = f"{shape}<title>{label}</title>{end}"
    if not dot.anchor:
        return mark
    return f'<a href="#{escape(dot.anchor)}" aria-label="Play {label}">{mark}</a>'
