"""Harmony and melody along time: how loud each pitch class is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..analysis.chroma import CHROMA_SETTINGS, chroma
from ..audio import Audio
from .frames import FramesConfig, frame_means

__all__ = ["ChromaConfig"]


@dataclass(frozen=True, kw_only=True)
class ChromaConfig(FramesConfig):
    """A chroma map: twelve pitch classes a frame, C first, the loudest of a frame 1."""

    rows: ClassVar[int] = 12
    settings: str = "musicgen"
    """How it is measured: a name of `analysis.chroma.CHROMA_SETTINGS`."""

    def __post_init__(self) -> None:
        if self.settings not in CHROMA_SETTINGS:
            raise ValueError(
                f"unknown chroma settings {self.settings!r}; known: {', '.join(CHROMA_SETTINGS)}"
            )

    def measure_block(self, audio: Audio, edges: Tensor) -> Tensor:
        found = chroma(audio, self.settings)
        # Measured frames are centred on multiples of their hop, and so begin half a hop before.
        return frame_means(found.values, edges * found.frame_rate + 0.5)
