"""From a run folder to its report: reads what the steps left behind, invents nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .. import __version__
from ..atomic import atomic_file
from ..audio import load_audio
from ..config import load_json
from ..data.manifest import Manifest
from ..latents.store import LatentStore
from ..metrics.reconstruction import METRICS
from ..pipeline import Pipeline
from ..training.resume import read_state
from ..training.samples import Samples
from ..training.trackers import read_metrics
from .flows import count, inference_flow, size, training_flow
from .health import Health, health_of
from .learning import learning_curves, overfitting
from .page import Pair, Report, Step, render
from .sounds import Sound, embed
from .strip import gather_strip

__all__ = ["gather", "write_report"]

SHOWN_PAIRS = 4
LOSSLESS_SECONDS = 150.0
"""Sound beyond this is embedded as Vorbis, to keep the page under some 15 MB."""

SHORT = {
    "mel_distance": "mel distance",
    "stft_distance": "STFT distance",
    "log_spectral_distance": "log spectral distance",
    "si_sdr": "SI-SDR",
    "loudness_difference": "loudness",
}
"""Scores that the page shows, and what it calls them."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What `training/` says of one training."""

    state: Mapping[str, Any]
    records: list[dict[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> Training | None:
        """Read a model folder's `training/`; None when nothing was trained there."""
        state = read_state(folder / "training")
        if state is None:
            return None
        return cls(state=state, records=read_metrics(folder / "training" / "metrics.jsonl"))

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings of the loop, as JSON."""
        return self.state["stage"]["train"]

    def points(self, kind: str, name: str = "loss") -> list[tuple[float, float]]:
        """Steps and values of one scalar."""
        return [
            (r["step"], r[kind][name])
            for r in self.records
            if r.get(kind, {}).get(name) is not None
        ]

    def facts(self) -> list[tuple[str, str]]:
        """Steps, time, batch and best validation, in words."""
        state, config = self.state, self.config
        facts = [("steps", f"{state['step']:,} in {_clock(state['seconds'])}")]
        if state["status"] != "finished":
            facts.append(("status", f"{state['status']} of {state['total_steps']:,} steps"))
        each = config["batch_size"] * config["accumulate"]
        facts.append(("batch", f"{each} x {config['crop_seconds']:g} s"))
        if state.get("best"):
            best = state["best"]
            facts.append(("best validation", f"{best['loss']:.4g} at step {best['step']:,}"))
        first = self.points("valid")
        if first:
            facts.append(("first validation", f"{first[0][1]:.4g} at step {first[0][0]:,.0f}"))
        return facts


def _clock(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.1f} min"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2g} h" if seconds >= 5400 else f"{seconds / 60:.3g} min"


def gather(run: Path, model: Pipeline, manifest: Manifest, samples: Samples) -> Report:
    """Read a run folder.

    Args:
        run: the folder.
        model: its pipeline.
        manifest: of the audio it was trained on.
        samples: what `make_samples` rendered.
    """
    recipe = load_json(run / "recipe.json") if (run / "recipe.json").exists() else {}
    trainings = {part: Training.read(run / part) for part in ("codec", "generator")}
    title = f"{recipe.get('system', run.name)}, {recipe.get('size', 'own size')}"
    pairs, generations = _sounds(run, samples)
    generator = model.stages[-1] if model.stages else None
    codec_state = trainings["codec"]
    task = codec_state.state["stage"]["task"] if codec_state else {}
    health = None if codec_state is None else health_of(codec_state.records, codec_state.state)
    seconds = sum(t.state["seconds"] for t in trainings.values() if t is not None)
    figures = [
        ("sound", _hours(manifest.duration)),
        ("recordings", f"{len(manifest.items):,}"),
        ("codec", size(count(model.codec))),
    ]
    if generator is not None:
        figures.append(("generator", size(count(generator))))
    figures.append(("training", _clock(seconds)))
    if generations:
        figures.append(("new music", f"{len(generations)} x {generations[0].seconds:.3g} s"))
    return Report(
        title=title,
        lead=_lead(model, manifest),
        figures=tuple(figures),
        generations=generations,
        pairs=pairs,
        training=training_flow(
            model.codec,
            generator,
            codec_trained=codec_state is not None,
            discriminator=bool(task.get("discriminator")),
            codec_crop=_crop(codec_state),
            generator_crop=_crop(trainings["generator"]),
        ),
        inference=inference_flow(model.codec, generator),
        steps=tuple(_steps(run, model, manifest, samples, trainings)),
        curves=tuple(
            curve
            for part, name in (
                ("codec", "mel distance"),
                ("generator", "cross-entropy, nats per code"),
            )
            if (training := trainings[part]) is not None
            for curve in learning_curves(training.records, training.state, part, name)
        ),
        health=health,
        strip=gather_strip(run / "codec" / "training"),
        overfitting=tuple(
            f"The {part} {said}"
            for part, training in trainings.items()
            if training is not None and (said := overfitting(training.records))
        ),
        score_help={
            short: f"{METRICS[name].about}; {_direction(METRICS[name].better)}"
            for name, short in SHORT.items()
        },
        recipe=json.dumps(recipe, indent=2) if recipe else "",
        notes=tuple(_notes(samples, generations, trainings, health)),
        footer=f"Written by latentone {__version__} on {date.today()} from the run {run.name}.",
    )


def write_report(run: Path, report: Report) -> Path:
    """Write `report.html`, whole or not at all."""
    path = run / "report.html"
    with atomic_file(path) as partial:
        partial.write_text(render(report), encoding="utf-8")
    return path


def _direction(better: str) -> str:
    return "zero is best" if better == "zero" else f"{better} is better"


def _crop(training: Training | None) -> float | None:
    return None if training is None else training.config["crop_seconds"]


def _lead(model: Pipeline, manifest: Manifest) -> str:
    codec, spec = model.codec, model.codec.latent
    groups = len({item.group for item in manifest.items})
    what = (
        f"{type(codec).__name__} turns {codec.source.sample_rate / 1000:g} kHz sound into "
        f"{spec.describe().partition(' (')[0]}"
    )
    if model.stages:
        what += f", and {type(model.stages[-1]).__name__} writes new ones"
    return (
        f"{what}. Trained on {_hours(manifest.duration)} of sound in {len(manifest.items):,} "
        f"recordings of {groups:,} groups; everything here was measured on groups held out."
    )


def _sounds(run: Path, samples: Samples) -> tuple[tuple[Pair, ...], tuple[Sound, ...]]:
    folder, shown = run / "samples", samples.held_out[:SHOWN_PAIRS]
    settings = samples.settings
    total = 2 * len(shown) * settings.seconds + len(samples.generations) * settings.duration
    lossless = total <= LOSSLESS_SECONDS

    def sound(file: str, title: str, caption: str = "") -> Sound:
        return embed(load_audio(folder / file), title=title, caption=caption, lossless=lossless)

    pairs = []
    for i, entry in enumerate(samples.held_out):
        if i < SHOWN_PAIRS:
            original: Sound | None = sound(entry.original, f"{entry.id}, original")
            heard: Sound | None = sound(entry.reconstruction, f"{entry.id}, reconstruction")
        else:
            original = heard = None
        scores = {short: entry.scores[name] for name, short in SHORT.items()}
        pairs.append(
            Pair(
                name=entry.id,
                caption=entry.caption,
                original=original,
                reconstruction=heard,
                scores=scores,
            )
        )
    generations = [
        sound(g.file, f"New sound {i}", g.prompt) for i, g in enumerate(samples.generations, 1)
    ]
    return tuple(pairs), tuple(generations)


def _steps(
    run: Path,
    model: Pipeline,
    manifest: Manifest,
    samples: Samples,
    trainings: Mapping[str, Training | None],
) -> list[Step]:
    codec, steps = model.codec, []
    learning = manifest.split("train")
    data = f"{_hours(sum(i.duration for i in learning))} in {len(learning):,} recordings"
    if trainings["codec"] is not None:
        facts = [("codec", f"{type(codec).__name__}, {size(count(codec))} parameters")]
        facts += [("data", data), *trainings["codec"].facts()]
        text = "An autoencoder learns to describe sound briefly and to bring it back."
        steps.append(Step(number=1, title="Train the codec", text=text, facts=tuple(facts)))
    latents = run / "latents"
    if (latents / "dataset.json").exists():
        text = "The encoder, frozen now, turned every recording into latents, once and for all."
        store = LatentStore.open(latents)
        steps.append(
            Step(number=2, title="Compute the latents", text=text, facts=_store_facts(store, codec))
        )
    if trainings["generator"] is not None and model.stages:
        generator = model.stages[-1]
        facts = [("generator", f"{type(generator).__name__}, {size(count(generator))} parameters")]
        facts += [("conditions", ", ".join(generator.conditioners) or "none")]
        facts += trainings["generator"].facts()
        text = "A model of what comes next learned from the latents; it never heard a sound."
        steps.append(Step(number=3, title="Train the generator", text=text, facts=tuple(facts)))
    made = [("reconstructions", f"{len(samples.held_out)} of the {samples.split} split")]
    if samples.generations:
        settings = samples.settings
        made.append(("new sounds", f"{len(samples.generations)} x {settings.duration:g} s"))
        made.append(("seed", str(settings.seed)))
    text = "What stands above: sound in and out of the codec, and out of nothing."
    steps.append(Step(number=4, title="Make sound", text=text, facts=tuple(made)))
    return steps


def _store_facts(store: LatentStore, codec: Any) -> tuple[tuple[str, str], ...]:
    description = store.description
    facts = [("latents", codec.latent.describe().partition(" (")[0])]
    counts = description.counts
    if counts is not None:
        facts.append(("recordings", f"{counts.items:,}, {counts.failures} left out"))
        facts.append(("sound", _hours(counts.seconds)))
        facts.append(("frames", f"{counts.frames['acoustic']:,}"))
    files = sum(p.stat().st_size for p in store.folder.rglob("*") if p.is_file())
    facts.append(("on disk", f"{files / 1e6:.2f} MB"))
    facts.append(("fingerprint", codec.latent.fingerprint[:8]))
    return tuple(facts)


def _notes(
    samples: Samples,
    generations: tuple[Sound, ...],
    trainings: Mapping[str, Training | None],
    health: Health | None,
) -> list[str]:
    notes = []
    if health is not None and not health.diagnosis.is_healthy:
        notes.append(f"The training of the codec is not well: {health.diagnosis.ailment}.")
    for part, training in trainings.items():
        if training is not None and training.state["status"] != "finished":
            notes.append(f"The training of the {part} is {training.state['status']}.")
    bad = [s for s in generations if s.problems]
    if bad:
        what = "; ".join(f"{s.title}: {', '.join(s.problems)}" for s in bad)
        notes.append(f"{len(bad)} of {len(generations)} new sounds look wrong. {what}.")
    if not samples.held_out:
        notes.append("No held-out recording could be read: nothing was measured.")
    return notes
