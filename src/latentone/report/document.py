"""What every page is made of: the frame, cards of sound, facts, tables; nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from .sounds import Sound

__all__ = ["document", "facts", "help_list", "scroll_table", "section", "sound_card", "warnings"]


def document(
    body: str,
    *,
    title: str,
    over: str,
    lead: str,
    notes: Sequence[str] = (),
    figures: Iterable[tuple[str, str]] = (),
    footer: str = "",
    scripts: Sequence[str] = ("player.js",),
) -> str:
    """Put HTML into a whole page with the style sheet and scripts inside.

    Args:
        body: sections, already HTML; all else is escaped here.
        title: of the page and its first heading.
        over: a word above the heading.
        lead: what the page is about, in a sentence or two.
        notes: warnings.
        figures: names and values of the band below.
        footer: the last line.
        scripts: files of this package.
    """
    folder = files(__package__)
    style = (folder / "style.css").read_text(encoding="utf-8")
    script = "".join((folder / name).read_text(encoding="utf-8") for name in scripts)
    band = facts(figures)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - latentone</title><style>{style}</style></head><body>"
        f'<main><p class="over">{escape(over)}</p><h1>{escape(title)}</h1>'
        f'<p class="lead">{escape(lead)}</p>{warnings(notes)}'
        + (f'<dl class="figures">{band}</dl>' if band else "")
        + f"{body}<footer>{escape(footer)}</footer></main><script>{script}</script></body></html>\n"
    )


def warnings(notes: Iterable[str]) -> str:
    """A paragraph for each warning."""
    return "".join(f'<p class="warn">{escape(n)}</p>' for n in notes)


def section(title: str, text: str, content: str) -> str:
    """A heading, a line that says what follows, and HTML."""
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{content}</section>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values for a `<dl>`."""
    return "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs)


def help_list(pairs: Iterable[tuple[str, str]]) -> str:
    """What the columns or rows of a table mean."""
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs)
    return f'<dl class="help">{rows}</dl>' if rows else ""


def scroll_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str,
    foot: Sequence[str] = (),
    prose: Sequence[int] = (),
    headed: bool = False,
) -> str:
    """A table that scrolls sideways on narrow screens; its first column names the rows.

    Args:
        head: of the columns.
        rows: of cells, escaped here.
        caption: what the table holds.
        foot: a last row of another weight.
        prose: columns that hold words, set to the left and wrapped.
        headed: a heading says the caption already: it is only read aloud.
    """

    def row(cells: Sequence[str]) -> str:
        first, *others = cells
        marked = "".join(
            f'<td class="prose">{escape(c)}</td>' if i in prose else f"<td>{escape(c)}</td>"
            for i, c in enumerate(others, 1)
        )
        return f'<tr><th scope="row">{escape(first)}</th>{marked}</tr>'

    top = "".join(
        f'<th scope="col" class="prose">{escape(h)}</th>'
        if i in prose
        else f'<th scope="col">{escape(h)}</th>'
        for i, h in enumerate(head)
    )
    unseen = ' class="unseen"' if headed else ""
    bottom = f"<tfoot>{row(foot)}</tfoot>" if foot else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption{unseen}>{escape(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(map(row, rows))}</tbody>{bottom}</table></div>"
    )


def sound_card(sound: Sound, heading: str = "", *, anchor: str = "") -> str:
    """A player below a spectrogram, with levels and what a listener would complain about.

    Args:
        sound: what to show.
        heading: stands for the sound's title in the card, and before it elsewhere.
        anchor: id that links lead to.
    """
    name = escape(f"{heading}: {sound.title}" if heading else sound.title)
    marks = "".join(
        f'<span class="tick" style="bottom:{100 * share:.1f}%" aria-hidden="true">{text}</span>'
        for text, share in sound.marks
    )
    problems = "".join(f'<div class="warn">{escape(p)}</div>' for p in sound.problems)
    described = f"Spectrogram of {name}: {sound.seconds:.1f} seconds, {escape(sound.levels)}"
    text = f"<strong>{escape(heading or sound.title)}</strong>"
    if sound.caption:
        text += f"<div>{escape(sound.caption)}</div>"
    at = f' id="{escape(anchor)}"' if anchor else ""
    return (
        f'<figure class="sound"{at}><div class="picture"><img src="{sound.picture}" '
        f'alt="{described}">{marks}<span class="head"></span></div>'
        f'<audio controls preload="metadata" src="{sound.audio}" aria-label="{name}"></audio>'
        f'<figcaption>{text}<div class="levels">{sound.seconds:.1f} s · {escape(sound.levels)}'
        f"</div>{problems}</figcaption></figure>"
    )
