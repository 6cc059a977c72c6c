"""From a piece to sound: recorded instruments where they are installed, synthesis everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..instruments import fluidsynth
from ..instruments.mix import block_dc, level
from .piece import TAIL_SECONDS, Piece

__all__ = ["Renderer", "choose_renderer"]


@dataclass(frozen=True, kw_only=True)
class Renderer:
    """Plays pieces; the same piece gives the same samples."""

    sample_rate: int
    """Hz."""
    channels: int
    """1 or 2."""
    soundfont: Path | None = None
    """Recorded instruments; None synthesises."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 2):
            raise ValueError(f"a corpus has 1 or 2 channels, got {self.channels}")
        if not 8000 <= self.sample_rate <= 96000:
            raise ValueError(f"a corpus is rendered at 8000 to 96000 Hz, got {self.sample_rate}")

    @property
    def instruments(self) -> str:
        """What plays, for people and provenance."""
        return f"FluidSynth, {self.soundfont.name}" if self.soundfont else "latentone.instruments"

    def render(self, piece: Piece) -> np.ndarray:
        """Render a whole piece to `(C, T)` float32 at -20 dB RMS, peaks at most -1 dB."""
        stereo = self._play(piece)
        x = stereo if self.channels == 2 else stereo.mean(axis=0, keepdims=True)
        return level(block_dc(x, self.sample_rate))

    def _play(self, piece: Piece) -> np.ndarray:
        if self.soundfont is None:
            from ..instruments.ensemble import render_score

            return render_score(piece.score, sample_rate=self.sample_rate, tail=TAIL_SECONDS)
        if piece.midi is not None:
            return fluidsynth.render_midi_file(
                piece.midi,
                soundfont=self.soundfont,
                sample_rate=self.sample_rate,
                duration=piece.duration,
            )
        return fluidsynth.render_score(
            piece.score, soundfont=self.soundfont, sample_rate=self.sample_rate, tail=TAIL_SECONDS
        )


def choose_renderer(
    *,
    sample_rate: int,
    channels: int,
    recorded: Literal["auto", "yes", "no"] = "auto",
    soundfont: Path | None = None,
) -> tuple[Renderer, str]:
    """Decide what plays.

    Args:
        sample_rate: Hz.
        channels: 1 or 2.
        recorded: `yes` insists on FluidSynth, `no` on synthesis, `auto` takes what is there.
        soundfont: a SoundFont of one's own; None finds an installed one.

    Returns:
        The renderer, and why it was chosen, for people.

    Raises:
        ValueError: recorded instruments were asked for and something is missing.
    """
    if recorded == "no":
        if soundfont is not None:
            raise ValueError(
                "a SoundFont needs FluidSynth: leave out --soundfont or --fluidsynth no"
            )
        return Renderer(sample_rate=sample_rate, channels=channels), "as asked for"
    problem = fluidsynth.missing(soundfont)
    if problem is None:
        found = soundfont or fluidsynth.find_soundfont()
        renderer = Renderer(sample_rate=sample_rate, channels=channels, soundfont=found)
        return renderer, "recorded instruments"
    if recorded == "yes" or soundfont is not None:
        raise ValueError(f"recorded instruments are not available: {problem}")
    return Renderer(sample_rate=sample_rate, channels=channels), problem
