"""What a sidecar says, as classes that a classifier can be taught."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data import Item
from ..data.wording import tempo_word

__all__ = ["Head", "fill_classes", "label", "targets"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """One question that is asked of a sound."""

    classes: tuple[str, ...] = ()
    """The answers; () takes all that the training items give, in alphabetical order."""
    multiple: bool = False
    """Whether several answers may be right at once."""


def _tempo(facts: Mapping[str, Any]) -> str | None:
    bpm = facts.get("bpm")
    if isinstance(bpm, bool) or not isinstance(bpm, int | float) or bpm <= 0:
        return None
    return tempo_word(bpm)


READERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "instrument": lambda facts: facts.get("instruments", facts.get("instrument")),
    "tempo": _tempo,
}
"""Heads that do not read the field of their own name."""


def label(name: str, head: Head, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The answers of one item, none when it says nothing.

    `tempo` is the word for its `bpm`; `instrument` reads `instruments` or `instrument`; any other
    head reads the field of its name.
    """
    found = READERS.get(name, lambda f: f.get(name))(facts)
    if found is None:
        return ()
    if isinstance(found, str) and head.multiple:
        return tuple(part.strip() for part in found.split(",") if part.strip())
    answers = tuple(map(str, found)) if isinstance(found, list | tuple) else (str(found),)
    return answers if head.multiple or len(answers) == 1 else ()


def fill_classes(heads: Mapping[str, Head], items: Sequence[Item]) -> dict[str, Head]:
    """Give heads without classes those of the items; heads that nothing answers are left out.

    Raises:
        ValueError: no head is left.
    """
    filled = {}
    for name, head in heads.items():
        found = {a for item in items for a in label(name, head, item.metadata)}
        classes = head.classes or tuple(sorted(found))
        if len(classes) > 1 and found & set(classes):
            filled[name] = Head(classes=classes, multiple=head.multiple)
    if not filled:
        raise ValueError(
            f"no item says anything about {', '.join(heads)}: a classifier needs a .json beside "
            "each recording with fields such as instruments, genre, key or bpm"
        )
    return filled


def targets(heads: Mapping[str, Head], items: Sequence[Item]) -> dict[str, Tensor]:
    """The answers of items as tensors by head.

    Returns:
        int64 `(B,)` with -1 where nothing (or nothing known) is said; for heads with `multiple`,
        fp32 `(B, classes)` of 0 and 1, rows of NaN where nothing is said.
    """
    found = {}
    for name, head in heads.items():
        answers = [label(name, head, item.metadata) for item in items]
        places = {c: i for i, c in enumerate(head.classes)}
        if head.multiple:
            rows = torch.zeros(len(items), len(head.classes))
            for row, said in zip(rows, answers, strict=True):
                if not said:
                    row.fill_(torch.nan)
                for answer in said:
                    if answer in places:
                        row[places[answer]] = 1.0
            found[name] = rows
        else:
            found[name] = torch.tensor([places.get(a[0], -1) if a else -1 for a in answers])
    return found
