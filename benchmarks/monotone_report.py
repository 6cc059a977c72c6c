"""The verdicts, the page and the pictures of `monotone.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import combinations
from pathlib import Path
from textwrap import fill

import numpy as np
from damage import LADDERS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from scipy.stats import kendalltau

__all__ = ["VERDICTS", "Curve", "verdict", "write_report"]

VERDICTS = {
    "in order": "worse at every step",
    "to its end": "worse at every step until it is at the end of its range, and stays there",
    "nearly": "worse in the end; no step back exceeds both the noise and a tenth of the whole way",
    "blind": "at no level farther from the undamaged value than the noise",
    "turns back": "worse by more than the noise at some level, and clearly better at a later one",
    "wrong way": "ends better than it began, by more than the noise",
}
COLOURS = {
    "in order": "#1b7837", "to its end": "#1b7837", "nearly": "#5b8c2a",
    "blind": "#777777", "turns back": "#b35806", "wrong way": "#b2182b",
}  # fmt: skip
SCALE = "pitch classes have no distance: a third up shares more notes of the scale than a semitone"
CHANCE = "once the time is off by more than the tolerance, what still meets does so by chance"
WAVES = "the waves no longer match at the first step: nothing is left to lose"
WHY = {
    ("recall", "noise"): "noisy items have wide balls, which reach all of the reference",
    ("precision", "mode dropping"): "what is left is as good as before",
    ("density", "mode dropping"): "what is left lies as densely as before",
    ("si_sdr", "pitch shift"): WAVES,
    ("snr", "pitch shift"): WAVES,
    **{(name, "pitch shift"): SCALE for name in ("melody_accuracy", "chroma_cosine")},
    **{(name, "pitch shift"): CHANCE for name in ("rhythm_f1", "beat_f1", "downbeat_f1")},
}
NOTES = {
    "reconstruction": "The music has one channel: what compares channels is not asked. A shifted"
    " sound is compared as far as it goes.",
    "likeness": "Noise, low-pass and clipping leave notes where they are; what these numbers lose"
    " there is what the estimators no longer hear.",
    "adherence": "Only pitch shift, which changes the tempo, too, disobeys what was asked. Noise,"
    " low-pass and clipping do not: to be blind to them is right, and what moves there is the error"
    " of an estimator (docs/analysis.md). What is said below is of pitch shift alone.",
}

NOT_ASKED = (
    "ViSQOL: an opinion score of another project; under noise it falls at every step (the tests).",
    "f0, voicing and notes: of single voices, which this music is not.",
    "`stereo_error` and `balance_error`: the music has one channel.",
    "Coherence and loops: they describe; only the distance from the reference is good or bad.",
    "Text similarity and recall, instrument accuracy: they judge requests, not damage.",
    "Kernel inception distance, Frechet distance of single songs: variants of the above.",
)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A metric over the levels of one ladder."""

    name: str
    damage: str
    values: list[float]
    """At level 0, undamaged, and at every level of the ladder."""
    better: str
    """lower, higher or zero."""
    covariance: np.ndarray
    """Of the values, had other music been drawn, `(L, L)`."""

    def noise(self, first: int, second: int) -> float:
        """What the difference of two levels must exceed: 1.96 times its standard deviation."""
        c = self.covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        return 1.96 * float(np.sqrt(max(0.0, variance)))

    @property
    def worse(self) -> np.ndarray:
        """The values, turned so that more is worse."""
        values = np.array(self.values)
        return {"lower": values, "higher": -values, "zero": np.abs(values)}[self.better]

    @property
    def tau(self) -> float:
        """Kendall's rank correlation of damage and the metric: 1 is in order; 0 if constant."""
        tau = kendalltau(np.arange(len(self.values)), self.worse).statistic
        return 0.0 if np.isnan(tau) else float(tau)


def verdict(curve: Curve) -> str:
    """A key of `VERDICTS`."""
    worse, last = curve.worse, len(curve.values) - 1
    if not np.isfinite(worse).all():
        return "blind"
    steps = np.diff(worse)
    if all(abs(worse[k] - worse[0]) <= curve.noise(0, k) for k in range(1, last + 1)):
        return "blind"
    if np.all(steps > 0):
        return "in order"
    if np.all(steps[: int(np.nonzero(steps)[0][-1]) + 1] > 0):
        return "to its end"
    if worse[0] - worse[last] > curve.noise(0, last):
        return "wrong way"
    little = np.ptp(worse) / 10
    back = any(
        worse[j] - worse[k] > max(little, curve.noise(j, k))
        for j, k in combinations(range(last + 1), 2)
    )
    if worse[last] - worse[0] > curve.noise(0, last) and not back:
        return "nearly"
    return "turns back"


def write_report(docs: Path, tables: dict[str, list[Curve]], *, command: str, music: str) -> None:
    """Write `monotone.md` and `images/monotone-*.png`; pictures of earlier runs go."""
    images = docs / "images"
    images.mkdir(parents=True, exist_ok=True)
    for old in images.glob("monotone-*.png"):
        old.unlink()
    lines = [*_opening(command, music)]
    for label, curves in tables.items():
        picture = f"monotone-{label.split()[0]}.png"
        _plot(images / picture, curves)
        asked = [c for c in curves if label != "adherence" or c.damage == "pitch shift"]
        lines += [
            "",
            f"## {_title(label)}",
            *(["", fill(NOTES[label], 100)] if label in NOTES else []),
        ]
        lines += ["", *_table(curves), "", *_findings(asked)]
        lines += ["", f"![each metric over each ladder](images/{picture})"]
    lines += ["", "## Not asked", "", *(f"- {what}" for what in NOT_ASKED)]
    (docs / "monotone.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _title(label: str) -> str:
    return {
        "reconstruction": "Pairs: reconstruction",
        "likeness": "Pairs: likeness to a reference sound",
        "adherence": "Single sounds: adherence to what was composed",
    }.get(label, f"Sets: embedding {label}")


def _opening(command: str, music: str) -> Iterator[str]:
    yield "# What each metric hears"
    yield ""
    yield "A metric that is to judge must worsen when the sound worsens, and in order. Here music"
    yield "is damaged in steps, and every metric is asked at every step. Levels of damage, after"
    yield "the undamaged set, which is other music than the reference:"
    yield ""
    yield "| damage | levels | what |"
    yield "| --- | --- | --- |"
    for name, ladder in LADDERS.items():
        levels = ", ".join(f"{level:g}" for level in ladder.levels)
        yield f"| {name} | {levels} {ladder.unit} | {ladder.about} |"
    yield ""
    yield fill(f"Music: {music}.", 100)
    yield ""
    yield f"    {command}"
    yield ""
    yield "The verdict says how a metric did over a ladder; the number is Kendall's tau, how far"
    yield "its values are in the order of the damage (1: in order, 0: no order, -1: reversed). The"
    yield "noise of a difference between two levels is 1.96 times its standard deviation, had other"
    yield "music been drawn: over random halves of both sets, or over pairs. All levels damage the"
    yield "same music, so that what they share cancels."
    yield ""
    for name, about in VERDICTS.items():
        yield f"- **{name}**: {about}."


def _table(curves: list[Curve]) -> Iterator[str]:
    damages = list(dict.fromkeys(curve.damage for curve in curves))
    yield "| metric | " + " | ".join(damages) + " |"
    yield "| --- " * (len(damages) + 1) + "|"
    for name in dict.fromkeys(curve.name for curve in curves):
        cells = []
        for damage in damages:
            curve = next((c for c in curves if (c.name, c.damage) == (name, damage)), None)
            cells.append("" if curve is None else f"{verdict(curve)} {curve.tau:.2g}")
        yield f"| {name} | {' | '.join(cells)} |"


def _findings(curves: list[Curve]) -> Iterator[str]:
    """In words, what cannot be told with which metric."""
    words = {
        "blind": "does not tell apart the levels of {}",
        "turns back": "worsens and then improves under growing {}",
        "wrong way": "improves under growing {}",
    }
    fine = True
    for name in dict.fromkeys(curve.name for curve in curves):
        sentences = []
        for kind, sentence in words.items():
            named = [c.damage for c in curves if c.name == name and verdict(c) == kind]
            if named:
                whys = [(d, WHY[name, d]) for d in named if (name, d) in WHY]
                reasons = "".join(f" ({d}: {why})" if named[1:] else f" ({why})" for d, why in whys)
                sentences.append(sentence.format(_listed(named)) + reasons)
        if sentences:
            fine = False
            text = f"- `{name}` {'; it '.join(sentences)}."
            yield fill(text, 100, subsequent_indent="  ", break_on_hyphens=False)
    if fine:
        yield "Every metric worsens under every damage."


def _listed(names: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _plot(path: Path, curves: list[Curve]) -> None:
    """Small multiples: a row for every metric, a column for every damage."""
    names = list(dict.fromkeys(curve.name for curve in curves))
    damages = list(dict.fromkeys(curve.damage for curve in curves))
    figure = Figure(figsize=(2.1 * len(damages) + 1.2, 1.15 * len(names) + 0.6), dpi=80)
    axes = figure.subplots(len(names), len(damages), squeeze=False)
    for row, name in enumerate(names):
        for column, damage in enumerate(damages):
            axis = axes[row][column]
            axis.tick_params(labelsize=7)
            axis.ticklabel_format(axis="y", useOffset=False)
            curve = next((c for c in curves if (c.name, c.damage) == (name, damage)), None)
            if curve is None:
                axis.set_axis_off()
                continue
            said = verdict(curve)
            at = range(len(curve.values))
            noise = np.array([curve.noise(0, k) for k in at])
            axis.fill_between(
                at, curve.values[0] - noise, curve.values[0] + noise, color="#dddddd", linewidth=0
            )
            axis.plot(at, curve.values, "o-", markersize=3, linewidth=1.2, color=COLOURS[said])
            axis.set_title(said, fontsize=7, color=COLOURS[said], pad=2)
            axis.set_xticks(list(at), ["none", *(f"{x:g}" for x in LADDERS[damage].levels)])
            if row == len(names) - 1:
                axis.set_xlabel(f"{damage}, {LADDERS[damage].unit}", fontsize=7)
        axes[row][0].set_ylabel(name.replace("/", "\n").replace("_", "\n", 1), fontsize=7)
    figure.tight_layout(pad=0.5, h_pad=0.4, w_pad=0.5)
    FigureCanvasAgg(figure)
    drawn = BytesIO()
    figure.savefig(drawn)
    # Few colours: a third of the size.
    Image.open(drawn).convert("RGB").quantize(48).save(path, optimize=True)
