"""The settings of EnCodec, and those of its published models.

Defossez, Copet, Synnaeve, Adi, "High Fidelity Neural Audio Compression", 2022; the 32 kHz and
16 kHz models come from MusicGen (Copet et al., 2023) and AudioGen (Kreuk et al., 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import floor, log2

from ..networks.seanet import SEANetConfig
from ..nn.conv import PadMode
from .base import CodecConfig
from .segments import Segments

__all__ = ["EnCodecConfig", "encodec_16khz", "encodec_24khz", "encodec_32khz", "encodec_48khz"]


@dataclass(frozen=True, kw_only=True)
class EnCodecConfig(CodecConfig):
    """An EnCodec; the default is the 24 kHz model."""

    sample_rate: int = 24_000
    """Samples per second."""
    seanet: SEANetConfig = field(default_factory=SEANetConfig)
    """Encoder and decoder."""
    num_codebooks: int = 32
    """Codebooks in the residual chain."""
    codebook_size: int = 1024
    """Entries of each codebook."""
    codebook_choices: tuple[int, ...] = ()
    """Numbers of codebooks to draw from for each training batch; empty always takes all."""
    ema_decay: float = 0.99
    """Decay of the codebooks' running averages."""
    restart_below: float = 0.1
    """Fraction of the mean use under which a code restarts from a random latent."""
    kmeans_iterations: int = 50
    """K-means iterations that place the codes on the first training batch."""
    segment_seconds: float | None = None
    """Length of the segments that long audio is cut into; None for one piece."""
    overlap: float = 0.01
    """Share of a segment that the next one repeats."""
    normalize: bool = False
    """Whether each segment is divided by its level, which is kept as `gain`."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "num_codebooks", "codebook_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        wrong = [n for n in self.codebook_choices if not 1 <= n <= self.num_codebooks]
        if wrong:
            raise ValueError(f"codebook_choices must be in 1..{self.num_codebooks}, got {wrong}")
        _ = self.segments

    @property
    def segments(self) -> Segments | None:
        """How long audio is cut, or None."""
        if self.segment_seconds is None:
            return None
        length = int(self.segment_seconds * self.sample_rate)
        return Segments(length, int((1 - self.overlap) * length), self.seanet.hop_length)

    @property
    def frame_rate(self) -> float:
        """Latent frames per second inside a segment."""
        return self.sample_rate / self.seanet.hop_length

    def bandwidth(self, num_codebooks: int) -> float:
        """Bit rate of so many codebooks in kbit/s, without entropy coding."""
        return num_codebooks * self.frame_rate * log2(self.codebook_size) / 1000

    def codebooks_for(self, bandwidth: float) -> int:
        """Codebooks that fit into a bit rate in kbit/s.

        Raises:
            ValueError: not even one fits, or it asks for more than there are.
        """
        count = floor(round(bandwidth / self.bandwidth(1), 9))
        if not 1 <= count <= self.num_codebooks:
            raise ValueError(
                f"expected {self.bandwidth(1):g} to {self.bandwidth(self.num_codebooks):g} kbit/s, "
                f"got {bandwidth:g}"
            )
        return count


def encodec_24khz(pad_mode: PadMode = "constant") -> EnCodecConfig:
    """Mono, causal, 75 frames per second, 1.5 to 24 kbit/s; published weights pad "reflect"."""
    seanet = SEANetConfig(pad_mode=pad_mode)
    return EnCodecConfig(seanet=seanet, codebook_choices=(2, 4, 8, 16, 32))


def encodec_48khz(pad_mode: PadMode = "reflect") -> EnCodecConfig:
    """Stereo in normalised segments of one second, 150 frames per second, 3 to 24 kbit/s."""
    return EnCodecConfig(
        sample_rate=48_000,
        seanet=SEANetConfig(channels=2, causal=False, norm="time_group_norm", pad_mode=pad_mode),
        num_codebooks=16,
        codebook_choices=(2, 4, 8, 16),
        segment_seconds=1.0,
        normalize=True,
    )


def encodec_32khz(pad_mode: PadMode = "reflect") -> EnCodecConfig:
    """The codec of MusicGen: mono, 50 frames per second, 2.2 kbit/s."""
    seanet = SEANetConfig(
        num_filters=64,
        ratios=(8, 5, 4, 4),
        causal=False,
        conv_shortcut=False,
        pad_mode=pad_mode,
    )
    return EnCodecConfig(sample_rate=32_000, seanet=seanet, num_codebooks=4, codebook_size=2048)


def encodec_16khz(pad_mode: PadMode = "reflect") -> EnCodecConfig:
    """The codec of AudioGen: mono, 50 frames per second, 2.2 kbit/s."""
    config = encodec_32khz(pad_mode)
    return replace(config, sample_rate=16_000, seanet=replace(config.seanet, ratios=(8, 5, 4, 2)))
