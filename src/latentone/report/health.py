"""The health of a codec's training as a section of the report: a diagnosis, and what it rests on.

Everything is read from `metrics.jsonl`, so the panel can be had long after the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from ..nn.bottlenecks import ACTIVE_NATS
from ..training.health import DECIDED, Diagnosis
from ..training.logged_health import diagnose_log
from .charts import Points, line_key, lines
from .document import section
from .scores import score_pictures

__all__ = ["Health", "health_of", "health_section"]

Moment = tuple[int, Any]
SHOWN_MOMENTS = 5
"""Moments whose dimensions are drawn over each other."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What the panel shows of one training."""

    diagnosis: Diagnosis
    """What is the matter, or that nothing is."""
    right: Points = ()
    """`judge/right` over steps."""
    gradients: Mapping[str, Points] = field(default_factory=dict)
    """Gradient norms over steps by loss, and by optimiser."""
    moments: Sequence[tuple[int, Mapping[str, Any]]] = ()
    """Steps and what was inside, see `training.codec_insides`."""


def health_of(records: Sequence[Mapping[str, Any]], state: Mapping[str, Any]) -> Health | None:
    """Read the records of a training; None where nothing was logged."""
    diagnosis = diagnose_log(records, state=state)
    if diagnosis is None:
        return None
    gradients: dict[str, list[tuple[float, float]]] = {}
    right: list[tuple[float, float]] = []
    for record in records:
        step, seen = record["step"], record.get("train", {})
        if seen.get("judge/right") is not None:
            right.append((step, seen["judge/right"]))
        norms = {n.removeprefix("gradient/"): v for n, v in seen.items() if "gradient/" in n}
        for name, value in record.get("optimizer", {}).items():
            if name.startswith("grad_norm/"):
                norms[f"all of the {name.removeprefix('grad_norm/')}"] = value
        for name, value in norms.items():
            if value is not None:
                gradients.setdefault(name, []).append((step, value))
    moments = [(r["step"], r["health"]) for r in records if r.get("health")]
    return Health(diagnosis=diagnosis, right=right, gradients=gradients, moments=moments)


def health_section(health: Health | None) -> str:
    """The section as HTML; empty without a training."""
    if health is None:
        return ""
    found = health.diagnosis
    named = "NaN" if found.ailment == "nan" else found.ailment.capitalize()
    title = "No ailment found" if found.is_healthy else named
    advice = f"<p>What to do: {escape(found.advice)}.</p>" if not found.is_healthy else ""
    mark = "good" if found.is_healthy else "bad"
    verdict = (
        f'<div class="verdict {mark}"><h3>{escape(title)}</h3>'
        f'<p class="quiet">{escape(found.sign)}</p>{advice}</div>'
    )
    panels = "".join(
        part(health) for part in (_balance, _scores, _gradients, _codes, _spread, _divergence)
    )
    text = "How the training of the codec went, from its logs, and how to read it."
    return section("Health", text, f'{verdict}<div class="charts">{panels}</div>')


def _panel(title: str, content: str, text: str) -> str:
    return (
        f'<figure class="panel"><figcaption>{escape(title)}</figcaption>{content}'
        f'<p class="quiet small">{escape(text)}</p></figure>'
    )


def _balance(health: Health) -> str:
    if not health.right:
        return ""
    drawn = lines(
        {"right": health.right},
        title="How often the discriminator is right",
        y_label="share of pairs",
        bounds=(0.0, 1.0),
        zone=(0.5, DECIDED, "unsure: it teaches"),
    )
    return _panel(
        "Discriminator balance",
        drawn,
        "How often real sound scores above generated sound: 0.5 when it cannot tell them apart. "
        "Near 1 it is sure; that does harm where its gradient fades too.",
    )


def _scores(health: Health) -> str:
    seen = [(step, m["scores"]) for step, m in health.moments if m.get("scores")]
    if not seen:
        return ""
    return _panel(
        "What the discriminator says",
        score_pictures(_spaced(seen, 4)),
        "Scores of held-out sound, D(real), and of its reconstruction, D(fake), at several steps "
        "on one scale. Apart they are easy to tell; one over the other they are alike.",
    )


def _gradients(health: Health) -> str:
    if not health.gradients:
        return ""
    drawn = lines(health.gradients, title="Gradient norms", y_label="norm", log=True)
    return _panel(
        "Gradient norms",
        drawn + line_key(list(health.gradients)),
        "What each loss asks of the reconstruction, and the whole of each optimiser. A line that "
        "falls by orders of magnitude teaches nothing any more; one that shoots up comes before "
        "nan.",
    )


def _codes(health: Health) -> str:
    seen = [(step, m["codes"]) for step, m in health.moments if m.get("codes")]
    if not seen:
        return ""
    count = len(seen[-1][1]["use"])
    names = [f"codebook {i + 1}" for i in range(count)]

    def series(key: str) -> dict[str, Points]:
        rows = enumerate(names)
        return {n: [(s, c[key][i]) for s, c in seen if c[key][i] is not None] for i, n in rows}

    last = [value or 0.0 for value in seen[-1][1]["perplexity"]]
    span = f"{min(last):,.0f} to {max(last):,.0f}"
    size = max(seen[-1][1]["size"])
    drawn = lines(series("use"), title="Live codes", y_label="share live", bounds=(0.0, 1.0))
    even = lines(series("perplexity"), title="Perplexity", y_label="codes", log=True)
    key = line_key(names)
    return _panel(
        "Codes in use",
        drawn + key,
        "Share of each codebook's entries that are used at all. Codes that nobody uses are wasted "
        "bits.",
    ) + _panel(
        "Perplexity of the codebooks",
        even + key,
        f"As many evenly used codes: {span} of {size:,.0f} in the end.",
    )


def _spread(health: Health) -> str:
    seen = _sorted_dimensions(health, "std")
    if not seen:
        return ""
    drawn = lines(
        seen,
        title="Spread of the latent dimensions",
        y_label="standard deviation",
        x_label="dimensions, widest first",
        log=True,
    )
    return _panel(
        "Spread of the latents",
        drawn + line_key(list(seen)),
        "Standard deviation of each latent dimension over held-out sound. Dimensions far below the "
        "others hardly say anything.",
    )


def _divergence(health: Health) -> str:
    seen = _sorted_dimensions(health, "kl")
    if not seen:
        return ""
    last = next(reversed(seen.values()))
    active = sum(value > ACTIVE_NATS for _, value in last)
    drawn = lines(
        seen,
        title="KL divergence of the latent dimensions",
        y_label="nats per frame",
        x_label="dimensions, most telling first",
        log=True,
    )
    return _panel(
        "What the latents say",
        drawn + line_key(list(seen)),
        f"KL divergence from the prior: {active} of {len(last)} dimensions are active, with more "
        f"than {ACTIVE_NATS:g} nats per frame.",
    )


def _sorted_dimensions(health: Health, key: str) -> dict[str, Points]:
    """For some moments the dimensions' values, largest first, over their rank."""
    seen = [(s, m["latents"][key]) for s, m in health.moments if m.get("latents", {}).get(key)]
    ranked: dict[str, Points] = {}
    for step, values in _spaced(seen, SHOWN_MOMENTS):
        known = sorted((v for v in values if v is not None), reverse=True)
        ranked[f"step {step:,}"] = [(rank, value) for rank, value in enumerate(known, 1)]
    return ranked


def _spaced(items: Sequence[Moment], most: int) -> list[Moment]:
    """At most so many, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    places = [round(i * (len(items) - 1) / (most - 1)) for i in range(most)]
    return [items[place] for place in places]
