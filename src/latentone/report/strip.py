"""The same held-out sounds over a training: a row a sound, a column a step, the original first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ..audio import load_audio
from ..training.strip import read_strip
from .document import section, sound_card
from .sounds import Sound, embed

__all__ = ["StripRow", "gather_strip", "strip_section"]

LOSSLESS_SECONDS = 60.0
"""Sound beyond this is embedded as Vorbis."""


@dataclass(frozen=True, kw_only=True)
class StripRow:
    """One held-out sound."""

    name: str
    original: Sound
    moments: tuple[tuple[int, Sound], ...]
    """Steps, and what the model made of it then."""


def gather_strip(training: Path) -> tuple[StripRow, ...]:
    """Read `training/strip`; empty where none was kept."""
    originals, steps = read_strip(training / "strip")
    loaded = {name: load_audio(path) for name, path in originals.items()}
    total = sum(audio.duration for audio in loaded.values()) * (1 + len(steps))
    lossless = total <= LOSSLESS_SECONDS
    rows = []
    for name, audio in loaded.items():
        number, _, rest = name.partition("-")
        title = rest or f"sound {number}"
        moments = tuple(
            (step, embed(load_audio(files[name]), title=f"{title} at {step}", lossless=lossless))
            for step, files in steps.items()
            if name in files
        )
        original = embed(audio, title=f"{title}, as recorded", lossless=lossless)
        rows.append(StripRow(name=title, original=original, moments=moments))
    return tuple(rows)


def strip_section(rows: Sequence[StripRow]) -> str:
    """The section as HTML; empty without rows."""
    if not any(row.moments for row in rows):
        return ""
    articles = []
    for row in rows:
        cards = sound_card(row.original, "As recorded")
        cards += "".join(sound_card(sound, f"Step {step:,}") for step, sound in row.moments)
        label = escape(f"{row.name} over the training")
        articles.append(
            f'<article><h3>{escape(row.name)}</h3><div class="strip" tabindex="0" role="region" '
            f'aria-label="{label}">{cards}</div></article>'
        )
    text = (
        "The same held-out excerpts at several steps of the training, the recording first. Where "
        "two neighbours sound alike, more steps brought nothing."
    )
    return section(
        "How it came to sound like this", text, f'<div class="pairs">{"".join(articles)}</div>'
    )
