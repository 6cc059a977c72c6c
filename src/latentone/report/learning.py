"""Training against validation, a chart a loss, and whether a model learns by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..training.health import HEALTH_NAMES
from .page import Curve

__all__ = ["learning_curves", "overfitting"]

MOST = 8
"""Charts of one training."""
RISEN, FALLEN = 1.05, 0.98
"""Validation this much above its best, while training went on to fall to this much of what it was
then: a model that learns by heart."""

Records = Sequence[Mapping[str, Any]]


def learning_curves(
    records: Records, state: Mapping[str, Any], part: str, loss: str
) -> tuple[Curve, ...]:
    """Curves of every loss that both training and validation have, the best checkpoint marked.

    Args:
        records: of `metrics.jsonl`.
        state: of `state.json`.
        part: codec or generator.
        loss: what `loss` is.
    """
    names = [n for n in _names(records, "valid") if n in _names(records, "train")]
    shown = [n for n in names if n != "loss" and n.rpartition("/")[2] not in HEALTH_NAMES]
    best = (state.get("best") or {}).get("step")
    return tuple(
        Curve(
            title=f"{part.capitalize()}: {loss if name == 'loss' else name}",
            training=_points(records, "train", name),
            validation=_points(records, "valid", name),
            best=best,
        )
        for name in ["loss", *shown][:MOST]
    )


def overfitting(records: Records) -> str:
    """Say so where the validation rose since its best while the training went on to fall."""
    valid = _points(records, "valid", "loss")
    train = _points(records, "train", "loss")
    if len(valid) < 3 or not train:
        return ""
    step, best = min(valid, key=lambda p: p[1])
    last = sum(v for _, v in valid[-2:]) / 2
    then = _around(train, step)
    now = _around(train, train[-1][0])
    if best <= 0 or last < RISEN * best or now > FALLEN * then:
        return ""
    return (
        f"learns by heart: its validation was best, {best:.4g}, at step {step:,} and rose to "
        f"{last:.4g} since, while its training loss fell from {then:.4g} to {now:.4g}. More "
        "sounds, a smaller model or an earlier end would help."
    )


def _around(points: Sequence[tuple[int, float]], step: int) -> float:
    """Mean of the tenth of a curve that is nearest to a step."""
    nearest = sorted(points, key=lambda p: abs(p[0] - step))[: max(1, len(points) // 10)]
    return sum(value for _, value in nearest) / len(nearest)


def _names(records: Records, kind: str) -> list[str]:
    return list(dict.fromkeys(name for r in records for name in r.get(kind, {})))


def _points(records: Records, kind: str, name: str) -> list[tuple[int, float]]:
    return [(r["step"], r[kind][name]) for r in records if r.get(kind, {}).get(name) is not None]
