"""Energy per pitch class over time, and the melody as its loudest pitch class.

`CHROMA_SETTINGS` names how others compute it: `musicgen` (Copet et al., *Simple and Controllable
Music Generation*, 2023: long windows, separated stems are theirs to hand over) and
`music_controlnet` (Wu et al., 2023: high-passed at middle C, short windows).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import Audio
from ..dsp.stft import STFT
from .signal import frame_times, mono_signal

__all__ = [
    "CHROMA_SETTINGS",
    "Chroma",
    "ChromaSpec",
    "Chromagram",
    "Melody",
    "chroma",
    "chroma_filterbank",
    "melody",
    "one_hot",
]

SILENCE = 1e-8
"""Power of all pitch classes below which a frame has no melody, for a full-scale sine of 1."""


@dataclass(frozen=True, kw_only=True)
class ChromaSpec:
    """All settings of a chromagram."""

    sample_rate: int
    """Of the audio, in Hz."""
    n_fft: int = 16384
    """Length of the Fourier transform and of its window, in samples."""
    hop_length: int = 4096
    """Samples between frames."""
    high_pass_hz: float | None = None
    """Corner of a second-order Butterworth high-pass, applied to the spectrum; None has none."""
    normalized: bool = True
    """Divide each frame by its largest pitch class; silent frames stay zero."""

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "hop_length"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.high_pass_hz is not None and not 0 < self.high_pass_hz < self.sample_rate / 2:
            raise ValueError(
                f"high_pass_hz must lie below {self.sample_rate / 2:g} Hz, got {self.high_pass_hz}"
            )

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length


CHROMA_SETTINGS: dict[str, ChromaSpec] = {
    "musicgen": ChromaSpec(sample_rate=32000),
    "music_controlnet": ChromaSpec(
        sample_rate=44100, n_fft=2048, hop_length=256, high_pass_hz=261.2
    ),
}
"""Published settings by name; sound is resampled to their rate."""


class Chroma(nn.Module):
    """Chromagram of a `ChromaSpec`: power spectra, summed by pitch class; differentiable.

    Frame t is centred on sample `t * hop_length`; outside the signal is silence. C is row 0.

    Shape:
        Input `(..., T)`; output `(..., 12, 1 + T // hop_length)`.
    """

    filterbank: Tensor
    response: Tensor

    def __init__(self, spec: ChromaSpec) -> None:
        super().__init__()
        self.spec = spec
        self.stft = STFT(spec.n_fft, spec.hop_length)
        self.register_buffer(
            "filterbank", chroma_filterbank(spec.sample_rate, spec.n_fft).float(), persistent=False
        )
        # |H(f)|^2 of a Butterworth filter of order 2 is 1 / (1 + (corner / f)^4).
        hz = torch.arange(spec.n_fft // 2 + 1).double() * spec.sample_rate / spec.n_fft
        corner = 0.0 if spec.high_pass_hz is None else spec.high_pass_hz
        response = 1 / (1 + (corner / hz.clamp_min(1e-9)) ** 4)
        self.register_buffer("response", response.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # A full-scale sine has the power 1 in its bin.
        spectra = torch.view_as_real(self.stft(x)) * (2 / self.stft.window.sum())
        power = spectra.square().sum(-1) * self.response.to(x.dtype)[:, None]
        raw = self.filterbank.to(x.dtype) @ power
        if not self.spec.normalized:
            return raw
        loudest = raw.amax(-2, keepdim=True)
        heard = loudest > SILENCE
        return torch.where(heard, raw / loudest.clamp_min(SILENCE), torch.zeros_like(raw))


@dataclass(frozen=True, kw_only=True, eq=False)
class Chromagram:
    """Pitch classes over time."""

    values: Tensor
    """`(12, N)`, C first: 0 to 1 when normalised, else power."""
    frame_rate: float
    """Frames per second; frame n is centred on n / frame_rate seconds."""
    spec: ChromaSpec = field(repr=False)

    @property
    def times(self) -> Tensor:
        """Centres of the frames in seconds, float64 `(N,)`."""
        return frame_times(self.values.shape[1], self.frame_rate)


@dataclass(frozen=True, kw_only=True, eq=False)
class Melody:
    """The loudest pitch class of every frame."""

    pitch_classes: Tensor
    """int64 `(N,)`, 0 is C; -1 in silence."""
    frame_rate: float
    """Frames per second."""

    @property
    def one_hot(self) -> Tensor:
        """`(12, N)`, a single 1 in each frame that sounds, zeros in silence."""
        silent = self.pitch_classes < 0
        hot = F.one_hot(self.pitch_classes.clamp_min(0), 12).T.float()
        return hot.masked_fill(silent, 0)


def _spec(audio: Audio, settings: str | ChromaSpec) -> ChromaSpec:
    if isinstance(settings, ChromaSpec):
        return settings
    if settings not in CHROMA_SETTINGS:
        raise ValueError(
            f"unknown chroma settings {settings!r}; known: {', '.join(CHROMA_SETTINGS)}, or hand "
            "over a ChromaSpec"
        )
    return CHROMA_SETTINGS[settings]


def chroma(audio: Audio, settings: str | ChromaSpec = "musicgen") -> Chromagram:
    """Compute a chromagram.

    Args:
        audio: any sound; channels are averaged, and the rate is changed to the settings'.
        settings: a name of `CHROMA_SETTINGS`, or a spec.

    Returns:
        `1 + T // hop_length` frames of the resampled sound; no samples give none.

    Raises:
        ValueError: a sample is not finite, or the settings are unknown.
    """
    spec = _spec(audio, settings)
    x = mono_signal(audio)
    if not len(x):
        return Chromagram(values=x.new_zeros(12, 0), frame_rate=spec.frame_rate, spec=spec)
    x = Audio(x[None], audio.sample_rate).resample(spec.sample_rate).samples[0]
    values = Chroma(spec).to(x.device)(x)
    return Chromagram(values=values, frame_rate=spec.frame_rate, spec=spec)


def melody(audio: Audio, settings: str | ChromaSpec = "musicgen") -> Melody:
    """The melody as controls of generators have it: one pitch class a frame.

    Hand over a stem without drums and bass for what MusicGen calls melody.

    Raises:
        ValueError: see `chroma`.
    """
    found = chroma(audio, settings)
    loudest, classes = (
        found.values.max(0)
        if found.values.numel()
        else (found.values.new_zeros(0), torch.zeros(0, dtype=torch.long))
    )
    floor = 0.0 if found.spec.normalized else SILENCE
    return Melody(
        pitch_classes=classes.masked_fill(loudest <= floor, -1), frame_rate=found.frame_rate
    )


def one_hot(values: Tensor) -> Tensor:
    """A 1 at the largest pitch class of each frame, `(..., 12, N)`.

    This is the conditioning tensor of MusicGen's published weights, which take silence for C: all
    pitch classes are equal then, and the first one wins. `Melody.one_hot` leaves silence empty.
    """
    return torch.zeros_like(values).scatter(-2, values.argmax(-2, keepdim=True), 1.0)


def chroma_filterbank(sample_rate: int, n_fft: int) -> Tensor:
    """Weights of the bins in each pitch class, float64 `(12, n_fft // 2 + 1)`, C first.

    Ellis's (*Chroma feature analysis and synthesis*, 2007), which librosa has too: bin k lies
    p_k = 12 log2(f_k / 27.5 Hz) semitones above A0. It counts for a pitch class at the distance d
    on the circle of twelve as exp(-(2 d / w_k)^2 / 2), w_k the distance of neighbouring bins but
    at least a semitone, so the low bins that cannot tell semitones apart are spread over several.
    Each bin's weights then have the norm 1, times exp(-((p_k / 12 - 5) / 2)^2 / 2): octaves count
    less the further they lie from A5. Bin 0 is taken as one and a half octaves below bin 1.
    """
    if sample_rate < 1 or n_fft < 2:
        raise ValueError(f"expected a rate and n_fft of 2 or more, got {sample_rate}, {n_fft}")
    k = torch.arange(1, n_fft, dtype=torch.float64)
    above = 12 * torch.log2(k * sample_rate / n_fft / 27.5)
    above = torch.cat([above[:1] - 18, above])
    width = torch.cat([above.diff().clamp_min(1), torch.ones(1, dtype=torch.float64)])
    distance = above - torch.arange(12, dtype=torch.float64)[:, None]
    distance = torch.remainder(distance + 6, 12) - 6
    weights = torch.exp(-0.5 * (2 * distance / width).square())
    weights = weights / weights.norm(dim=0, keepdim=True)
    weights = weights * torch.exp(-0.5 * ((above / 12 - 5) / 2).square())
    # Row 0 is A here; C lies three semitones up.
    return weights.roll(-3, 0)[:, : n_fft // 2 + 1].contiguous()
