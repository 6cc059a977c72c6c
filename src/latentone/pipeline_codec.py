"""What a pipeline does with a codec alone: sound in, sound out, in memory or from file to file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .audio import Audio, audio_info
from .codecs.base import Codec
from .codecs.long import reader_of
from .codecs.long_transfer import reconstruct_long, transfer_sound
from .pipeline_files import (
    Written,
    reconstruct_file,
    require_pieces,
    require_short,
    transfer_file,
)

__all__ = ["CodecVerbs"]

OnStep = Callable[[int, int], None]


class CodecVerbs:
    """The verbs of `Pipeline` that need no generator."""

    codecs: dict[str, Codec]

    @property
    def codec(self) -> Codec:
        """The codec whose sound is heard."""
        return self.codecs["acoustic"]

    @property
    def sample_rate(self) -> int:
        """Of all sound that comes out; whatever goes in is resampled."""
        return self.codec.source.sample_rate

    @property
    def channels(self) -> int:
        """Of all sound that comes out."""
        return self.codec.source.channels

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        first = next(self.codec.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def chance(self, seed: int | None) -> torch.Generator | None:
        """What decides chance on the models' device; None, to draw anew, without a seed."""
        return None if seed is None else torch.Generator(device=self.device).manual_seed(seed)

    @torch.no_grad()
    def reconstruct(
        self,
        audio: Audio | str | Path,
        *,
        num_codebooks: int | None = None,
        seed: int | None = None,
    ) -> Audio:
        """Encode and decode: what the codec keeps of a sound.

        Args:
            audio: any rate; resampled, and mapped to the codec's channels.
            num_codebooks: use only the first rows of a discrete codec; None uses all.
            seed: of a decoder that draws; None draws anew.

        Returns:
            As long as the input, at the codec's rate and channels; all of it in memory, where
            `reconstruct_file` goes from file to file in the memory of seconds.
        """
        x = self._take(audio, by_pieces=True)[0]
        rng, read, length = self.chance(seed), reader_of(x), x.shape[-1]
        pieces = reconstruct_long(self.codec, read, length, num_codebooks=num_codebooks, rng=rng)
        return self._give(torch.cat([y.float().cpu() for y in pieces], dim=-1), x.shape[-1])

    def reconstruct_file(
        self,
        source: str | Path,
        target: str | Path,
        *,
        seed: int | None = None,
        **how: Any,
    ) -> Written:
        """Reconstruct a file of any length into another, in the memory of seconds.

        Args:
            source: any format and rate.
            target: file to write.
            seed: of a decoder that draws; None draws anew.
            how: `num_codebooks`, `tags`, `on_step`: see `latentone.pipeline_files`.
        """
        return reconstruct_file(self.codec, source, target, rng=self.chance(seed), **how)

    @torch.no_grad()
    def transfer(
        self,
        audio: Audio | str | Path,
        other: Audio | str | Path | None = None,
        *,
        seed: int | None = None,
        **how: Any,
    ) -> Audio:
        """Send a sound through the codec, and change it on the way: timbre transfer.

        Args:
            audio: any rate; resampled, and mapped to the codec's channels.
            other: a second sound to mix in, or to go towards.
            seed: of a decoder that draws; None draws anew.
            how: `amount`, `mix`, `bias`, `scale`, `num_codebooks`, `loudness`: see
                `latentone.codecs.transfer.transfer`.

        Returns:
            As long as `audio`, at the codec's rate and channels.
        """
        x = self._take(audio, by_pieces=True)[0]
        second = None if other is None else self._take(other, by_pieces=True)[0]
        y = transfer_sound(self.codec, x, second, rng=self.chance(seed), **how)
        return self._give(y, x.shape[-1])

    def transfer_file(
        self,
        source: str | Path,
        target: str | Path,
        other: str | Path | None = None,
        *,
        seed: int | None = None,
        tags: Mapping[str, Any] | None = None,
        on_step: OnStep | None = None,
        **how: Any,
    ) -> Written:
        """Transfer a file of any length into another, in the memory of seconds.

        See `transfer`, and `latentone.pipeline_files.transfer_file`.
        """
        rng = self.chance(seed)
        return transfer_file(
            self.codec, source, target, other, rng=rng, tags=tags, on_step=on_step, **how
        )

    def _take(self, audio: Audio | str | Path, *, by_pieces: bool = False) -> Tensor:
        """Sound as `(1, C, T)` at the codec's rate and channels."""
        seconds = audio.duration if isinstance(audio, Audio) else audio_info(audio).duration
        if by_pieces:
            require_pieces(self.codec, seconds, "the sound")
        else:
            require_short(seconds, "the sound")
        if not isinstance(audio, Audio):
            return self.codec.source.load(audio)[None].to(self.device)
        audio = audio.resample(self.sample_rate)
        if self.channels == 1:
            audio = audio.to_mono()
        elif self.channels == 2:
            audio = audio.to_stereo()
        if audio.channels != self.channels:
            raise ValueError(f"expected {self.channels} channels, got {audio.channels}")
        if not audio.samples.shape[1]:
            raise ValueError("expected at least one sample, got an empty sound")
        if not bool(torch.isfinite(audio.samples).all()):
            raise ValueError("expected finite samples, got NaN or infinity")
        return audio.samples[None].to(self.device)

    def _give(self, x: Tensor, length: int) -> Audio:
        """Samples `(C, >= length)` as sound of exactly `length` samples."""
        if x.shape[-1] < length:
            raise RuntimeError(f"the codec decoded {x.shape[-1]} samples of {length}")
        return self.codec.source.render(x[:, :length].float())
