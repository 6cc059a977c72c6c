"""Train a generator that has a likelihood: one loss, one optimiser.

AdamW with decoupled decay on matrices alone, warm-up and half a cosine, clipping: what MusicGen
(Copet et al., 2023) and GPT-3 (Brown et al., 2020) train with. The best validation is kept, since
a language model of a small collection learns it by heart in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from torch import Tensor, nn

from ...audio import Audio
from ...conditioning import FramesConfig
from ...generators.base import Generator, GeneratorConfig
from ...hub import PretrainedModel, build_model, model_class, resolve_folder
from ...spec import LatentSpec
from ..optimizers import adamw
from ..schedules import cosine
from ..task import Batch, Optimization, Preview, Run, Task, TaskConfig

__all__ = ["LanguageModelConfig", "LanguageModelTask"]


@dataclass(frozen=True, kw_only=True)
class LanguageModelConfig(TaskConfig):
    """How a generator with a `loss` is trained."""

    model: GeneratorConfig
    """The generator; its `latent` is filled in from the store."""
    fields: dict[str, str] = field(default_factory=dict)
    """Condition -> metadata field, or stream of the store for maps along time; a condition that is
    not named reads the one of its name."""
    learning_rate: float = 3e-4
    """At the end of the warm-up."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW."""
    weight_decay: float = 0.1
    """On matrices; biases, gains and other vectors are left alone."""
    warmup: float = 0.02
    """Steps (or below 1, share of all steps) in which the learning rate rises."""
    floor: float = 0.05
    """Share of the learning rate that is left at the end."""
    clip: float = 1.0
    """Largest gradient norm."""
    preview_seconds: float = 4.0
    """Length of the generations that the tracker plays."""
    preview_guidance: float = 3.0
    """Guidance scale of those that have conditions."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip", "preview_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def build(self, pretrained: Path | None = None) -> LanguageModelTask:
        """Make the task with fresh weights, or go on from a model folder.

        Raises:
            FileNotFoundError: no such folder.
            ValueError: the folder holds another class, or a generator of other latents.
        """
        if pretrained is None:
            fresh = _generator(build_model(self.model, PretrainedModel))
            for conditioner in fresh.conditioners.values():
                conditioner.load_source()
            return LanguageModelTask(self, fresh)
        folder = resolve_folder(pretrained)
        model = _generator(model_class(self.model, PretrainedModel).from_pretrained(folder))
        if self.model.latent is not None:
            model.latent.require(self.model.latent, ours=str(folder), theirs="the latent store")
        return LanguageModelTask(self, model)

    def conditions(self) -> Mapping[str, str]:
        return self.fields

    def maps(self) -> Mapping[str, FramesConfig]:
        conditioners = getattr(self.model, "conditioners", {})
        return {
            self.fields.get(name, name): config
            for name, config in conditioners.items()
            if isinstance(config, FramesConfig)
        }

    def open_conditions(self) -> Mapping[str, str]:
        conditioners = getattr(self.model, "conditioners", {})
        return {name: self.fields.get(name, name) for name, c in conditioners.items() if c.open}

    def learned(self, raw: Mapping[str, Sequence[Any]]) -> Self:
        return replace(self, model=self.model.learned(raw))

    def fitted(self, latent: LatentSpec, crop_frames: int) -> Self:
        return replace(self, model=self.model.fitted(latent, crop_frames))


class LanguageModelTask(Task):
    """A generator and its likelihood.

    Args:
        config: settings.
        generator: has `loss(batch, rng=)`, which its forward pass returns.
    """

    keep_best = True
    decode: Callable[[Tensor], Audio] | None = None
    """Turns codes `(K, F)` or latents `(D, F)` into sound for the preview; None shows pictures."""
    preview_conditions: Mapping[str, Sequence[Any]] | None = None
    """Raw conditions of the generations that are previewed."""

    def __init__(self, config: LanguageModelConfig, generator: Generator) -> None:
        self.config = config
        self.model = self.generator = generator.train()
        self.modules: dict[str, nn.Module] = {"generator": generator}

    def optimizers(self) -> dict[str, Optimization]:
        config = self.config
        adam = adamw(
            self.generator,
            learning_rate=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
        )
        schedule = cosine(warmup=config.warmup, floor=config.floor)
        return {"generator": Optimization(adam, "generator", clip=config.clip, schedule=schedule)}

    def step(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        losses = run.module("generator")(batch, rng=run.rng)
        run.backward(losses["loss"])
        run.optimize("generator")
        return losses

    def validate(self, batch: Batch, run: Run) -> dict[str, Tensor]:
        return run.module("generator")(batch, rng=run.rng)

    def preview(self, batch: Batch, run: Run) -> Preview:
        """Held-out originals beside generations under the same (or no) conditions."""
        key = "codes" if self.generator.latent.kind == "discrete" else "latents"
        originals, lengths = batch[key], batch["lengths"].tolist()
        conditions = self.preview_conditions or {}
        wanted = min((len(values) for values in conditions.values()), default=1)
        drawn = self.generator.sample(
            self._preview_frames(originals.shape[-1]),
            {name: values[:wanted] for name, values in conditions.items()},
            batch=wanted,
            guidance=self.config.preview_guidance if conditions else 1.0,
            rng=run.rng,
        ).latents
        images = {f"{i}/generated codes": self._picture(z) for i, z in enumerate(drawn)}
        audio = {}
        if self.decode is not None:
            for i, z in enumerate(drawn):
                audio[f"{i}/generated"] = self.decode(z)
            for i, (z, length) in enumerate(zip(originals, lengths, strict=True)):
                audio[f"{i}/original"] = self.decode(z[:, :length])
        return Preview(audio, images)

    def _preview_frames(self, crop: int) -> int:
        latent, frames = self.generator.latent, self.generator.frames
        wanted = crop
        if latent.frame_rate is not None:
            wanted = max(1, round(self.config.preview_seconds * latent.frame_rate))
        wanted = max(frames.min, min(wanted, frames.max or wanted))
        return -(-wanted // frames.multiple) * frames.multiple

    def _picture(self, z: Tensor) -> Tensor:
        """Rows by frames in [0, 1], each row thick enough to be seen."""
        z = z.float()
        span = (z.amax() - z.amin()).clamp_min(1e-8)
        return ((z - z.amin()) / span).repeat_interleave(8, dim=0)


def _generator(model: Any) -> Generator:
    if not isinstance(model, Generator) or not hasattr(model, "loss"):
        raise ValueError(
            f"{type(model).__name__} is no generator with a `loss`: it needs a task of its own"
        )
    return model
