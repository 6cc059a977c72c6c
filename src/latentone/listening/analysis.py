"""From listeners' answers to numbers with intervals, by kind of test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch

from .anchors import ANCHORS_HZ, anchor_name
from .design import Design
from .mushra import compare, screen, summarize
from .preference import abx, decided, preferences, strengths
from .results import TIE, Result
from .statistics import bootstrap, t_interval

__all__ = ["FEW", "analyse"]

FEW = 10
"""Fewer listeners than this, and intervals are rough guesses."""

FEWEST_FOR_RANKS = 6
"""Fewer listeners than this, and no signed-rank test reaches 0.05: 2^(1 - 6) = 0.03."""


def analyse(
    design: Design, results: Sequence[Result], *, rng: torch.Generator | None = None
) -> dict[str, Any]:
    """All numbers of a test, as JSON values.

    Args:
        design: the key.
        results: one of each listener.
        rng: of all bootstraps; seed 0 when None.

    Raises:
        ValueError: no results, or a MUSHRA test whose listeners are all left out.
    """
    if not results:
        raise ValueError("expected at least one listener's result")
    rng = rng or torch.Generator().manual_seed(0)
    kinds = {"mushra": _mushra, "abx": _abx, "questions": _questions}
    found = kinds.get(design.kind, _pairs)(design, results, rng)
    left_out = found.pop("left_out", {})
    heard = len(results) - len(left_out)
    notes = list(design.notes)
    if heard == 1:
        notes.append("one listener: nothing is known of how listeners differ, so no intervals")
    elif heard < FEW:
        notes.append(f"intervals from {heard} listeners are rough guesses")
    if 1 < heard < FEWEST_FOR_RANKS and design.kind in ("mushra", "ab", "pairs"):
        lowest = 2.0 ** (1 - heard)
        notes.append(f"p by listener is never below {lowest:.2g} with {heard}, whatever they hear")
    return {
        "software": design.software,
        "test": design.id,
        "kind": design.kind,
        "title": design.title,
        "task": design.task,
        "systems": list(design.systems),
        "items": len({trial.item for trial in design.trials}),
        "loudness_lufs": design.lufs,
        "listeners": [
            {
                "id": result.listener,
                "headphones": result.headphones,
                "minutes": result.seconds / 60,
                "comment": result.comment,
                "left_out": list(left_out.get(result.listener, ())),
            }
            for result in results
        ],
        "listeners_heard": heard,
        "notes": notes,
        **found,
    }


def _mushra(design: Design, results: Sequence[Result], rng: torch.Generator) -> dict[str, Any]:
    names = design.conditions
    items = sorted({trial.item for trial in design.trials})
    trials = {trial.id: trial for trial in design.trials}
    # Repeats of a trial are averaged.
    scores = np.zeros((len(results), len(items), len(names)))
    for who, result in enumerate(results):
        for answer in result.answers:
            trial = trials[answer.trial]
            for key, value in (answer.ratings or {}).items():
                place = items.index(trial.item), names.index(trial.sounds[key])
                scores[who, *place] += value / design.repeats
    mid = anchor_name(ANCHORS_HZ[1])
    reasons = screen(
        scores[:, :, names.index(design.hidden)],
        scores[:, :, names.index(mid)] if mid in names else None,
    )
    stays = np.array([not reason for reason in reasons])
    if not stays.any():
        raise ValueError(
            f"all {len(results)} listeners are left out: "
            + "; ".join(f"{r.listener} {w[0]}" for r, w in zip(results, reasons, strict=True))
        )
    kept = scores[stays]
    conditions = {}
    for c, name in enumerate(names):
        conditions[name] = summarize(kept[:, :, c], rng)
        conditions[name]["by_item"] = {
            item: summarize(kept[:, i : i + 1, c], rng) for i, item in enumerate(items)
        }
    tested = [names.index(name) for name in (*design.systems, design.hidden)]
    return {
        "left_out": {
            result.listener: reason
            for result, reason in zip(results, reasons, strict=True)
            if reason
        },
        "conditions": conditions,
        "differences": compare(kept[:, :, tested], [names[c] for c in tested]),
    }


def _wins(design: Design, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Wins `(S, S)`, row over column, and ties `(S, S)`, symmetric."""
    trials = {trial.id: trial for trial in design.trials}
    wins = np.zeros((len(design.systems),) * 2)
    ties = np.zeros_like(wins)
    for answer in result.answers:
        sounds = trials[answer.trial].sounds
        a, b = (design.systems.index(name) for name in sounds.values())
        if answer.choice == TIE:
            ties[a, b] += 1
            ties[b, a] += 1
        else:
            winner = design.systems.index(sounds[answer.choice])
            wins[winner, b if winner == a else a] += 1
    return wins, ties


def _pairs(design: Design, results: Sequence[Result], rng: torch.Generator) -> dict[str, Any]:
    names = design.systems
    counted = [_wins(design, result) for result in results]
    wins, ties = (np.stack([pair[i] for pair in counted]) for i in (0, 1))
    halves = wins + ties / 2
    pairs = preferences(halves, names, rng)
    for entry, (i, j) in zip(pairs, combinations(range(len(names)), 2), strict=True):
        totals = (int(wins[:, i, j].sum()), int(wins[:, j, i].sum()), int(ties[:, i, j].sum()))
        entry.update(decided(*totals))
    found: dict[str, Any] = {
        "pairs": pairs,
        "wins": wins.sum(0).astype(int).tolist(),
        "ties": ties.sum(0).astype(int).tolist(),
        "left_button": _left(results),
        "by_item": _by_item(design, results),
    }
    if len(names) > 2 or design.kind == "pairs":
        found["strengths"] = strengths(halves, names, rng)
    return found


def _left(results: Sequence[Result]) -> dict[str, int]:
    """How often the first sound shown was chosen: far from half, and listeners do not listen."""
    choices = [
        answer.choice == answer.sounds[0]
        for result in results
        for answer in result.answers
        if answer.choice != TIE
    ]
    return {"chosen": sum(choices), "of": len(choices)}


def _by_item(design: Design, results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """For each item, the share of each system's comparisons that it won, ties half."""
    trials = {trial.id: trial for trial in design.trials}
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        for answer in result.answers:
            trial = trials[answer.trial]
            for key, name in trial.sounds.items():
                won = 0.5 if answer.choice == TIE else float(answer.choice == key)
                values[trial.item][name].append(won)
    return {
        item: {name: float(np.mean(values[item][name])) for name in design.systems}
        for item in sorted(values)
    }


def _abx(design: Design, results: Sequence[Result], rng: torch.Generator) -> dict[str, Any]:
    right = [[answer.choice == answer.x for answer in r.answers] for r in results]
    trials = {trial.id: trial.item for trial in design.trials}
    by_item: dict[str, list[bool]] = defaultdict(list)
    for result in results:
        for answer in result.answers:
            by_item[trials[answer.trial]].append(answer.choice == answer.x)
    each = np.array([np.mean(own) for own in right])
    return {
        "abx": {
            **abx(sum(map(sum, right)), sum(map(len, right))),
            "listener_interval": bootstrap(each, rng),
        },
        "by_listener": {
            result.listener: abx(sum(own), len(own))
            for result, own in zip(results, right, strict=True)
        },
        "by_item": {item: abx(sum(own), len(own)) for item, own in sorted(by_item.items())},
        "left_button": _left(results),
    }


def _questions(design: Design, results: Sequence[Result], rng: torch.Generator) -> dict[str, Any]:
    trials = {trial.id: trial for trial in design.trials}
    scales, answers = [], []
    for q, question in enumerate(design.questions):
        replies: dict[str, dict[str, list[Any]]] = {
            name: {result.listener: [] for result in results} for name in design.systems
        }
        for result in results:
            for answer in result.answers:
                trial = trials[answer.trial]
                (system,) = trial.sounds.values()
                reply = answer.replies[q]
                replies[system][result.listener].append(reply)
                if question.kind == "open" and str(reply).strip():
                    answers.append(
                        {
                            "question": question.text,
                            "system": system,
                            "item": trial.item,
                            "listener": result.listener,
                            "text": str(reply).strip(),
                        }
                    )
        if question.kind == "scale":
            scales.append(
                {
                    "question": question.text,
                    "low": question.low,
                    "high": question.high,
                    "systems": {
                        n: _scale(own, rng) for n, own in replies.items() if any(own.values())
                    },
                }
            )
    return {"scales": scales, "answers": answers}


def _scale(replies: Mapping[str, Sequence[int]], rng: torch.Generator) -> dict[str, Any]:
    """Counts of 1 to 5, and the mean over listeners of each one's mean."""
    every = [int(value) for own in replies.values() for value in own]
    each = np.array([np.mean(own) for own in replies.values() if own])
    return {
        "counts": [every.count(n) for n in range(1, 6)],
        "mean": float(each.mean()),
        "t_interval": t_interval(each),
        "bootstrap_interval": bootstrap(each, rng),
    }
