"""How a discriminator scores real and generated sound, moment by moment, as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .charts import ticks

__all__ = ["score_pictures"]

WIDTH, ROW, LEFT, BOTTOM = 520, 76, 8, 34


def score_pictures(moments: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    """Draw the two histograms of each moment, real filled and generated outlined, on one scale.

    Args:
        moments: steps, and what `score_health` gave then.
    """
    low = min(scores["low"] for _, scores in moments)
    high = max(scores["high"] for _, scores in moments)
    height = ROW * len(moments) + BOTTOM

    def across(score: float) -> float:
        return LEFT + (score - low) / ((high - low) or 1.0) * (WIDTH - 2 * LEFT)

    parts = []
    for row, (step, scores) in enumerate(moments):
        base = ROW * (row + 1)
        step_size = (scores["high"] - scores["low"]) / len(scores["real"])
        top = max(*scores["real"], *scores["fake"]) or 1.0
        for kind in ("real", "fake"):
            outline = [(across(scores["low"]), float(base))]
            for i, share in enumerate(scores[kind]):
                y = base - (ROW - 20) * share / top
                ends = (scores["low"] + i * step_size, scores["low"] + (i + 1) * step_size)
                outline += [(across(end), y) for end in ends]
            outline.append((across(scores["high"]), float(base)))
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
            parts.append(f'<polygon class="scores {kind}" points="{path}"/>')
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - LEFT}" y1="{base}" y2="{base}"/>'
            f'<text x="{WIDTH - LEFT}" y="{base - ROW + 18}" text-anchor="end">'
            f"step {step:,}</text>"
        )
    for value in ticks(low, high):
        parts.append(
            f'<text x="{across(value):.1f}" y="{height - BOTTOM + 16}" text-anchor="middle">'
            f"{value:g}</text>"
        )
    parts.append(f'<text x="{LEFT}" y="{height - 3}">score: the higher, the more real</text>')
    steps = ", ".join(f"{step:,}" for step, _ in moments)
    label = f"Scores of real and of generated sound at steps {steps}"
    key = (
        '<ul class="key"><li><i class="real"></i>real sound</li>'
        '<li><i class="fake"></i>its reconstruction</li></ul>'
    )
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
        f"{key}"
    )
