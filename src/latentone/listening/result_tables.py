"""Tables of results, and numbers as they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["between", "p_value", "percent", "percents", "table"]


def between(interval: Sequence[float] | None, digits: int = 1) -> str:
    if interval is None:
        return "–"
    low, high = ("∞" if v is None else f"{v:.{digits}f}" for v in interval)
    return f"{low} to {high}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def percents(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    lines = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )
