"""Keys and chords: how near what is heard comes to what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ...symbolic.theory import chord_pitch_classes, parse_key

__all__ = ["Span", "chord_overlap", "key_score"]

Span = tuple[float, float, str]
"""Start and end in seconds, and a chord in Harte's syntax."""


def key_score(asked: str, heard: str | None) -> float:
    """The MIREX score of a key, in [0, 1], higher is better.

    1 for the same key, 0.5 for the fifth above in the same mode, 0.3 for the relative key, 0.2 for
    the parallel key, 0 for all others and for none, as mir_eval has it.

    >>> key_score("C major", "G major"), key_score("C major", "A minor")
    (0.5, 0.3)

    Raises:
        ValueError: not keys, see `parse_key`.
    """
    tonic, mode = parse_key(asked)
    if heard is None:
        return 0.0
    other, other_mode = parse_key(heard)
    steps = (other - tonic) % 12
    if mode == other_mode:
        return {0: 1.0, 7: 0.5}.get(steps, 0.0)
    relative = 9 if mode == "major" else 3
    return {relative: 0.3, 0: 0.2}.get(steps, 0.0)


def chord_overlap(asked: Sequence[Span], heard: Sequence[Span]) -> float:
    """Share of the time that was asked for in which root and third agree, in [0, 1].

    This is `thirds` of mir_eval: the third is minor or not, so a suspended chord counts as major;
    where nothing is heard, that is `N`, no chord; asked stretches with the label `X` do not count.

    Args:
        asked: spans in order that do not overlap.
        heard: likewise; `X` is read as `N`.

    Returns:
        NaN where no time is asked for.

    Raises:
        ValueError: spans that overlap or end before they start, or an unknown chord.
    """
    first, second = _spans(asked, "asked"), _spans(heard, "heard")
    edges = sorted({t for start, end, _ in (*first, *second) for t in (start, end)})
    right = total = 0.0
    i = j = 0
    for begin, end in pairwise(edges):
        while i < len(first) and first[i][1] <= begin:
            i += 1
        while j < len(second) and second[j][1] <= begin:
            j += 1
        if i == len(first) or first[i][0] > begin or first[i][2] == "X":
            continue
        label = second[j][2] if j < len(second) and second[j][0] <= begin else "N"
        total += end - begin
        right += (end - begin) * (_root_and_third(first[i][2]) == _root_and_third(label))
    return right / total if total else float("nan")


def _root_and_third(label: str) -> tuple[int, bool] | None:
    """The root, and whether three semitones above it belong to the chord; None for no chord."""
    members = chord_pitch_classes(label)
    return (members[0], (members[0] + 3) % 12 in members) if members else None


def _spans(spans: Sequence[Span], name: str) -> Sequence[Span]:
    for start, end, label in spans:
        if not start <= end:
            raise ValueError(f"an {name} chord ends before it starts: {start} to {end} {label}")
        chord_pitch_classes(label)
    for before, after in pairwise(spans):
        if after[0] < before[1] - 1e-6:
            raise ValueError(f"{name} chords must be in order and not overlap: {before}, {after}")
    return spans
