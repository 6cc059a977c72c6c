"""The numbers of a test that a terminal shows: the rest is on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["summary"]

Rows = list[tuple[str, ...]]


def summary(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    """Column names and rows, by kind of test."""
    known = {"mushra": _mushra, "abx": _abx, "questions": _questions}
    return known.get(found["kind"], _pairs)(found)


def _ends(interval: Sequence[float] | None, form: str) -> str:
    return "" if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def _mushra(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    ranked = sorted(found["conditions"].items(), key=lambda entry: -entry[1]["mean"])
    rows: Rows = [
        (name, f"{c['mean']:.1f}", _ends(c["t_interval"], ".1f"), f"{c['median']:.1f}")
        for name, c in ranked
    ]
    return ("sound", "mean", "95 %", "median"), rows


def _questions(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (scale["question"], name, f"{own['mean']:.2f}", _ends(own["t_interval"], ".2f"))
        for scale in found["scales"]
        for name, own in scale["systems"].items()
    ]
    return ("question", "system", "mean of 1 to 5", "95 %"), rows


def _abx(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    own = found["abx"]
    right = f"{own['correct']} of {own['count']}"
    row = right, f"{own['share']:.0%}", _ends(own["share_interval"], ".0%"), f"{own['p']:.3g}"
    return ("right", "share", "95 %", "p of guessing"), [row]


def _pairs(found: Mapping[str, Any]) -> tuple[tuple[str, ...], Rows]:
    rows: Rows = [
        (
            pair["first"],
            pair["second"],
            f"{pair['share']:.0%}",
            _ends(pair["share_interval"], ".0%"),
            f"{pair['p_listeners']:.3g}",
            f"{pair['p_holm']:.3g}",
        )
        for pair in found["pairs"]
    ]
    return ("first", "second", "first preferred", "95 %", "p by listener", "after Holm"), rows
