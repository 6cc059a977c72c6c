"""The learning curves as one picture: training and validation, the best step marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..atomic import atomic_file

__all__ = ["draw_curves"]

Points = tuple[list[int], list[float]]
MAX_PANELS = 6
TRAIN_COLOUR, VALID_COLOUR, BEST_COLOUR = "#9db4c0", "#1f4e79", "#c8553d"


def draw_curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw `curves.png` from the records of `metrics.jsonl`.

    One panel for each named scalar, `loss` first, at most six; training thin, validation with
    points. The best validation of `loss` is marked in its panel.

    Args:
        records: `{"step": n, "train": {...}}` and `{"step": n, "valid": {...}}`, in order.
        path: of the PNG; written whole or not at all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    train, valid = _curves(records, "train"), _curves(records, "valid")
    names = sorted(set(train) | set(valid), key=lambda n: (n != "loss", n not in valid, n))
    names = names[:MAX_PANELS] or ["loss"]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    width, height = 5 * columns, 3.2 * rows
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # Margins in inches: the automatic layouts draw everything twice.
    figure.subplots_adjust(
        left=0.6 / width,
        right=1 - 0.2 / width,
        bottom=0.5 / height,
        top=1 - 0.4 / height,
        wspace=0.2,
        hspace=0.35,
    )
    for place, name in enumerate(names, 1):
        axes = figure.add_subplot(rows, columns, place)
        if name in train:
            axes.plot(*train[name], color=TRAIN_COLOUR, linewidth=1, label="training")
        if name in valid:
            axes.plot(
                *valid[name], color=VALID_COLOUR, marker="o", markersize=3, label="validation"
            )
        best = best_of(valid.get("loss", ([], []))) if name == "loss" else None
        if best is not None:
            label = f"best {best[1]:.4g} at step {best[0]}"
            axes.plot(*best, color=BEST_COLOUR, marker="*", markersize=12, ls="", label=label)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
    with atomic_file(path) as partial:
        figure.savefig(partial, format="png", dpi=100)


def best_of(points: Points) -> tuple[int, float] | None:
    """The step and value of the lowest point; None without a finite one."""
    finite = [(value, step) for step, value in zip(*points, strict=True) if value == value]
    return (min(finite)[1], min(finite)[0]) if finite else None


def _curves(records: Sequence[dict[str, Any]], kind: str) -> dict[str, Points]:
    curves: dict[str, Points] = {}
    for record in records:
        for name, value in record.get(kind, {}).items():
            if value is not None:
                steps, values = curves.setdefault(name, ([], []))
                steps.append(record["step"])
                values.append(value)
    return curves
