"""From what was found about two folders to the page that shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from .. import __version__
from ..audio import AudioError, load_audio
from ..metrics.control import ADHERENCE
from ..metrics.distribution import Score
from ..metrics.judgement import Judgement, plain
from .evaluation import Evaluation, Headline, Shown
from .evaluation_pictures import embedding_part, set_charts
from .evaluation_tables import between, limit, number, scores_table, tables
from .sounds import embed

__all__ = ["gather_evaluation"]

OUTLIERS = 3
LOSSLESS_SECONDS = 60.0
"""Sound beyond this is embedded as Vorbis, to keep the page under some 15 MB."""

MEANING = {
    "frechet": "How far the two sets lie apart in the embedding. Compares only with values of "
    "equal settings and sizes.",
    "kernel": "The same without the bias of few windows: about what halves of the reference "
    "score when no difference can be seen.",
    "precision": "Share of what was generated that could be real, by its neighbours.",
    "coverage": "Share of the real music that something generated comes near to: variety.",
}
"""What stands large, and what it says to someone who has not met it."""

TITLES = {
    "frechet": "Frechet distance",
    "kernel": "Kernel distance",
    "precision": "Precision",
    "coverage": "Coverage",
}


def gather_evaluation(found: Judgement, *, sounds: int = 6, seconds: float = 10.0) -> Evaluation:
    """Choose and embed sounds, draw pictures, and put numbers into words.

    Args:
        found: what was measured.
        sounds: players of each set, besides outliers; 0 for a page without sound.
        seconds: of each.
    """
    shown = _sounds(found, sounds, seconds)
    anchors = {path: s.anchor for group in shown.values() for path, s in group.items()}
    counts = [len(m.items) for m in found.manifests]
    hours = [sum(i.duration for i in m.items) for m in found.manifests]
    first = found.embeddings[0]
    return Evaluation(
        title=f"{found.generated.name} against {found.reference.name}",
        lead=(
            f"{counts[1]} generated sounds judged by {counts[0]} of the reference, through "
            f"{', '.join(e.name for e in found.embeddings)}. Every number has its items and, "
            "where tracks allow, a 95 % interval by resampling them."
        ),
        notes=found.notes,
        figures=(
            ("reference", f"{counts[0]:,} sounds"),
            ("of", _clock(hours[0])),
            ("generated", f"{counts[1]:,} sounds"),
            ("of", _clock(hours[1])),
            ("embedding", first.name),
            ("windows", f"{first.windows[0]:,} / {first.windows[1]:,}"),
        ),
        headlines=_headlines(found),
        headline_text=f"By the embedding {first.name}, {first.fingerprint[:16]}.",
        embeddings=tuple(embedding_part(e, anchors, scores_table(e)) for e in found.embeddings),
        reference=tuple(shown["reference"].values()),
        generated=tuple(shown["generated"].values()),
        farthest=tuple(shown["farthest"].values()),
        nearest=tuple(shown["nearest"].values()),
        charts=set_charts(found),
        tables=tables(found),
        settings=json.dumps(plain(found.settings), indent=2),
        footer=f"Written by latentone {__version__} on {date.today()}.",
    )


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def _sounds(found: Judgement, count: int, seconds: float) -> dict[str, dict[str, Shown]]:
    """Players by section and path; no sound is embedded twice."""
    sides = []
    for manifest in found.manifests:
        root = Path(manifest.root)
        sides.append([str(root / item.path) for item in manifest.items])
    outliers = [
        path for path, s in found.embeddings[0].comparison.outliers.items() if s.value == s.value
    ]
    far = min(OUTLIERS, len(outliers) // 3) if count else 0
    chosen = {
        "farthest": outliers[:far],
        "nearest": outliers[len(outliers) - far :][::-1],
        "generated": _even(
            [p for p in sides[1] if p not in outliers[:far] + outliers[-far:]] if far else sides[1],
            count,
        ),
        "reference": _even(sides[0], count),
    }
    total = sum(map(len, chosen.values())) * seconds
    shown: dict[str, dict[str, Shown]] = {}
    for section, paths in chosen.items():
        shown[section] = {}
        for i, path in enumerate(paths):
            try:
                audio = load_audio(path, duration=seconds)
            except (AudioError, OSError):
                continue  # named among the failures
            score = found.embeddings[0].comparison.outliers.get(path)
            caption = ""
            if section in ("farthest", "nearest") and score is not None:
                caption = f"Frechet distance of this sound {number(score.value)}"
            sound = embed(
                audio,
                title=Path(path).stem,
                caption=caption,
                lossless=total <= LOSSLESS_SECONDS,
            )
            shown[section][path] = Shown(anchor=f"{section}-{i}", sound=sound)
    return shown


def _even(paths: Sequence[str], count: int) -> list[str]:
    if len(paths) <= count:
        return list(paths)
    return [paths[int((i + 0.5) * len(paths) / count)] for i in range(count)]


def _headlines(found: Judgement) -> tuple[Headline, ...]:
    first = found.embeddings[0]
    cards = []
    for name, text in MEANING.items():
        score = first.comparison.scores.get(name)
        if score is None:
            continue
        half = first.halves.get(name)
        ruler = "" if half is None else f" Two halves of the reference score {number(half)}."
        cards.append(
            Headline(
                title=TITLES[name],
                value=number(score.value),
                between=_between_words(score),
                text=text + ruler,
            )
        )
    asked = found.means.get("adherence", ({}, {}))[1]
    for name in ("tempo_accuracy", "key_score", "chroma_cosine"):
        if name in asked and len(cards) < 8:
            metric, score = ADHERENCE[name], asked[name]
            cards.append(
                Headline(
                    title=name.replace("_", " ").capitalize(),
                    value=number(score.value),
                    between=_between_words(score),
                    text=". ".join(
                        t[:1].upper() + t[1:] for t in (metric.about, limit(metric)) if t
                    ),
                )
            )
    return tuple(cards)


def _between_words(score: Score) -> str:
    items = (
        f"{score.items[0]} and {score.items[1]} windows"
        if score.items[0]
        else (f"{score.items[1]} sounds")
    )
    return f"95 %: {between(score)} · {items}" if score.interval else f"no interval · {items}"
