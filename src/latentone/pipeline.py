"""Step 4: codecs and generators together, with the user's verbs.

music = latentone.load("run")
music.generate("slow piano in a minor", duration=8, seed=1).save("out.wav")
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .atomic import atomic_folder
from .audio import Audio
from .codecs.base import Codec
from .conditioning.t5 import T5Conditioner
from .conditioning.text import ByteTextConditioner
from .config import save_json
from .generators.base import Generator
from .nn.transform import LatentTransform
from .nn.weight_norm import fold_weight_norm
from .pipeline_codec import CodecVerbs

__all__ = ["Pipeline", "PipelineConfig"]

PIPELINE, CODEC, GENERATOR = "pipeline.json", "codec", "generator"

GUIDANCE = 3.0
OnStep = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """What `pipeline.json` holds: which folder is what, and where the weights come from."""

    codecs: Mapping[str, str] = field(default_factory=lambda: {"acoustic": CODEC})
    """Stream -> folder of the codec that turns it into sound."""
    stages: tuple[str, ...] = (GENERATOR,)
    """Folders of the generators, in the order they run."""
    name: str = ""
    """What the model is called: in provenance tags."""
    licence: str | None = None
    """Licence of the weights, where it is known."""


class Pipeline(CodecVerbs):
    """Codecs by stream and generators in order; makes sound in seconds, not in frames.

    Args:
        codecs: `{"acoustic": codec}`.
        stages: the generators; empty for a codec alone, which can only `reconstruct`.
        name: what the model is called.
        licence: licence of the weights, where it is known.

    Raises:
        ValueError: a generator that was trained on the latents of another codec.
    """

    def __init__(
        self,
        codecs: Mapping[str, Codec],
        stages: Sequence[Generator] = (),
        *,
        name: str = "pipeline",
        licence: str | None = None,
    ) -> None:
        if "acoustic" not in codecs:
            raise ValueError(f"expected a codec for the stream 'acoustic', got {sorted(codecs)}")
        self.codecs = dict(codecs)
        self.stages = tuple(stages)
        if len(self.stages) > 1:
            raise ValueError(f"one generator is supported so far, got {len(self.stages)}")
        self.name = name
        self.licence = licence
        for stage in self.stages:
            stage.latent.require(
                self.codec.latent,
                ours=f"the generator of {name} ({type(stage).__name__})",
                theirs=f"its codec ({type(self.codec).__name__})",
            )
        self.eval()
        for codec in self.codecs.values():
            fold_weight_norm(codec)

    @property
    def generator(self) -> Generator:
        """The generator.

        Raises:
            ValueError: there is none, only a codec.
        """
        if not self.stages:
            raise ValueError(
                f"{self.name} is a codec without a generator: it can reconstruct, not generate; "
                "train a generator on its latents first"
            )
        return self.stages[-1]

    def to(self, device: torch.device | str) -> Pipeline:
        """Move all models; returns the pipeline itself."""
        for module in (*self.codecs.values(), *self.stages):
            module.to(device)
        return self

    def eval(self) -> Pipeline:
        """Put all models in eval mode; returns the pipeline itself."""
        for module in (*self.codecs.values(), *self.stages):
            module.eval()
        return self

    # Sound in, sound out

    def generate(
        self,
        prompt: str | None = None,
        *,
        duration: float,
        seed: int | None = None,
        **settings: Any,
    ) -> Audio:
        """Make one new sound; see `generate_batch` for the settings.

        Args:
            prompt: what it should be, for models with a text condition.
            duration: seconds; the result is exactly that long, to the sample.
            seed: the same seed gives the same sound; None draws one.
            **settings: as `generate_batch`; conditions take one value, not a list.
        """
        for name in ("conditions", "negative"):
            if settings.get(name):
                settings[name] = {key: [value] for key, value in settings[name].items()}
        return self.generate_batch([prompt], duration=duration, seed=seed, **settings)[0]

    def generate_batch(
        self,
        prompts: Sequence[str | None],
        *,
        duration: float,
        seed: int | None = None,
        conditions: Mapping[str, Sequence[Any]] | None = None,
        negative: Mapping[str, Sequence[Any]] | None = None,
        guidance_scale: float | None = None,
        statistics: tuple[Tensor, Tensor] | None = None,
        on_step: OnStep | None = None,
        **options: Any,
    ) -> list[Audio]:
        """Make one sound for each prompt, in one batch.

        A codec alone draws from its own prior where it has one (`Codec.sample_prior`), or from
        `statistics`.

        Args:
            prompts: texts for the model's text condition; None leaves it missing.
            duration: seconds of each.
            seed: of all chance; the same seed and batch give the same sounds.
            conditions: raw values by condition name, one for each prompt.
            negative: conditions to steer away from, with guidance.
            guidance_scale: how strongly conditions steer; 1 is no guidance. None takes 3, as
                MusicGen does, where there are conditions to steer by.
            statistics: for a codec alone, mean and standard deviation `(D,)` of its latents: they
                are drawn from that normal distribution, as a store's statistics describe it.
            on_step: called with (steps done, steps in all).
            **options: of the generator's way to draw: temperature, top_k, top_p ...

        Raises:
            ValueError: a length, condition or option that the generator does not have.
        """
        length = self._length(duration)
        if statistics is not None and (self.stages or self.codec.vocab):
            what = "a generator, which draws by itself" if self.stages else "codes, not numbers"
            raise ValueError(f"{self.name} has {what}: leave out the statistics of latents")
        if not self.stages and (statistics is not None or self.codec.has_prior):
            given = (conditions, negative, guidance_scale is not None, options)
            if any(given) or any(prompt is not None for prompt in prompts):
                raise ValueError(
                    f"{self.name} has no generator, and its codec's own prior takes no prompt, "
                    "conditions, guidance or options: give a duration and a seed alone"
                )
            return self._sample_prior(len(prompts), length, seed, statistics)
        return self._sample(
            prompts,
            length,
            known=None,
            seed=seed,
            conditions=conditions,
            negative=negative,
            guidance_scale=guidance_scale,
            on_step=on_step,
            options=options,
        )

    def continuation(
        self,
        audio: Audio | str | Path,
        *,
        duration: float,
        prompt: str | None = None,
        seed: int | None = None,
        conditions: Mapping[str, Any] | None = None,
        negative: Mapping[str, Any] | None = None,
        guidance_scale: float | None = None,
        on_step: OnStep | None = None,
        **options: Any,
    ) -> Audio:
        """Go on from a sound.

        The result begins with the given sound as the codec decodes it (its whole frames), so that
        the two parts join without a seam, and is as long as the sound and `duration` together.

        Args:
            audio: the beginning.
            duration: seconds of new sound after it.
            prompt: as in `generate`, and so are the other arguments.
        """
        x = self._take(audio)
        length = x.shape[-1] + self._length(duration)
        known = self._whole_frames(x)
        return self._sample(
            [prompt],
            length,
            known=known,
            seed=seed,
            conditions={k: [v] for k, v in (conditions or {}).items()},
            negative={k: [v] for k, v in (negative or {}).items()},
            guidance_scale=guidance_scale,
            on_step=on_step,
            options=options,
        )[0]

    # On disk

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write codec, generator and `pipeline.json` whole or not at all; `load` reads it back."""
        folder = Path(folder)
        names = tuple(
            GENERATOR if i == 0 else f"{GENERATOR}_{i + 1}" for i in range(len(self.stages))
        )
        codecs = {s: CODEC if s == "acoustic" else f"{CODEC}_{s}" for s in self.codecs}
        with atomic_folder(folder) as partial:
            for stream, name in codecs.items():
                self.codecs[stream].save_pretrained(partial / name)
            for stage, name in zip(self.stages, names, strict=True):
                stage.save_pretrained(partial / name)
            config = PipelineConfig(
                codecs=codecs, stages=names, name=self.name, licence=self.licence
            )
            save_json(config, partial / PIPELINE)
        return folder

    # Between seconds and frames

    def _length(self, duration: float) -> int:
        length = round(duration * self.sample_rate) if 0 < duration < float("inf") else 0
        if length < 1:
            raise ValueError(f"duration must be a positive number of seconds, got {duration}")
        return length

    def _frames(self, length: int) -> int:
        """The fewest frames that decode to at least `length` samples."""
        frames = self.codec.num_frames(length)
        while self.codec.num_samples(frames) < length:
            frames += 1
        return frames

    @torch.no_grad()
    def _whole_frames(self, x: Tensor) -> Tensor:
        """Codes or latents `(1, rows, F)` of the frames that lie wholly inside `x`.

        The last frame of `encode` may reach beyond the end, where it hears silence: a generator
        would go on from that silence.
        """
        frames = self.codec.num_frames(x.shape[-1])
        while frames > 0 and self.codec.num_samples(frames) > x.shape[-1]:
            frames -= 1
        if frames < 1:
            raise ValueError(
                f"the sound to continue has {x.shape[-1]} samples, less than one frame "
                f"({self.codec.num_samples(1)} samples)"
            )
        return self.codec.streams(x)["acoustic"][..., :frames]

    # Drawing

    @torch.no_grad()
    def _sample_prior(
        self, batch: int, length: int, seed: int | None, statistics: tuple[Tensor, Tensor] | None
    ) -> list[Audio]:
        """Sounds of the codec's own prior, or of statistics, which are drawn frame by frame."""
        if batch < 1:
            raise ValueError("expected at least one sound to make, got none")
        rng = torch.Generator(device=self.device)
        rng.manual_seed(secrets.randbits(63) if seed is None else seed)
        frames = self._frames(length)
        if statistics is None:
            latents = self.codec.sample_prior(frames, batch=batch, rng=rng)
        else:
            transform = LatentTransform.from_statistics(*statistics).to(self.device)
            shape = (batch, self.codec.latent_dim, frames)
            latents = transform.inverse(torch.randn(shape, generator=rng, device=self.device))
        return [self._give(item, length) for item in self.codec.decode(latents, rng=rng)]

    def _conditions(
        self, prompts: Sequence[str | None], conditions: Mapping[str, Sequence[Any]] | None
    ) -> dict[str, Sequence[Any]]:
        merged = dict(conditions or {})
        if all(prompt is None for prompt in prompts):
            return merged
        name = self.text_condition
        if name is None:
            raise ValueError(
                f"{self.name} has no text condition, so it takes no prompt; it knows "
                f"{sorted(self.generator.conditioners) or 'no conditions'}"
            )
        if name in merged:
            raise ValueError(f"give a prompt or the condition {name!r}, not both")
        merged[name] = list(prompts)
        return merged

    @property
    def text_condition(self) -> str | None:
        """The condition that a prompt goes to: the first that reads text; None without one."""
        for name, conditioner in self.generator.conditioners.items():
            if isinstance(conditioner, ByteTextConditioner | T5Conditioner):
                return name
        return None

    def _options(self, given: Mapping[str, Any]) -> Any:
        kind = self.generator.options_class
        known = [] if kind is None else [f.name for f in fields(kind)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(
                f"unknown option {unknown[0]!r}; {type(self.generator).__name__} has "
                f"{sorted(known) or 'none'}"
            )
        return None if kind is None else kind(**given)

    @torch.no_grad()
    def _sample(
        self,
        prompts: Sequence[str | None],
        length: int,
        *,
        known: Tensor | None,
        seed: int | None,
        conditions: Mapping[str, Sequence[Any]] | None,
        negative: Mapping[str, Sequence[Any]] | None,
        guidance_scale: float | None,
        on_step: OnStep | None,
        options: Mapping[str, Any],
    ) -> list[Audio]:
        generator, batch = self.generator, len(prompts)
        if batch < 1:
            raise ValueError("expected at least one prompt (None for no text), got none")
        frames = self._frames(length)
        keep = None
        if known is not None:
            generator.refuse_unsupported(known=known)
            at = torch.arange(frames, device=known.device) < known.shape[-1]
            known = torch.nn.functional.pad(known, (0, frames - known.shape[-1]))
            known, keep = known.expand(batch, -1, -1), at[None, None]
        conditions = self._conditions(prompts, conditions)
        guidance = guidance_scale
        if guidance is None:
            given = [
                v for c in (conditions, negative or {}) for values in c.values() for v in values
            ]
            guidance = GUIDANCE if any(value is not None for value in given) else 1.0
        rng = torch.Generator(device=self.device)
        rng.manual_seed(secrets.randbits(63) if seed is None else seed)
        sampled = generator.sample(
            frames,
            conditions,
            batch=batch,
            guidance=guidance,
            negative=negative or None,
            known=known,
            keep=keep,
            rng=rng,
            on_step=on_step,
            options=self._options(options),
        )
        y = self.codec.decode_streams({"acoustic": sampled.latents}, rng=rng)
        return [self._give(item, length) for item in y]
