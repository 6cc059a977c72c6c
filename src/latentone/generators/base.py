"""Step 3: the generator contract. A generator knows a LatentSpec, never a codec."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from ..conditioning.base import Conditioner
from ..hub import PretrainedModel
from ..nn.transform import LatentTransform
from ..spec import LatentSpec

__all__ = ["FrameRange", "Generator", "GeneratorConfig", "Likelihood", "Sampled", "Steppable"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """What every generator's config derives from, so that a training can hold any of them."""

    latent: LatentSpec | None = None
    """What it generates; a recipe leaves it open until the codec stands."""

    def fitted(self, latent: LatentSpec, crop_frames: int) -> Self:
        """This config for the latents of a store and training excerpts of `crop_frames`."""
        return replace(self, latent=latent)

    def learned(self, raw: Mapping[str, Sequence[Any]]) -> Self:
        """This config for raw conditions of all items of a training, by name."""
        return self


class FrameRange(NamedTuple):
    """The lengths a generator can make."""

    min: int = 1
    max: int | None = None
    multiple: int = 1

    def check(self, num_frames: int) -> None:
        """Raise ValueError for a length that cannot be made, naming the nearest that can."""
        low = -(-self.min // self.multiple) * self.multiple
        nearest = max(round(num_frames / self.multiple) * self.multiple, low)
        if self.max is not None:
            nearest = min(nearest, self.max // self.multiple * self.multiple)
        if nearest != num_frames:
            end = "any" if self.max is None else self.max
            raise ValueError(
                f"this generator makes {self.min} to {end} frames in multiples of "
                f"{self.multiple}, got {num_frames}; try {nearest}"
            )


class Sampled(NamedTuple):
    """What `sample` returns."""

    latents: Tensor
    """`(B, D, F)` or codes `(B, K, F)`."""
    lengths: Tensor
    """int64 `(B,)`: valid frames of each item."""


class Generator(PretrainedModel, ABC):
    """Draws latents under conditions; owns its conditioners, which are saved with it."""

    latent: LatentSpec
    transform: LatentTransform
    frames: FrameRange
    conditioners: Mapping[str, Conditioner]
    supports: ClassVar[frozenset[str]] = frozenset()
    """Of known, init, noise, stop, step: clear refusals come from here."""
    options_class: ClassVar[type[Any] | None] = None
    """The dataclass that `sample` takes as `options`; None when it takes none."""

    @abstractmethod
    def sample(
        self,
        num_frames: int,
        conditions: Mapping[str, Sequence[Any]] | None = None,
        *,
        batch: int = 1,
        lengths: Tensor | None = None,
        guidance: float = 1.0,
        negative: Mapping[str, Sequence[Any]] | None = None,
        known: Tensor | None = None,
        keep: Tensor | None = None,
        init: Tensor | None = None,
        strength: float = 1.0,
        noise: Tensor | None = None,
        stop: Any = None,
        rng: torch.Generator | None = None,
        on_step: Callable[[int, int], None] | None = None,
        options: Any = None,
    ) -> Sampled:
        """Draw from the model.

        Args:
            num_frames: frames F to return.
            conditions: raw values by conditioner name, one for each item of the batch, None =
                missing; names left out are missing throughout.
            batch: items to draw.
            lengths: int `(B,)`, valid frames of each item; default all F.
            guidance: classifier-free guidance scale; 1 is none.
            negative: conditions of the other branch of guidance; default all missing.
            known: latents `(B, D|K, F)` of which some stay.
            keep: bool, broadcastable to `known`; True is returned bit-identical.
            init: an existing latent to vary, `strength` in (0, 1] says how far.
            noise: the chance itself (GAN z, diffusion x_T).
            stop: when to end early.
            rng: a torch generator on the model's device; the same state draws the same latents.
            on_step: called with (steps done, steps in all).
            options: an options dataclass of the subclass (temperature, ...).

        Raises:
            ValueError: a length it cannot make, an unknown condition, an unsupported argument.
        """

    def prepare(
        self, conditions: Mapping[str, Sequence[Any]] | None, batch: int
    ) -> dict[str, dict[str, Tensor]]:
        """Prepare raw conditions for every conditioner, missing ones as None.

        Raises:
            ValueError: a name that no conditioner has, or not `batch` values.
        """
        conditions = conditions or {}
        unknown = sorted(set(conditions) - set(self.conditioners))
        if unknown:
            raise ValueError(
                f"unknown condition {unknown[0]!r}; this model knows {sorted(self.conditioners)}"
            )
        prepared = {}
        for name, conditioner in self.conditioners.items():
            values = list(conditions.get(name, [None] * batch))
            if len(values) != batch:
                raise ValueError(f"condition {name!r} has {len(values)} values for {batch} items")
            prepared[name] = conditioner.prepare(values)
        return prepared

    def refuse_unsupported(self, **given: Any) -> None:
        """Raise ValueError for an argument outside `supports` that was given (is not None)."""
        for name, value in given.items():
            if value is not None and name not in self.supports:
                raise ValueError(
                    f"{type(self).__name__} does not support `{name}`; it supports "
                    f"{sorted(self.supports) or 'none of the options'}"
                )


class Likelihood(Protocol):
    """A generator with a training loss of its own."""

    def loss(
        self, batch: dict[str, Any], *, rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Return `loss` and named parts for a batch of latents or codes."""
        ...


class Steppable(Protocol):
    """A generator that plays live: conditions may change at every step."""

    def start(
        self, conditions: Any, *, prompt: Tensor | None = None, batch: int = 1
    ) -> list[Tensor]: ...

    def step(
        self, conditions: Any, state: list[Tensor], *, rng: torch.Generator | None = None
    ) -> tuple[Tensor, list[Tensor]]: ...
