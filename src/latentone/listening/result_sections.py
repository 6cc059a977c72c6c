"""What each kind of test found, as sections of a page: a picture, then the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from .bars import Row, bars, histogram
from .result_tables import between, p_value, percent, percents, table

__all__ = ["sections"]

WORDS = ((10, "bad"), (30, "poor"), (50, "fair"), (70, "good"), (90, "excellent"))


def sections(found: Mapping[str, Any]) -> str:
    """The sections of a test, by its kind."""
    known = {"mushra": _mushra, "abx": _abx, "questions": _questions}
    return known.get(found["kind"], _pairs)(found)


def _kind(name: str, found: Mapping[str, Any]) -> str:
    if name in found["systems"]:
        return "tested"
    return "anchor" if name.startswith("anchor") else "original"


def _mushra(found: Mapping[str, Any]) -> str:
    conditions = found["conditions"]
    ordered = sorted(conditions, key=lambda name: -conditions[name]["mean"])
    rows: list[Row] = [
        (n, conditions[n]["mean"], conditions[n]["t_interval"], _kind(n, found)) for n in ordered
    ]
    scores = table(
        "Ratings from 0 to 100, each listener's items averaged first",
        ("sound", "mean", "by t", "by bootstrap", "median", "of the median"),
        (
            (
                name,
                f"{c['mean']:.1f}",
                between(c["t_interval"]),
                between(c["bootstrap_interval"]),
                f"{c['median']:.1f}",
                between(c["median_interval"]),
            )
            for name, c in ((name, conditions[name]) for name in ordered)
        ),
    )
    differences = table(
        "Differences, listener by listener (Wilcoxon's signed ranks)",
        ("first - second", "difference", "by t", "p", "p after Holm"),
        (
            (
                f"{d['first']} - {d['second']}",
                f"{d['difference']:+.1f}",
                between(d["t_interval"]),
                p_value(d["p"]),
                p_value(d["p_holm"]),
            )
            for d in found["differences"]
        ),
    )
    items = list(next(iter(conditions.values()))["by_item"])
    by_item = table(
        "Mean ratings by item",
        ("item", *ordered),
        (
            (item, *(f"{conditions[n]['by_item'][item]['mean']:.0f}" for n in ordered))
            for item in items
        ),
    )
    drawn = bars(rows, low=0, high=100, title="Mean ratings", marks=WORDS)
    return (
        f'<section><h2>Ratings</h2><div class="panel">{drawn}</div>{scores}</section>'
        f"<section><h2>Differences</h2>{differences}</section>"
        f"<section><h2>By item</h2>{by_item}</section>"
    )


def _bias(found: Mapping[str, Any]) -> str:
    left = found["left_button"]
    if not left["of"]:
        return ""
    return (
        f"<p>The left one was chosen in {left['chosen']} of {left['of']} answers: near half, if "
        "listeners listened.</p>"
    )


def _pairs(found: Mapping[str, Any]) -> str:
    pairs = found["pairs"]
    rows: list[Row]
    if "strengths" in found:
        ranked = sorted(found["strengths"].items(), key=lambda entry: -entry[1]["strength"])
        rows = [(name, s["share"], s["share_interval"], "tested") for name, s in ranked]
    else:
        only = pairs[0]
        share, ends = only["share"], only["share_interval"]
        other = None if ends is None else (1 - ends[1], 1 - ends[0])
        rows = [
            (only["first"], share, ends, "tested"),
            (only["second"], 1 - share, other, "tested"),
        ]
    marks = [(v / 4, f"{25 * v} %") for v in range(5)]
    drawn = bars(rows, low=0, high=1, title="Share preferred, ties half", marks=marks)
    body = (
        "<section><h2>Preferred</h2><p>Share of comparisons that each won, a tie as half, with "
        f'its interval over listeners.</p><div class="panel">{drawn}</div>'
    )
    names = found["systems"]
    if "strengths" in found:
        body += table(
            "Strengths (Bradley and Terry): natural logarithms, 0 on average",
            ("system", "strength", "interval", "preferred", "interval"),
            (
                (
                    n,
                    f"{round(s['strength'], 2) + 0:+.2f}",
                    between(s["strength_interval"], 2),
                    percent(s["share"]),
                    percents(s["share_interval"]),
                )
                for n, s in ranked
            ),
        )
        body += table(
            "Wins: how often the row was preferred to the column",
            ("", *names),
            (
                (name, *("" if i == j else str(n) for j, n in enumerate(found["wins"][i])))
                for i, name in enumerate(names)
            ),
        )
    body += table(
        "Answers by pair; p by listener counts each listener once",
        (
            "pair",
            "first",
            "tie",
            "second",
            "decided for the first",
            "interval",
            "p by answer",
            "p by listener",
            "after Holm",
        ),
        (
            (
                f"{d['first']}, {d['second']}",
                str(d["first_wins"]),
                str(d["ties"]),
                str(d["second_wins"]),
                percent(d["decided_share"]),
                percents(d["decided_interval"]),
                p_value(d["p"]),
                p_value(d["p_listeners"]),
                p_value(d["p_holm"]),
            )
            for d in pairs
        ),
    )
    items = table(
        "Share of comparisons won, by item",
        ("item", *names),
        ((item, *(percent(own[n]) for n in names)) for item, own in found["by_item"].items()),
    )
    return f"{body}{_bias(found)}</section><section><h2>By item</h2>{items}</section>"


def _abx(found: Mapping[str, Any]) -> str:
    whole = found["abx"]
    rows: list[Row] = [("all", whole["share"], whole["share_interval"], "tested")]
    rows += [
        (name, own["share"], own["share_interval"], "anchor")
        for name, own in found["by_listener"].items()
    ]
    marks = [(0.0, "0 %"), (0.5, "guessing"), (1.0, "100 %")]
    drawn = bars(rows, low=0, high=1, title="Right answers", marks=marks)

    def line(name: str, own: Mapping[str, Any]) -> tuple[str, ...]:
        distance = own["d_prime"]
        return (
            name,
            f"{own['correct']} of {own['count']}",
            percent(own["share"]),
            percents(own["share_interval"]),
            p_value(own["p"]),
            "∞" if distance is None else f"{distance:.2f}",
            between(own["d_prime_interval"], 2),
        )

    head = ("", "right", "share", "interval", "p of guessing", "d'", "interval")
    listeners = table(
        "Right answers",
        head,
        (line("all", whole), *(line(n, own) for n, own in found["by_listener"].items())),
    )
    items = table(
        "Right answers by item", head, (line(n, own) for n, own in found["by_item"].items())
    )
    pair = " or ".join(found["systems"])
    return (
        f"<section><h2>Told apart</h2><p>Whether X was {escape(pair)}: half is right by guessing."
        f'</p><div class="panel">{drawn}</div>{listeners}{_bias(found)}</section>'
        f"<section><h2>By item</h2>{items}</section>"
    )


def _questions(found: Mapping[str, Any]) -> str:
    parts = []
    for scale in found["scales"]:
        asked = scale["question"]
        figures = "".join(
            f"<figure>{histogram(own['counts'], title=f'{name}, {asked}')}"
            f"<figcaption><strong>{escape(name)}</strong>: {own['mean']:.2f} "
            f"({between(own['t_interval'], 2)})</figcaption></figure>"
            for name, own in scale["systems"].items()
        )
        poles = [
            t
            for t in (scale["low"] and f"1 {scale['low']}", scale["high"] and f"5 {scale['high']}")
            if t
        ]
        meaning = f"<p>{escape(', '.join(poles))}</p>" if poles else ""
        parts.append(
            f"<section><h2>{escape(scale['question'])}</h2>{meaning}"
            f'<div class="panel scales">{figures}</div></section>'
        )
    if found["answers"]:
        rows = "".join(
            f'<tr><th scope="row">{escape(a["item"])}</th><td>{escape(a["system"])}'
            f"</td><td>{escape(a['question'])}</td><td>"
            f"{escape(a['text'])}</td><td>{escape(a['listener'])}</td></tr>"
            for a in found["answers"]
        )
        head = "".join(
            f'<th scope="col">{h}</th>'
            for h in ("sound", "system", "question", "answer", "listener")
        )
        parts.append(
            '<section><h2>In words</h2><div class="scroll words" tabindex="0" role="region" '
            f'aria-label="Answers"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
            "</table></div></section>"
        )
    return "".join(parts)
