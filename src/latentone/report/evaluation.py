"""The page of `latentone evaluate`: what was measured, in words, pictures and sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .document import document, scroll_table, section, sound_card
from .sounds import Sound

__all__ = [
    "Chart",
    "EmbeddingPart",
    "Evaluation",
    "Headline",
    "Shown",
    "Table",
    "render_evaluation",
]

KEY = (
    '<ul class="key"><li><i class="reference"></i>reference</li>'
    '<li><i class="generated"></i>generated</li></ul>'
)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A number that stands large, with what it means."""

    title: str
    value: str
    between: str
    """Its interval and items, in small."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A drawn SVG."""

    title: str
    svg: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of words and numbers; the first column names the row."""

    title: str
    text: str
    """A line that says what it is for."""
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    prose: tuple[int, ...] = ()
    """Columns that hold words."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A sound with a player."""

    anchor: str
    sound: Sound


@dataclass(frozen=True, kw_only=True)
class EmbeddingPart:
    """What one embedding says; two of them never share a table."""

    name: str
    described: str
    """Fingerprint, windows, dimensions in a line."""
    table: Table
    scatter: str
    """SVG."""
    explained: str
    """How much of the variance the picture holds."""
    charts: tuple[Chart, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that the page shows."""

    title: str
    lead: str
    notes: tuple[str, ...]
    """Warnings in words."""
    figures: tuple[tuple[str, str], ...]
    headlines: tuple[Headline, ...] = ()
    headline_text: str = ""
    embeddings: tuple[EmbeddingPart, ...] = ()
    reference: tuple[Shown, ...] = ()
    generated: tuple[Shown, ...] = ()
    farthest: tuple[Shown, ...] = ()
    nearest: tuple[Shown, ...] = ()
    charts: tuple[Chart, ...] = ()
    """Of both sets, apart from embeddings: level, key, tempo, length."""
    tables: tuple[Table, ...] = ()
    """Adherence, coherence, loops, notes, pairs."""
    settings: str = ""
    footer: str = ""


def _notes(evaluation: Evaluation) -> str:
    if not evaluation.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
    count = len(evaluation.notes)
    title = "Read this first" if count > 1 else "Note"
    return f'<section aria-label="{title}"><ul class="notes">{items}</ul></section>'


def _headlines(evaluation: Evaluation) -> str:
    if not evaluation.headlines:
        return ""
    cards = "".join(
        f'<div class="score"><h3>{escape(h.title)}</h3><p class="value">{escape(h.value)}</p>'
        f'<p class="between">{escape(h.between)}</p><p>{escape(h.text)}</p></div>'
        for h in evaluation.headlines
    )
    return section("In short", evaluation.headline_text, f'<div class="scores">{cards}</div>')


def _cards(shown: Sequence[Shown]) -> str:
    cards = "".join(sound_card(s.sound, anchor=s.anchor) for s in shown)
    return f'<div class="grid">{cards}</div>'


def _listen(evaluation: Evaluation) -> str:
    parts = []
    for title, shown in (("Generated", evaluation.generated), ("Reference", evaluation.reference)):
        if shown:
            parts.append(f'<h3 class="sub">{title}</h3>{_cards(shown)}')
    if not parts:
        return ""
    text = (
        "Taken at even distances through each folder, none picked. A click on a spectrogram plays "
        "from there."
    )
    return section("Listen", text, "".join(parts))


def _outliers(evaluation: Evaluation) -> str:
    if not evaluation.farthest:
        return ""
    text = (
        "Each generated sound's own Frechet distance from the whole reference. The farthest are "
        "broken, or new; the nearest are typical, or copied."
    )
    parts = [f'<h3 class="sub">Farthest</h3>{_cards(evaluation.farthest)}']
    if evaluation.nearest:
        parts.append(f'<h3 class="sub">Nearest</h3>{_cards(evaluation.nearest)}')
    return section("Outliers to listen to", text, "".join(parts))


def _table(table: Table, *, headed: bool = False) -> str:
    return scroll_table(
        table.head, table.rows, caption=table.title, prose=table.prose, headed=headed
    )


def _charts(charts: Sequence[Chart]) -> str:
    panels = "".join(
        f'<figure class="panel"><figcaption>{escape(c.title)}</figcaption>{c.svg}</figure>'
        for c in charts
    )
    return f'<div class="charts">{panels}</div>' if charts else ""


def _embedding(part: EmbeddingPart) -> str:
    picture = (
        f'<figure class="panel"><figcaption>Both sets in a plane</figcaption>{part.scatter}{KEY}'
        f'<p class="small quiet">{escape(part.explained)}</p></figure>'
        if part.scatter
        else ""
    )
    return section(
        f"By the embedding {part.name}",
        part.described,
        picture + _table(part.table) + _charts(part.charts),
    )


def _sets(evaluation: Evaluation) -> str:
    if not evaluation.charts:
        return ""
    text = "Shares of the sounds of each set, estimated from the sound."
    return section("Side by side", text, KEY + _charts(evaluation.charts))


def _tables(evaluation: Evaluation) -> str:
    return "".join(section(t.title, t.text, _table(t, headed=True)) for t in evaluation.tables)


def render_evaluation(evaluation: Evaluation) -> str:
    """Turn an evaluation into the text of its page."""
    parts = [
        _notes(evaluation),
        _headlines(evaluation),
        _listen(evaluation),
        _outliers(evaluation),
        *map(_embedding, evaluation.embeddings),
        _sets(evaluation),
        _tables(evaluation),
    ]
    if evaluation.settings:
        parts.append(
            "<section><h2>Settings</h2><details><summary>Everything that has to be equal for two "
            f"results to compare</summary><pre>{escape(evaluation.settings)}</pre></details>"
            "</section>"
        )
    return document(
        "".join(parts),
        title=evaluation.title,
        over="latentone evaluate",
        lead=evaluation.lead,
        figures=evaluation.figures,
        footer=evaluation.footer,
        scripts=("player.js", "scatter.js"),
    )
