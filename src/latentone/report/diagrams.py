"""Flow diagrams as inline SVG: what is trained, what is frozen, what is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

__all__ = ["LEGEND", "Lane", "Node", "Role", "draw"]

Role = Literal["data", "trained", "frozen", "discarded"]

LEGEND: dict[Role, str] = {
    "trained": "trained in this step",
    "frozen": "used as it is, weights fixed",
    "discarded": "trained along, thrown away after",
    "data": "sound, latents, numbers",
}

WIDTH, HEIGHT, GAP, TITLE, LANE_GAP = 152, 54, 40, 30, 30


@dataclass(frozen=True, kw_only=True)
class Node:
    """One box."""

    label: str
    note: str = ""
    """A second, smaller line."""
    role: Role = "data"
    beside: Node | None = None
    """A box off the main line, joined to this one."""
    inward: bool = True
    """Whether the arrow of `beside` points at this box, or away from it."""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One line of boxes, read from left to right (or top to bottom)."""

    title: str
    nodes: tuple[Node, ...]


def _box(node: Node, x: float, y: float) -> str:
    middle = x + WIDTH / 2
    lines = [
        f'<rect class="box {node.role}" x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" '
        f'rx="{HEIGHT / 2 if node.role == "data" else 8:g}"/>'
    ]
    baseline = y + HEIGHT / 2 + (5 if not node.note else -3)
    text = f'<text class="{node.role}" x="{middle:g}" text-anchor="middle"'
    lines.append(f'{text} y="{baseline:g}">{escape(node.label)}</text>')
    if node.note:
        lines.append(f'{text} y="{baseline + 17:g}" font-size="11">{escape(node.note)}</text>')
    return "".join(lines)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    (x0, y0), (x1, y1) = start, end
    length = abs(x1 - x0) + abs(y1 - y0)  # arrows are horizontal or vertical
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    bx, by = x1 - 7 * dx, y1 - 7 * dy
    head = f"{x1:g},{y1:g} {bx - 4 * dy:g},{by + 4 * dx:g} {bx + 4 * dy:g},{by - 4 * dx:g}"
    return (
        f'<line class="arrow" x1="{x0:g}" y1="{y0:g}" x2="{bx:g}" y2="{by:g}"/>'
        f'<polygon class="head" points="{head}"/>'
    )


def draw(lanes: Sequence[Lane], *, label: str, vertical: bool = False) -> str:
    """Draw lanes below one another; colours come from the page's style sheet.

    Args:
        lanes: the lines of boxes.
        label: what the picture says, for those who cannot see it.
        vertical: stack the boxes of a lane, for narrow screens.
    """
    parts: list[str] = []
    x_end, y = 0.0, 0.0
    for lane in lanes:
        parts.append(f'<text class="lane" x="1" y="{y + 15:g}">{escape(lane.title)}</text>')
        y += TITLE
        for i, node in enumerate(lane.nodes):
            x, top = (1.0, y + i * (HEIGHT + GAP - 8)) if vertical else (1 + i * (WIDTH + GAP), y)
            parts.append(_box(node, x, top))
            if i + 1 < len(lane.nodes):
                corner = (
                    (x + WIDTH / 2, top + HEIGHT) if vertical else (x + WIDTH, top + HEIGHT / 2)
                )
                step = (0, GAP - 8) if vertical else (GAP, 0)
                parts.append(_arrow(corner, (corner[0] + step[0], corner[1] + step[1])))
            x_end = max(x_end, x + WIDTH)
            if node.beside is not None:
                if vertical:
                    at = (x + WIDTH + GAP, top)
                    ends = (x + WIDTH, top + HEIGHT / 2), (x + WIDTH + GAP, top + HEIGHT / 2)
                else:
                    at = (x, top + HEIGHT + GAP)
                    ends = (x + WIDTH / 2, top + HEIGHT), (x + WIDTH / 2, top + HEIGHT + GAP)
                parts.append(_box(node.beside, *at))
                parts.append(_arrow(*(ends[::-1] if node.inward else ends)))
                x_end = max(x_end, at[0] + WIDTH)
        if vertical:
            y += len(lane.nodes) * (HEIGHT + GAP - 8) - (GAP - 8)
        else:
            y += HEIGHT + (HEIGHT + GAP if any(n.beside for n in lane.nodes) else 0)
        y += LANE_GAP
    size = f"{x_end + 1:g} {y - LANE_GAP + 2:g}"
    kind = "flow vertical" if vertical else "flow horizontal"
    return (
        f'<svg class="{kind}" viewBox="0 0 {size}" role="img" aria-label="{escape(label)}" '
        f'style="max-width:{x_end + 1:g}px" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
