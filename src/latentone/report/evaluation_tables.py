"""The tables of an evaluation's page: every number with its interval, items and meaning."""

from __future__ import annotations

from ..analysis import ESTIMATORS, MATERIALS, estimator_error
from ..metrics.control import ADHERENCE, ControlMetric
from ..metrics.distribution import Score
from ..metrics.judge import JudgedEmbedding
from ..metrics.judgement import Judgement, Pairs
from ..metrics.loops import LOOPS
from ..metrics.notes import NOTES
from ..metrics.pairs import PAIR_METRICS
from ..metrics.sets import set_metric
from ..metrics.structure import COHERENCE
from ..metrics.wholes import Whole
from .evaluation import Table

__all__ = ["DIRECTIONS", "between", "limit", "number", "scores_table", "tables"]

DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "zero is best",
    "reference": "as the reference",
}


def number(value: float) -> str:
    """Four digits at most: `0.0123`, `1234`."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def between(score: Score | Whole) -> str:
    """`0.1 to 0.3`, or a dash."""
    i = score.interval
    return "–" if i is None else f"{number(i.low)} to {number(i.high)}"


def limit(metric: ControlMetric) -> str:
    """What the estimator behind a metric reaches where the truth is known; empty for none."""
    if metric.estimator is None:
        return ""
    errors = [estimator_error(metric.estimator, material) for material in MATERIALS]
    known = [f"{number(e.mean)} {e.material}" for e in errors if e is not None]
    if not known:
        return ""
    return f"the estimator's own: {ESTIMATORS[metric.estimator]}, {', '.join(known)}"


def scores_table(found: JudgedEmbedding) -> Table:
    """All scores of one embedding, and why others are missing."""
    comparison, halves = found.comparison, found.halves
    rows: list[tuple[str, ...]] = []
    for name, score in comparison.scores.items():
        metric = set_metric(name)
        half = (number(halves[name]) if name in halves else "–",) if halves else ()
        rows.append(
            (
                name.replace("_", " "),
                number(score.value),
                between(score),
                *half,
                f"{score.items[0]} / {score.items[1]}",
                f"{metric.about}; {DIRECTIONS[metric.better]}",
            )
        )
    dashes = ("–",) * (4 if halves else 3)
    rows += [(n.replace("_", " "), *dashes, why) for n, why in comparison.missing.items()]
    ruler = ("halves of the reference",) if halves else ()
    return Table(
        title=f"Scores by {found.name}",
        text="",
        head=("score", "value", "95 %", *ruler, "windows", "what it is"),
        rows=tuple(rows),
        prose=(4 + len(ruler),),
    )


def tables(found: Judgement) -> tuple[Table, ...]:
    """Adherence, loops, coherence and pairs, those of them that were measured."""
    made = []
    for group, metrics, title, text in (
        (
            "adherence",
            ADHERENCE,
            "Does it do what was asked?",
            "By the JSON beside each sound. The reference, where it has such files, says how much "
            "of this an honest performance reaches; the estimators' own figures are those on "
            "synthesised music whose truth is known.",
        ),
        (
            "loops",
            LOOPS,
            "As loops",
            "The end of each sound beside its beginning, and its length in beats.",
        ),
        (
            "notes",
            NOTES,
            "As single notes",
            "Pitch against what was asked, and how a note begins.",
        ),
    ):
        reference, generated = found.means.get(group, ({}, {}))
        rows = [_mean_row(n, metrics[n], reference.get(n), s) for n, s in generated.items()]
        if rows:
            head = ("metric", "generated", "95 %", "sounds", "reference", "what it is")
            made.append(Table(title=title, text=text, head=head, rows=tuple(rows), prose=(5,)))
    if found.coherence:
        made.append(_coherence_table(found))
    if found.wholes:
        made.append(_wholes_table(found))
    if found.pairs is not None:
        made += _pair_tables(found.pairs)
    return tuple(made)


def _mean_row(
    name: str, metric: ControlMetric, reference: Score | None, generated: Score
) -> tuple[str, ...]:
    words = [metric.about, DIRECTIONS[metric.better], limit(metric)]
    return (
        name.replace("_", " ") + (f", {metric.unit}" if metric.unit else ""),
        number(generated.value),
        between(generated),
        str(generated.items[1]),
        "–" if reference is None else f"{number(reference.value)} ({reference.items[1]})",
        "; ".join(w for w in words if w),
    )


def _coherence_table(found: Judgement) -> Table:
    means = found.means.get("coherence", ({}, {}))[1]
    rows = []
    for name, c in found.coherence.items():
        metric = COHERENCE[name]
        words = [metric.about, DIRECTIONS[metric.better], limit(metric)]
        rows.append(
            (
                name.replace("_", " ") + (f", {metric.unit}" if metric.unit else ""),
                number(c.generated_mean),
                between(means[name]) if name in means else "–",
                number(c.reference_mean),
                number(c.distance),
                f"{c.p_value:.2g}",
                f"{c.items[0]} / {c.items[1]}",
                "; ".join(w for w in words if w),
            )
        )
    # Seams of continuations: the reference has none to compare with.
    alone = {n: s for n, s in means.items() if n in COHERENCE and n not in found.coherence}
    for name, score in alone.items():
        metric = COHERENCE[name]
        unit = f", {metric.unit}" if metric.unit else ""
        words = [metric.about, DIRECTIONS[metric.better], limit(metric)]
        rows.append(
            (
                name.replace("_", " ") + unit,
                number(score.value),
                between(score),
                *("–",) * 3,
                f"0 / {score.items[1]}",
                "; ".join(w for w in words if w),
            )
        )
    return Table(
        title="Coherence over time",
        text="What each sound does in its course, the two sets compared. The distance is in "
        "standard deviations of the reference; p says how often equal sets would differ as much.",
        head=(
            "descriptor",
            "generated",
            "95 %",
            "reference",
            "distance",
            "p",
            "sounds",
            "what it is",
        ),
        rows=tuple(rows),
        prose=(7,),
    )


def _wholes_table(found: Judgement) -> Table:
    rows = tuple(
        (name, number(w.value), between(w), str(w.items), w.settings, w.about)
        for name, w in found.wholes.items()
    )
    return Table(
        title="Of the generated set as a whole",
        text="Numbers that belong to no single sound; ranks and means over pairs of notes "
        "have no interval.",
        head=("metric", "value", "95 %", "sounds", "by", "what it is"),
        rows=rows,
        prose=(4, 5),
    )


def _pair_tables(pairs: Pairs) -> list[Table]:
    rows = []
    for name, score in pairs.scores.items():
        metric = PAIR_METRICS[name]
        words = [metric.about, DIRECTIONS[metric.better]]
        if isinstance(metric, ControlMetric):
            words.append(limit(metric))
        about = "; ".join(word for word in words if word)
        unit = f", {metric.unit}" if metric.unit else ""
        rows.append(
            (
                name.replace("_", " ") + unit,
                number(score.value),
                between(score),
                str(score.items[1]),
                about,
            )
        )
    shown = [
        n
        for n in (
            "mel_distance",
            "si_sdr",
            "log_spectral_distance",
            "loudness_difference",
            "visqol",
        )
        if n in pairs.scores
    ]
    worst = sorted(pairs.each.items(), key=lambda p: -p[1].get("mel_distance", 0.0))
    return [
        Table(
            title="Pair by pair",
            text="Files of equal name, the second as an estimate of the first.",
            head=("metric", "mean", "95 %", "pairs", "what it is"),
            rows=tuple(rows),
            prose=(4,),
        ),
        Table(
            title="Each pair, the worst mel distance first",
            text="The first 40." if len(worst) > 40 else "All of them.",
            head=("pair", *(n.replace("_", " ") for n in shown)),
            rows=tuple(
                (name, *(number(v[n]) if n in v else "–" for n in shown)) for name, v in worst[:40]
            ),
        ),
    ]
