"""The contract of what steers a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

from torch import Tensor, nn

from ..spec import LatentSpec

__all__ = ["Condition", "Conditioner", "ConditionerConfig"]


class Condition(NamedTuple):
    """An embedded condition; where `mask` is False the learned null stands in.

    The null is already part of `value`: a missing vector is the null; a missing sequence holds it
    at position 0, which a reader attends to when nothing else is present.
    """

    value: Tensor
    """`(B, E)` vector, `(B, N, E)` sequence or `(B, E, Fc)` frames."""
    mask: Tensor
    """bool `(B,)`, `(B, N)` or `(B, Fc)`; False = missing."""


@dataclass(frozen=True, kw_only=True)
class ConditionerConfig(ABC):
    """What a conditioner is built from; saved inside the generator's config."""

    @abstractmethod
    def build(self, dim: int) -> Conditioner:
        """Make the conditioner for a network of width `dim`."""

    def fitted(self, latent: LatentSpec) -> Self:
        """This config for a generator of such latents."""
        return self

    @property
    def open(self) -> bool:
        """Whether raw values of all items must come first (`learned`)."""
        return False

    def learned(self, raw: Sequence[Any]) -> Self:
        """This config for the raw values of the items of a training, None = missing."""
        return self


class Conditioner(nn.Module, ABC):
    """Turns raw values (a caption, a label) into a `Condition`."""

    kind: ClassVar[Literal["vector", "sequence", "frames"]]

    @abstractmethod
    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        """Turn raw values, None = missing, into tensors; runs in a data worker, cacheable.

        Every tensor has the batch in front. `present`, bool `(B, ...)`, is always among them and
        says what is there.

        Raises:
            ValueError: a value that this conditioner does not know.
        """

    @abstractmethod
    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        """Embed prepared values; differentiable. All parameters take part whatever is missing."""

    def drop(self, prepared: dict[str, Tensor], which: Tensor) -> dict[str, Tensor]:
        """Make the condition missing for the items where `which (B,)` is True."""
        present = prepared["present"]
        gone = which.to(present.device).view(-1, *[1] * (present.dim() - 1))
        return {**prepared, "present": present & ~gone}

    def load_source(self) -> None:
        """Read frozen weights that come from elsewhere; called once, when a training begins anew.

        What is trained from nothing has none. A saved model holds its frozen weights too.
        """
