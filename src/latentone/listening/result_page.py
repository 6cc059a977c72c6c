"""The page of a finished test: bars with intervals, tables, who listened, what was said."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..atomic import atomic_file
from ..config import save_json
from .result_sections import sections
from .result_tables import table

__all__ = ["render_results", "write_results"]

STYLE = """
main { max-width: 960px; }
.bars { max-width: 680px; }
rect.tested { fill: var(--accent); }
rect.original { fill: var(--quiet); }
rect.anchor { fill: var(--cool); opacity: 0.75; }
.chart .whisker { stroke: var(--ink); stroke-width: 1.8; fill: none; }
.chart text.name { fill: var(--ink); font-size: 13px; }
.histogram { max-width: 228px; }
.scales { display: flex; flex-wrap: wrap; gap: 1.2rem 2rem; }
.scales figure { margin: 0; }
.scales figcaption { font-size: 0.9rem; }
.words th, .words td { white-space: normal; text-align: left; vertical-align: top; }
.panel + .scroll { margin-top: 1.6rem; }
.scroll + p { margin-top: 1.2rem; }
ul.remarks { margin: 1.2rem 0 0; padding-left: 1.2rem; color: var(--accent); }
@media (max-width: 480px) {
  .chart.bars text, .chart.bars text.name { font-size: 15px; }
  .panel { padding: 0.8rem; }
}
"""


def write_results(found: Mapping[str, Any], folder: str | Path) -> Path:
    """Write `results.json` and `results.html` of what `analyse` found; return the page."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_json(found, folder / "results.json")
    with atomic_file(folder / "results.html") as partial:
        partial.write_text(render_results(found), encoding="utf-8")
    return folder / "results.html"


def render_results(found: Mapping[str, Any]) -> str:
    """The text of the page."""
    style = (files("latentone.report") / "style.css").read_text(encoding="utf-8") + STYLE
    body = sections(found)
    notes = "".join(f"<li>{escape(note)}</li>" for note in found["notes"])
    notes = f'<ul class="remarks">{notes}</ul>' if notes else ""
    heard, came = found["listeners_heard"], len(found["listeners"])
    facts = (
        ("listeners", str(heard) if heard == came else f"{heard} of {came}"),
        ("items", str(found["items"])),
        ("systems", str(len(found["systems"]))),
        ("kind of test", found["kind"].upper() if "b" in found["kind"] else found["kind"]),
    )
    figures = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    lufs = found["loudness_lufs"]
    loudness = "as it was" if lufs is None else f"matched to {lufs:g} LUFS"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(found['title'])} - results</title><style>{style}</style></head><body>"
        f'<main><p class="over">latentone listen</p><h1>{escape(found["title"])}</h1>'
        f'<p class="lead">{escape(found["task"])}</p>{notes}<dl class="figures">{figures}</dl>'
        f"{body}{_listeners(found)}<footer>Test {escape(found['test'])}, "
        f"{escape(found['software'])}. Loudness {loudness}. Intervals hold 95 %.</footer>"
        "</main></body></html>\n"
    )


def _listeners(found: Mapping[str, Any]) -> str:
    listed = table(
        "Who listened",
        ("listener", "headphones", "minutes", "left out", "comment"),
        (
            (
                who["id"],
                {True: "yes", False: "no", None: "–"}[who["headphones"]],
                f"{who['minutes']:.0f}",
                "; ".join(who["left_out"]) or "–",
                who["comment"] or "–",
            )
            for who in found["listeners"]
        ),
    )
    return f"<section><h2>Listeners</h2>{listed}</section>"
