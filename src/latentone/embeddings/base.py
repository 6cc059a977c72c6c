"""The contract of an embedding: windows of sound in, one vector each out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..audio import AudioSource

__all__ = ["Embedding", "TextAudioEmbedding"]


class Embedding(nn.Module, ABC):
    """Turns windows of equal length into vectors.

    Two embeddings with equal fingerprints give equal vectors; those of different ones must never
    be compared, so every result carries name and fingerprint.

    Args:
        source: rate and channels that it wants.
        window_seconds: length of a window.
        hop_seconds: distance of windows in a long sound.
        rest: what the next base class wants; a trained embedding is a `PretrainedModel`, too.
    """

    name: str
    """What it is called in tables."""

    def __init__(
        self, source: AudioSource, window_seconds: float, hop_seconds: float, **rest: Any
    ) -> None:
        super().__init__(**rest)
        for name, value in (("window_seconds", window_seconds), ("hop_seconds", hop_seconds)):
            if value * source.sample_rate < 1:
                raise ValueError(f"{name} must hold one sample, got {value}")
        self.source = source
        self.window = round(window_seconds * source.sample_rate)
        self.hop = round(hop_seconds * source.sample_rate)

    @property
    @abstractmethod
    def dim(self) -> int:
        """Length D of a vector."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of all that decides the vectors: settings, weights, windows."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Embed windows.

        Args:
            x: `(B, C, window)`.

        Returns:
            `(B, dim)`, fp32.
        """

    def fill(self, x: Tensor) -> Tensor:
        """Lengthen a sound `(C, T)` that is shorter than a window: repeated, and cut to it."""
        return x.repeat(1, -(-self.window // x.shape[-1]))[:, : self.window]

    def starts(self, num_samples: int) -> range:
        """Where the windows of a sound begin; a short one has a single window.

        What is left at the end and too short for a window is not heard.
        """
        return range(0, max(0, num_samples - self.window) + 1, self.hop)


class TextAudioEmbedding(Embedding):
    """An embedding whose vectors can be compared with those of texts, by their cosine."""

    @abstractmethod
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts.

        Args:
            texts: one or more, none of them empty.

        Returns:
            `(B, dim)`, fp32.
        """
