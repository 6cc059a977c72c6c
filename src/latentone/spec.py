"""What a stream of latents is: the one thing a generator knows of a codec."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

__all__ = ["LatentSpec"]


@dataclass(frozen=True, kw_only=True)
class LatentSpec:
    """Describes one stream of latents; kept in stores and generators, compared before use."""

    kind: Literal["continuous", "discrete"]
    """Real vectors `(B, D, F)`, or integer codes `(B, K, F)`."""
    shape: tuple[int, ...]
    """One frame: `(64,)` for a VAE, `(8, 16)` for a mel-VAE; flattened into D or K."""
    vocab: tuple[int, ...] = ()
    """Entries of each code row; empty when continuous."""
    frame_rate: float | None
    """Frames per second; None for untimed events."""
    fingerprint: str
    """Hash of all that determines `encode`: encoder, quantiser, transform."""

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"shape must be one or more positive sizes, got {self.shape}")
        if self.kind == "discrete" and len(self.vocab) != self.dim:
            raise ValueError(
                f"a discrete spec of {self.dim} code rows needs {self.dim} vocabulary sizes, "
                f"got {len(self.vocab)}"
            )
        if self.kind == "continuous" and self.vocab:
            raise ValueError(f"a continuous spec has no vocabulary, got {self.vocab}")

    @property
    def dim(self) -> int:
        """Rows of the tensor: D of `(B, D, F)` or K of `(B, K, F)`."""
        return prod(self.shape)

    def describe(self) -> str:
        """One line for people: `4 x 2048 codes at 50 Hz (fingerprint 1a2b3c4d)`."""
        if self.kind == "discrete":
            sizes = set(self.vocab)
            entries = str(sizes.pop()) if len(sizes) == 1 else "/".join(map(str, self.vocab))
            what = f"{self.dim} x {entries} codes"
        else:
            what = f"{self.dim} channels"
        rate = "untimed" if self.frame_rate is None else f"at {self.frame_rate:g} Hz"
        return f"{what} {rate} (fingerprint {self.fingerprint[:8]})"

    def require(self, found: LatentSpec, *, ours: str, theirs: str) -> None:
        """Refuse latents of another codec.

        Args:
            found: the spec of what was handed over.
            ours: a name for the owner of this spec, for the message.
            theirs: a name for the owner of `found`.

        Raises:
            ValueError: the two differ; both are named.
        """
        if found != self:
            raise ValueError(
                f"{ours} expects {self.describe()}, but {theirs} has {found.describe()}: "
                "latents mean nothing to another codec's weights. Encode the audio again with "
                "the codec it was trained on, or train the generator on this store."
            )
