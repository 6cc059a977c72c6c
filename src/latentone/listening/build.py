"""From folders of audio to a test: its design, and its sounds by meaningless ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

from ..audio import Audio
from .anchors import ANCHORS_HZ, anchor, anchor_name, has_room
from .design import Kind, Question
from .draft import Draft, OnProgress, Settings, Test

__all__ = ["REFERENCE", "build_mushra", "build_pairs", "build_questions"]

REFERENCE = "reference"

MOST_SIGNALS = 12
"""BS.1534-3: no more in one trial."""


def build_mushra(
    reference: Path,
    systems: Mapping[str, Path],
    *,
    anchors: Sequence[float] = ANCHORS_HZ,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Test:
    """Each item's systems, the hidden reference and its anchors, to be rated on one page.

    Args:
        reference: folder of originals.
        systems: name -> folder of what each system made of them, matched by stem.
        anchors: cutoffs in Hz. What has no room below half the rate is left out, with a note.
        settings: see `Settings`.
        on_progress: called as `(items done, items in all)`.

    Raises:
        ValueError: no system, a name twice, or no item that all can give.
    """
    if not systems:
        raise ValueError("a MUSHRA test needs a folder of the reference and one of a system")
    reserved = {REFERENCE, *map(anchor_name, anchors)}
    taken = reserved & set(systems)
    if taken:
        raise ValueError(f"a system may not be called {sorted(taken)[0]!r}; use NAME=FOLDER")
    draft = Draft.start({REFERENCE: reference, **systems}, settings)
    usable = [hz for hz in anchors if has_room(hz, draft.sample_rate)]
    for hz in sorted(set(anchors) - set(usable)):
        draft.notes.append(f"{anchor_name(hz)} was left out: {draft.sample_rate} Hz hold no more")
    signals = len(systems) + 1 + len(usable)
    if signals >= 18:  # R, the eighteenth letter, is the reference's key
        raise ValueError(f"{signals} sounds in one trial; expected fewer than 18")
    if signals > MOST_SIGNALS:
        draft.notes.append(
            f"{signals} sounds a trial: BS.1534-3 advises no more than {MOST_SIGNALS}"
        )
    names = tuple(anchor_name(hz) for hz in usable)

    def add(item: str, sounds: dict[str, Audio]) -> None:
        # Anchors keep what level the filter leaves: they are the reference, low-passed.
        for hz, name in zip(usable, names, strict=True):
            sounds[name] = anchor(sounds[REFERENCE], hz).limit_peak()
        ids = {name: draft.add(item, name, sound) for name, sound in sounds.items()}
        opened = draft.add(item, "open reference", sounds[REFERENCE])
        draft.trial(item, ids, reference=opened)

    draft.each(add, on_progress)
    return draft.finish("mushra", tuple(systems), hidden=REFERENCE, anchors=names)


def build_pairs(
    systems: Mapping[str, Path],
    *,
    kind: Kind = "ab",
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Test:
    """Two systems at a time: `ab` and `abx` of two, `pairs` of all pairs of two or more.

    Raises:
        ValueError: a wrong number of systems, or no item that all can give.
    """
    if kind in ("ab", "abx") and len(systems) != 2:
        raise ValueError(
            f"{kind} compares two folders, got {len(systems)}; `pairs` compares more than two"
        )
    if len(systems) < 2:
        raise ValueError(f"pairs need two folders or more, got {len(systems)}")
    draft = Draft.start(systems, settings)

    def add(item: str, sounds: dict[str, Audio]) -> None:
        ids = {name: draft.add(item, name, sound) for name, sound in sounds.items()}
        for pair in combinations(systems, 2):
            draft.trial(item, {name: ids[name] for name in pair})

    draft.each(add, on_progress)
    return draft.finish(kind, tuple(systems))


def build_questions(
    folders: Mapping[str, Path],
    questions: Sequence[Question],
    *,
    settings: Settings | None = None,
    on_progress: OnProgress | None = None,
) -> Test:
    """Each sound of each folder alone, with questions below it. Nothing needs a partner.

    Raises:
        ValueError: no question, or no sound that can be read.
    """
    if not questions:
        raise ValueError("expected a question: --question 'text' or --scale 'text'")
    draft = Draft.start(folders, settings, paired=False)

    def add(item: str, sounds: dict[str, Audio]) -> None:
        for name, sound in sounds.items():
            draft.trial(item, {name: draft.add(item, name, sound)})

    draft.each(add, on_progress)
    return draft.finish("questions", tuple(folders), questions=tuple(questions))
