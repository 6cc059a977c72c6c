"""The report as one HTML file: no script, style, font, sound or picture from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from .charts import curves
from .diagrams import LEGEND, Lane, draw
from .document import document, help_list, scroll_table, section, sound_card, warnings
from .health import Health, health_section
from .sounds import Sound
from .strip import StripRow, strip_section

__all__ = ["Curve", "Pair", "Report", "Step", "render"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A held-out recording and what the codec makes of it."""

    name: str
    caption: str
    original: Sound | None
    """None for one that is measured but not shown."""
    reconstruction: Sound | None
    scores: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one of the four steps did, in numbers."""

    number: int
    title: str
    text: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The curves of one training."""

    title: str
    training: Sequence[tuple[float, float]]
    validation: Sequence[tuple[float, float]]
    best: int | None = None
    """Step of the best checkpoint, to circle."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that the page shows."""

    title: str
    lead: str
    figures: tuple[tuple[str, str], ...]
    generations: tuple[Sound, ...] = ()
    pairs: tuple[Pair, ...] = ()
    training: tuple[Lane, ...] = ()
    inference: tuple[Lane, ...] = ()
    steps: tuple[Step, ...] = ()
    curves: tuple[Curve, ...] = ()
    health: Health | None = None
    """Of the codec's training."""
    strip: tuple[StripRow, ...] = ()
    """Held-out sounds over the codec's training."""
    overfitting: tuple[str, ...] = ()
    """Trainings that learn by heart, in words."""
    score_help: Mapping[str, str] = field(default_factory=dict)
    """What each column of the table of scores is: unit and which way is better."""
    recipe: str = ""
    notes: tuple[str, ...] = ()
    """What the reader should know: what failed, what is missing."""
    footer: str = ""


def _listen(report: Report) -> str:
    if not report.generations:
        return ""
    cards = "".join(sound_card(s) for s in report.generations)
    return (
        "<section><h2>New music</h2><p>Drawn from the generator and decoded by the codec: the "
        "first takes, none picked. A click on a spectrogram plays from there.</p>"
        f'<div class="grid">{cards}</div></section>'
    )


def _compare(report: Report) -> str:
    articles = []
    for pair in report.pairs:
        if pair.original is None or pair.reconstruction is None:
            continue
        scores = " · ".join(f"{escape(k)} {v:.3g}" for k, v in pair.scores.items())
        caption = f'<p class="quiet small">{escape(pair.caption)}</p>' if pair.caption else ""
        articles.append(
            f"<article><header><h3>{escape(pair.name)}</h3>"
            f'<span class="levels">{scores}</span></header>{caption}'
            f'<div class="pair">{sound_card(pair.original, "Original")}'
            f"{sound_card(pair.reconstruction, 'Reconstruction')}</div></article>"
        )
    if not articles:
        return ""
    return (
        "<section><h2>What the codec hears</h2><p>Recordings that no training saw, and what is "
        "left of them after encoding and decoding. New music cannot sound better than this.</p>"
        f'<div class="pairs">{"".join(articles)}</div></section>'
    )


def _flows(report: Report) -> str:
    panels = []
    for title, lanes in (("Training", report.training), ("Inference", report.inference)):
        if not lanes:
            continue
        label = f"{title}: " + "; ".join(
            f"{lane.title}: {', '.join(f'{n.label} ({n.role})' for n in lane.nodes)}"
            for lane in lanes
        )
        drawn = draw(lanes, label=label) + draw(lanes, label=label, vertical=True)
        panels.append(f'<div class="panel"><h3>{title}</h3>{drawn}</div>')
    if not panels:
        return ""
    key = "".join(f'<li><i class="{k}"></i>{escape(v)}</li>' for k, v in LEGEND.items())
    return (
        "<section><h2>How it works</h2><p>What is trained, what stays frozen, and what is thrown "
        f'away.</p><ul class="key" style="margin-bottom:1.2rem">{key}</ul>{"".join(panels)}'
        "</section>"
    )


def _steps(report: Report) -> str:
    if not report.steps:
        return ""
    cards = "".join(
        f'<div class="step"><h3><span class="number">{s.number}</span>{escape(s.title)}</h3>'
        f"<p>{escape(s.text)}</p><dl>"
        + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in s.facts)
        + "</dl></div>"
        for s in report.steps
    )
    return f'<section><h2>What each step did</h2><div class="steps">{cards}</div></section>'


def _curves(report: Report) -> str:
    if not report.curves:
        return ""
    panels = "".join(
        f'<figure class="panel"><figcaption>{escape(c.title)}</figcaption>'
        f"{curves(c.training, c.validation, title=c.title, best=c.best)}</figure>"
        for c in report.curves
    )
    key = (
        '<ul class="key"><li><i class="line training"></i>training</li>'
        '<li><i class="line validation"></i>validation, the best checkpoint circled</li></ul>'
    )
    text = (
        "What is learned shows in both lines; what is learned by heart lets the validation rise "
        "while the training still falls."
    )
    drawn = f'{warnings(report.overfitting)}{key}<div class="charts">{panels}</div>'
    return section("Learning", text, drawn)


def _scores(report: Report) -> str:
    columns = list(dict.fromkeys(k for pair in report.pairs for k in pair.scores))
    if not columns:
        return ""
    rows = [
        [pair.name, *("–" if (v := pair.scores.get(c)) is None else f"{v:.3f}" for c in columns)]
        for pair in report.pairs
    ]
    means = []
    for column in columns:
        values = [p.scores[column] for p in report.pairs if column in p.scores]
        means.append(f"{sum(values) / len(values):.3f}")
    table = scroll_table(
        ["recording", *columns],
        rows,
        caption="Reconstruction of held-out recordings",
        foot=["mean of these", *means],
    )
    known = [(c, report.score_help[c]) for c in columns if c in report.score_help]
    return f"<section><h2>Measured</h2>{table}{help_list(known)}</section>"


def render(report: Report) -> str:
    """Turn a report into the text of its page."""
    recipe = (
        f"<details><summary>The whole recipe</summary><pre>{escape(report.recipe)}</pre></details>"
        if report.recipe
        else ""
    )
    body = "".join(part(report) for part in (_listen, _compare, _flows, _steps))
    body += strip_section(report.strip) + health_section(report.health)
    body += _curves(report) + _scores(report)
    return document(
        body + recipe,
        title=report.title,
        over="latentone report",
        lead=report.lead,
        notes=report.notes,
        figures=report.figures,
        footer=report.footer,
    )
