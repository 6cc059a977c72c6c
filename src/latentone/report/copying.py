"""The page of `latentone similar`: what is near to what, side by side to listen to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from .. import __version__
from ..audio import AudioError, load_audio
from ..metrics.copies import Copies, Neighbour
from .document import document, scroll_table, section, sound_card
from .evaluation_tables import number
from .sounds import Sound, embed

__all__ = ["Copying", "PairShown", "gather_copying", "headline", "render_copying", "why_uncompared"]

LEAST_SECONDS = 8.0
"""Of a player; the excerpt and what follows it."""
LISTED = 200

REASONS = {
    "equal": "equal, as a whole or for a run of windows",
    "mel": "an excerpt moves alike in its mel bands",
    "chroma": "alike in its pitch classes",
    "distance": "nearer in the embedding than different tracks are",
}
UNCOMPARED = {"short": "too short", "silent": "silent", "steady": "hardly moving"}


@dataclass(frozen=True, kw_only=True)
class PairShown:
    """A generated sound and its nearest training sound, from where they agree."""

    title: str
    numbers: str
    reasons: tuple[str, ...]
    generated: Sound
    training: Sound


@dataclass(frozen=True, kw_only=True)
class Copying:
    """All that the page shows."""

    title: str
    lead: str
    notes: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    pairs: tuple[PairShown, ...]
    rows: tuple[tuple[str, ...], ...]
    limits: str
    footer: str


def headline(found: Copies) -> str:
    """How many sounds are flagged, and of how many that says nothing."""
    said = f"{len(found.flagged)} of {len(found.neighbours)} sounds are flagged"
    if not found.uncompared:
        return f"{said}."
    count = len(found.uncompared)
    return f"{said}; {count} could not be compared ({why_uncompared(found.uncompared)})."


def why_uncompared(uncompared: Mapping[str, str]) -> str:
    """Why so many could not be compared: `3 too short, 1 silent`."""
    counts = Counter(uncompared.values())
    return ", ".join(f"{counts[why]} {said}" for why, said in UNCOMPARED.items() if counts[why])


def gather_copying(
    found: Copies,
    *,
    training: Path,
    generated: Path,
    training_sounds: int,
    embedding: str,
    shown: int,
    notes: Sequence[str] = (),
) -> Copying:
    """Choose pairs, embed their sounds, and put numbers into words.

    Args:
        found: the nearest training sounds of every generated one.
        training: the folder.
        generated: the folder.
        training_sounds: how many were searched.
        embedding: name and fingerprint.
        shown: pairs with players: flagged ones first, then the most alike.
        notes: warnings.
    """
    nearest = [(name, near[0]) for name, near in found.neighbours.items() if near]
    nearest.sort(key=lambda p: (-len(p[1].reasons), -p[1].match.mel, p[1].distance))
    flagged = len(found.flagged)
    limits = found.limits
    spoken = (
        "none, there are too few tracks" if limits.distance is None else number(limits.distance)
    )
    correlations = "; ".join(
        f"{s:g} s: mel {limits.mel[s]:.3f}, pitch classes {limits.chroma[s]:.3f}"
        for s in limits.mel
    )
    total, uncompared = len(found.neighbours), len(found.uncompared)
    return Copying(
        title=f"Copies of {training.name} in {generated.name}",
        lead=(
            f"{headline(found)} Flagged are sounds that are nearer to a training sound than "
            "different tracks of the training set are to one another, or equal. The limits let "
            "about one in a hundred unrelated sounds through each: listen before you call one a "
            "copy."
        ),
        notes=tuple(notes),
        figures=(
            ("flagged", f"{flagged} of {total}"),
            *((("not compared", f"{uncompared} of {total}"),) if uncompared else ()),
            ("training", f"{training_sounds:,} sounds"),
            ("limits from", f"{limits.sounds} sounds"),
            ("embedding", embedding.partition(",")[0]),
        ),
        pairs=tuple(p for name, n in nearest[:shown] if (p := _pair(name, n)) is not None),
        rows=tuple(_row(name, n, found.uncompared.get(name, "")) for name, n in nearest[:LISTED]),
        limits=(
            f"Limits: distance in {embedding}: {spoken}; correlation by length of the excerpt: "
            f"{correlations}. A sound beyond one of them is flagged, and one that is equal to a "
            "training sound or to a run of its windows."
        ),
        footer=f"Written by latentone {__version__} on {date.today()}.",
    )


def _pair(name: str, near: Neighbour) -> PairShown | None:
    match = near.match
    seconds = max(LEAST_SECONDS, match.seconds)
    places = ((name, match.at_seconds), (near.name, match.there_seconds))
    try:
        heard = [load_audio(path, offset=at, duration=seconds) for path, at in places]
    except (AudioError, OSError):
        return None
    together = min(audio.duration for audio in heard)
    sounds = [
        embed(
            audio,
            title=f"{whose}: {Path(path).stem}",
            caption=f"from {at:.2f} s on" if at else "from its beginning",
            seconds=together,
            lossless=False,
        )
        for whose, audio, (path, at) in zip(("Generated", "Training"), heard, places, strict=True)
    ]
    return PairShown(
        title=f"{Path(name).stem} and {Path(near.name).stem}",
        numbers=(
            f"mel {match.mel:.3f} · pitch classes {match.chroma:.3f} · "
            f"distance {number(near.distance)}"
        ),
        reasons=near.reasons,
        generated=sounds[0],
        training=sounds[1],
    )


def _row(name: str, near: Neighbour, uncompared: str) -> tuple[str, ...]:
    m = near.match
    compared = m.seconds > 0
    return (
        Path(name).stem,
        Path(near.name).stem,
        f"{m.mel:.3f}" if compared else "too short",
        f"{m.chroma:.3f}" if compared else "–",
        number(near.distance) if near.distance < float("inf") else "–",
        f"{m.at_seconds:.2f} / {m.there_seconds:.2f}" if compared else "–",
        f"not compared: {UNCOMPARED[uncompared]}" if uncompared else ", ".join(near.reasons) or "–",
    )


def render_copying(copying: Copying) -> str:
    """Turn a report on copying into the text of its page."""
    articles = []
    for pair in copying.pairs:
        why = "Flagged: " * bool(pair.reasons) + ", ".join(REASONS[r] for r in pair.reasons)
        mark = (
            f'<p class="warn small">{escape(why)}.</p>'
            if why
            else ('<p class="quiet small">Not flagged: shown to know what near sounds like.</p>')
        )
        articles.append(
            f"<article><header><h3>{escape(pair.title)}</h3>"
            f'<span class="levels">{escape(pair.numbers)}</span></header>{mark}'
            f'<div class="pair">{sound_card(pair.generated)}{sound_card(pair.training)}</div>'
            "</article>"
        )
    parts = []
    if articles:
        parts.append(
            section(
                "Side by side",
                "The most alike first, both from where they agree best.",
                f'<div class="pairs">{"".join(articles)}</div>',
            )
        )
    table = scroll_table(
        (
            "generated",
            "nearest training sound",
            "mel",
            "pitch classes",
            "distance",
            "at / there, s",
            "beyond",
        ),
        copying.rows,
        caption="The nearest training sound of every generated one",
        headed=True,
    )
    parts.append(section("All of them", copying.limits, table))
    return document(
        "".join(parts),
        title=copying.title,
        over="latentone similar",
        lead=copying.lead,
        notes=copying.notes,
        figures=copying.figures,
        footer=copying.footer,
    )
