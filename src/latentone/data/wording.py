"""Captions in varied natural wording, from ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["caption", "tempo_word"]

_SPELT = {"b": " flat", "#": " sharp"}
_ALONE = {
    "drums": ("drum loop", "drum part", "beat"),
    "bass": ("bass line", "bass part"),
    "chords": ("chord part", "accompaniment", "harmony part"),
    "melody": ("melody", "solo melody", "lead line"),
    "pad": ("pad", "sustained background"),
}


def tempo_word(bpm: float) -> str:
    """What a listener calls a tempo.

    >>> tempo_word(72)
    'slow'
    """
    for limit, word in ((60, "very slow"), (84, "slow"), (112, "mid-tempo"), (144, "fast")):
        if bpm < limit:
            return word
    return "very fast"


def _listing(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _article(words: str) -> str:
    return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"


def _key(key: str, rng: np.random.Generator) -> str:
    tonic, mode = key.split()
    if len(tonic) > 1 and rng.random() < 0.4:
        tonic = tonic[0] + _SPELT[tonic[1]]
    return f"{tonic} {mode}"


def _curve(dynamics: Sequence[Sequence[float]]) -> str | None:
    if len(dynamics) < 3:
        return None
    values = np.array([value for _, value in dynamics])
    slope = np.polyfit(np.linspace(0, 1, len(values)), values, 1)[0]
    if abs(slope) > 0.1:
        return "growing louder" if slope > 0 else "growing softer"
    if values.mean() < 0.42:
        return "played softly"
    return "played with force" if values.mean() > 0.78 else None


def caption(truth: Mapping[str, Any], rng: np.random.Generator) -> str:
    """Say in one or two sentences what a file holds.

    The wording, the order and which facts are told vary; what is told is true.

    Args:
        truth: the fields of `ground_truth`; `genre`, `mood` and `role` may be missing.
        rng: decides the wording.
    """
    instruments = list(truth["instruments"])
    melodic = [name for name in instruments if name != "drums"]
    moods = [truth["mood"]] if truth.get("mood") else []
    genre = truth.get("genre")
    bpm, key = truth.get("bpm"), truth.get("key")
    speed = tempo_word(bpm) if bpm else None

    alone = _ALONE.get(truth.get("role", "mix"))
    kind = str(rng.choice(alone or ["piece", "track", "tune"]))
    if genre and rng.random() < 0.85:
        kind = f"{genre} {kind}"
    words = []
    if speed and rng.random() < 0.5:
        words.append(speed)
    if moods and rng.random() < 0.8:
        words.extend(moods)
    subject = " ".join([*words, kind])

    shown = instruments if rng.random() < 0.7 else instruments[: max(1, len(instruments) - 1)]
    if len(shown) > 4:
        shown = shown[:4]
    played = _listing(shown)
    facts = []
    if key and rng.random() < 0.7:
        facts.append(f"in {_key(key, rng)}")
    if bpm and rng.random() < 0.6:
        facts.append(f"at {bpm:.0f} {rng.choice(['bpm', 'BPM', 'beats per minute'])}")

    style = int(rng.integers(5))
    if style == 0:
        text = f"{_article(subject)} with {played}"
    elif style == 1:
        text = f"{played} in {_article(subject)}"
    elif style == 2 and truth.get("lead"):
        lead = truth["lead"]
        rest = [name for name in shown if name != lead]
        text = f"{_article(subject)} led by {lead}" + (f", over {_listing(rest)}" if rest else "")
    elif style == 3:
        text = f"{subject}, {', '.join(shown)}"
    else:
        text = f"{_article(subject)} for {played}"
    if facts and rng.random() < 0.3:
        facts = facts[::-1]
    if facts:
        text += (", " if style in (2, 3) else " ") + " ".join(facts)
    curve = _curve(truth.get("dynamics", ()))
    if curve and rng.random() < 0.6:
        text += f", {curve}"
    extras = []
    drums = truth.get("drums", ())
    if alone is None and not drums and len(melodic) > 1 and rng.random() < 0.3:
        extras.append("no drums")
    elif "clap" in drums and rng.random() < 0.4:
        extras.append("hand claps on the backbeat")
    if extras:
        text += "; " + _listing(extras)
    return text[0].upper() + text[1:] + "."
