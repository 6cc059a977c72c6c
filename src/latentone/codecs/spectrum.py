"""Log-magnitude and instantaneous frequency as latents: the representation of GANSynth.

Engel et al., "GANSynth: Adversarial Neural Audio Synthesis", 2019. Nothing is learned and, with
all bins kept, nothing is lost. Differs: values are scaled as in the paper but not clipped to
[-1, 1], which would lose the loudest and the faintest; frames lie evenly around the sound, where
GANSynth pads notes of four seconds on the left; bins are not gathered into mel bands, which could
not be undone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import AudioSource
from ..dsp.instantaneous import (
    from_instantaneous,
    instantaneous_frequency,
    integrate_frequency,
    to_instantaneous,
)
from ..dsp.stft import STFT
from ..spec import LatentSpec
from .base import Codec, CodecConfig, CodecOutput
from .long import Streams
from .long_decode import decode_windows, latent_pieces

__all__ = ["SpectrumCodec", "SpectrumConfig"]


@dataclass(frozen=True, kw_only=True)
class SpectrumConfig(CodecConfig):
    """Spectra as two real images; the default has GANSynth's high frequency resolution."""

    sample_rate: int = 16_000
    """Samples per second."""
    n_fft: int = 2048
    """Length of the Fourier transform and of its Hann window."""
    hop_length: int = 512
    """Samples between frames; half the window at most."""
    drop_dc: bool = False
    """Leave out the lowest bin, as GANSynth does, so that a power of two remain; of a constant,
    a third is left."""
    floor: float = 1e-6
    """Magnitude that is added before the logarithm."""
    magnitude_scale: float = 0.0661371661726
    """Factor on the log-magnitude, which brings it about into [-1, 1]."""
    magnitude_shift: float = 0.113718730221
    """What is added then."""
    frequency_scale: float = 0.8
    """Factor on the instantaneous frequency."""

    def __post_init__(self) -> None:
        if not 1 <= self.hop_length <= self.n_fft // 2:
            raise ValueError(
                f"hop_length must be in [1, n_fft / 2 = {self.n_fft // 2}], got {self.hop_length}"
            )
        for name in ("sample_rate", "floor", "magnitude_scale", "frequency_scale"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    @property
    def bins(self) -> int:
        """Bins that are kept."""
        return self.n_fft // 2 + 1 - self.drop_dc


class SpectrumCodec(Codec):
    """Mono audio `(B, 1, T)` to `(B, 2 * bins, ceil(T / hop_length))` and back.

    The first half of the channels are log-magnitudes, lowest bin first, the second half
    instantaneous frequencies; `latent.shape` is `(2, bins)`.
    """

    virtual = True
    config_class = SpectrumConfig
    config: SpectrumConfig

    def __init__(self, config: SpectrumConfig) -> None:
        super().__init__(config)
        self.source = AudioSource(sample_rate=config.sample_rate, channels=1)
        self.stft = STFT(config.n_fft, config.hop_length, padding="same")

    @property
    def frame_rate(self) -> float:
        return self.config.sample_rate / self.config.hop_length

    @property
    def latent_dim(self) -> int:
        return 2 * self.config.bins

    @property
    def latent(self) -> LatentSpec:
        """Continuous frames of shape `(2, bins)`."""
        return LatentSpec(
            kind="continuous",
            shape=(2, self.config.bins),
            frame_rate=self.frame_rate,
            fingerprint=self.fingerprint(),
        )

    @property
    def context(self) -> int:
        """What the window reaches over, and the frame before, whose phase is compared with."""
        config = self.config
        return -(-(config.n_fft - config.hop_length) // (2 * config.hop_length)) + 1

    def num_frames(self, num_samples: int) -> int:
        return -(-num_samples // self.config.hop_length)

    def num_samples(self, num_frames: int) -> int:
        return num_frames * self.config.hop_length

    def encode(self, x: Tensor) -> Tensor:
        """Scaled log-magnitudes and instantaneous frequencies of `x (B, 1, T)`.

        Raises:
            ValueError: not `(B, 1, T)` with at least one sample.
        """
        if x.dim() != 3 or x.shape[1] != 1 or x.shape[2] < 1:
            raise ValueError(f"expected audio (B, 1, T) with T at least 1, got {tuple(x.shape)}")
        config = self.config
        spectra = self.stft(x[:, 0])[:, int(config.drop_dc) :]
        magnitude, frequency = to_instantaneous(spectra, config.floor)
        magnitude = magnitude * config.magnitude_scale + config.magnitude_shift
        return torch.cat([magnitude, frequency * config.frequency_scale], dim=1)

    def decode(
        self,
        latents: Tensor,
        conditions: dict[str, Tensor] | None = None,
        gain: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Undo `encode`: `(B, 2 * bins, F)` to `(B, 1, F * hop_length)`; nothing is drawn.

        Raises:
            ValueError: conditions, a gain, or another number of channels.
        """
        if conditions or gain is not None:
            raise ValueError("a spectrum decodes alone, without conditions or gain")
        if latents.dim() != 3 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"expected latents (B, {self.latent_dim}, F), got {tuple(latents.shape)}"
            )
        config = self.config
        magnitude, frequency = latents.chunk(2, dim=1)
        magnitude = (magnitude - config.magnitude_shift) / config.magnitude_scale
        spectra = from_instantaneous(magnitude, frequency / config.frequency_scale, config.floor)
        spectra = F.pad(spectra, (0, 0, int(config.drop_dc), 0))
        return self.stft.inverse(spectra, self.num_samples(latents.shape[-1]))[:, None]

    @property
    def decode_obstacle(self) -> None:
        """None: `decode_long` carries the phase that instantaneous frequencies add up to."""
        return None

    def decode_long(
        self,
        pieces: Iterable[Streams],
        num_frames: int,
        chunk_frames: int,
        rng: torch.Generator | None = None,
    ) -> Iterator[Tensor]:
        """Decode by windows around the phase at their first frame; see `Codec.decode_long`."""
        for y in decode_windows(
            self._decode_phases,
            self._phases(latent_pieces(self, pieces, chunk_frames)),
            num_frames,
            context=self.context,
            hop=self.config.hop_length,
        ):
            yield y[0]

    def _phases(self, pieces: Iterator[Tensor]) -> Iterator[Tensor]:
        """Put phases in place of instantaneous frequencies, each piece on from the last."""
        before: Tensor | None = None  # half turns of the last frame
        for latents in pieces:
            magnitude, frequency = latents.chunk(2, dim=1)
            turns = frequency / self.config.frequency_scale
            if before is None:
                phase = integrate_frequency(turns)
            else:
                phase = integrate_frequency(torch.cat([before, turns], dim=-1))[..., 1:]
            before = phase[..., -1:] / pi
            yield torch.cat([magnitude, phase], dim=1)

    def _decode_phases(self, latents: Tensor, first: int) -> Tensor:
        """Decode a window whose second half of channels are phases."""
        magnitude, phase = latents.chunk(2, dim=1)
        frequency = instantaneous_frequency(phase) * self.config.frequency_scale
        return self.decode(torch.cat([magnitude, frequency], dim=1))

    def forward(self, batch: dict[str, Any]) -> CodecOutput:
        """Nothing to learn: no losses."""
        latents = self.encode(batch["x"])
        return CodecOutput({}, {}, latents, self.decode(latents)[..., : batch["x"].shape[-1]])

    def encode_path(self) -> tuple[Any, list[nn.Module]]:
        """The settings alone: nothing is learned."""
        return self.config, []
