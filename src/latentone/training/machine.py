"""Recipes cut to a machine: the same training in parts that fit its memory.

What a step needs is counted (see `memory`) on one short item and scaled to the excerpt: layers
keep what is proportional to its length. What does not fit at once is accumulated, so that an
optimiser step averages the same number of excerpts; codebooks, which learn from each micro-batch,
and a discriminator's batch of one are the differences. Excerpts are only halved where a single
one does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch

from ..codecs.base import Codec
from ..hub import build_model
from ..networks.transformer import TransformerConfig
from ..spec import LatentSpec
from .memory import Footprint, footprint
from .recipe import Recipe, Stage, TrainConfig
from .tasks.codec import CodecTask, CodecTaskConfig
from .tasks.language_model import LanguageModelConfig

__all__ = ["MACHINES", "Limits", "MachineName", "fit_stage", "fit_to_machine"]

MachineName = Literal["laptop", "8gb", "16gb", "24gb"]
GIB = 2**30
SLACK = 1.5
"""Memory of a step over what is kept for its backward pass: temporaries, fragments, caches."""
COUNTED_SECONDS = 0.25
COUNTED_FRAMES = 64
CROSS = 4 / 3
"""What cross-attention adds to a layer of three parts: itself, attention, a wide layer of two."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a machine can hold."""

    room_bytes: int
    """For a training, what system and driver need left out."""
    precision: Literal["32-true", "bf16-mixed"]
    """Arithmetic that it is fast in."""
    most_items: int | None = None
    """Excerpts of an optimiser step where time is short; None for as many as the recipe has."""


MACHINES: dict[MachineName, Limits] = {
    "laptop": Limits(room_bytes=4 * GIB, precision="32-true", most_items=8),
    "8gb": Limits(room_bytes=int(6.8 * GIB), precision="bf16-mixed"),
    "16gb": Limits(room_bytes=int(14.4 * GIB), precision="bf16-mixed"),
    "24gb": Limits(room_bytes=int(22 * GIB), precision="bf16-mixed"),
}
"""A laptop of 8 GB without an accelerator, and accelerators by their memory."""


def fit_to_machine(recipe: Recipe, machine: MachineName) -> Recipe:
    """A recipe whose codec and generator train on this machine; other stages stay as they are.

    Takes some seconds: a step of one short item is made on the CPU.

    Raises:
        ValueError: no such machine, nothing in the recipe that can be counted, or one item of the
            shortest excerpt does not fit.
    """
    if machine not in MACHINES:
        raise ValueError(f"machine must be one of {', '.join(MACHINES)}, got {machine!r}")
    limits, changed = MACHINES[machine], {}
    who = f"{recipe.system}, size {recipe.size}"
    codec, generator = recipe.codec, recipe.generator
    if codec is not None and isinstance(codec.task, CodecTaskConfig):
        counted, shortest = _codec_footprint(codec.task, codec.train.crop_seconds)
        train = fit_stage(
            codec.train, counted, limits, shortest=shortest, who=f"the codec of {who}"
        )
        changed["codec"] = Stage(task=codec.task, train=train)
        if generator is not None and isinstance(generator.task, LanguageModelConfig):
            found = _generator_footprint(generator, codec.task)
            if found is not None:
                name = f"the generator of {who}"
                train = fit_stage(generator.train, found, limits, shortest=1.0, who=name)
                changed["generator"] = Stage(task=generator.task, train=train)
    if not changed:
        raise ValueError(
            f"{who} has no codec of its own to count, and a generator is counted on its codec: "
            "set batch-size, accumulate and precision of its stages instead of a machine"
        )
    return replace(recipe, **cast(dict[str, Any], changed))


def fit_stage(
    train: TrainConfig, counted: Footprint, limits: Limits, *, shortest: float, who: str
) -> TrainConfig:
    """Batch, accumulation, excerpt and precision that fit.

    Args:
        train: as the recipe has it.
        counted: what a step needs of memory at that excerpt's length.
        limits: of the machine.
        shortest: seconds of the shortest excerpt that can be trained on.
        who: is trained, for the message.

    Raises:
        ValueError: one item of the shortest excerpt does not fit.
    """
    items = train.batch_size * train.accumulate
    items = min(items, limits.most_items or items)
    average = 0 if train.ema_decay is None else counted.state_bytes // 4
    room = limits.room_bytes - counted.state_bytes - average
    seconds, each = train.crop_seconds, SLACK * counted.item_bytes
    while each > room and seconds / 2 >= shortest:
        seconds, each = seconds / 2, each / 2
    fits = int(room // each) if room > 0 else 0
    if fits < 1:
        needed = (limits.room_bytes - room + each) / GIB
        raise ValueError(
            f"{who} needs {needed:.1f} GiB for a single excerpt of {seconds:.3g} s, and this "
            f"machine has {limits.room_bytes / GIB:.1f} GiB for it: take a smaller --size or a "
            "larger --machine"
        )
    batch = max(n for n in range(1, items + 1) if items % n == 0 and n <= fits)
    return replace(
        train,
        batch_size=batch,
        accumulate=items // batch,
        crop_seconds=seconds,
        precision=limits.precision,
    )


def _codec_footprint(config: CodecTaskConfig, crop_seconds: float) -> tuple[Footprint, float]:
    """Of one excerpt with all losses and the discriminator at work; and the shortest excerpt."""
    state = torch.random.get_rng_state()
    worst: dict[str, Any] = {
        "adversarial_start": 0.0,
        "freeze_encoder_after": 1.0,
        "discriminator_share": 1.0,
    }
    task = replace(config, **worst).build()
    source = task.codec.source
    judge = task.discriminator
    least = _shortest(task, 1 if judge is None else judge.config.min_samples) / source.sample_rate
    seconds = min(crop_seconds, max(COUNTED_SECONDS, least))
    samples = round(seconds * source.sample_rate)
    x = 0.1 * torch.randn(1, source.channels, samples)
    found = footprint(task, {"x": x, "lengths": torch.tensor([samples]), "ids": [""]})
    torch.random.set_rng_state(state)
    each = round(found.item_bytes * crop_seconds / seconds)
    return Footprint(state_bytes=found.state_bytes, item_bytes=each), least


def _shortest(task: CodecTask, heard: int) -> int:
    """Samples of the shortest excerpt of which losses compare at least so many."""
    if not task.config.inner_losses:
        return heard
    hop, samples = task.codec.num_samples(1), heard
    while True:
        try:
            inner = task.codec.inner(samples)  # type: ignore[operator]
        except ValueError:
            inner = slice(0, 0)
        if inner.stop - inner.start >= heard:
            return samples
        samples += hop


def _generator_footprint(stage: Stage, codec_config: CodecTaskConfig) -> Footprint | None:
    """Of a transformer over a codec's codes, from one layer and two; conditions are not counted."""
    task, network = stage.task, getattr(getattr(stage.task, "model", None), "network", None)
    assert isinstance(task, LanguageModelConfig)
    if not isinstance(network, TransformerConfig):
        return None
    with torch.device("meta"):
        codec = build_model(codec_config.model, Codec)
    if not codec.vocab:
        return None
    state = torch.random.get_rng_state()
    rows = len(codec.vocab)
    spec = LatentSpec(
        kind="discrete",
        shape=(rows,),
        vocab=codec.vocab,
        frame_rate=codec.frame_rate,
        fingerprint="",
    )
    codes = torch.zeros(1, rows, COUNTED_FRAMES, dtype=torch.int64)
    found = []
    for layers in (1, 2):
        thin = replace(network, num_layers=layers, cross_attention=False)
        bare: dict[str, Any] = {"network": thin, "conditioners": {}}
        if hasattr(task.model, "prefix"):
            bare["prefix"] = ()
        model = replace(task.model, **bare).fitted(spec, COUNTED_FRAMES)
        built = replace(task, model=model, fields={}).build()
        batch = {"codes": codes, "lengths": torch.tensor([COUNTED_FRAMES]), "conditions": {}}
        found.append(footprint(built, batch))
    torch.random.set_rng_state(state)
    one, two = found
    more, wide = network.num_layers - 1, CROSS if network.cross_attention else 1.0
    frames = stage.train.crop_seconds * codec.frame_rate
    grown = one.item_bytes + wide * more * (two.item_bytes - one.item_bytes)
    weights = one.state_bytes + wide * more * (two.state_bytes - one.state_bytes)
    return Footprint(state_bytes=round(weights), item_bytes=round(grown * frames / COUNTED_FRAMES))
