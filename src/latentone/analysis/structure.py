"""How a piece resembles itself: similarity matrix, repetition, boundaries.

Self-similarity and novelty are Foote's (*Visualizing Music and Audio using Self-Similarity*, 1999;
*Automatic Audio Segmentation using a Measure of Audio Novelty*, 2000); the lag of repetition is
the strongest diagonal, as in Goto, *A Chorus Section Detection Method*, 2006.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import Audio
from .onsets import pick_peaks
from .pitchgram import Pitchgram, fold, pitchgram
from .signal import frame_times

__all__ = ["Structure", "repetition", "self_similarity", "structure"]

FRAME_RATE = 2.0
KERNEL_SECONDS = 8.0
"""How far novelty looks to each side."""
NOVELTY = 0.02
"""What a boundary must stand out by, as a difference of mean cosines."""
HARMONY = 0.5
"""Norm of the pitch classes beside the octaves: who plays marks a section, chords come back."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """How a piece resembles itself."""

    similarity: Tensor
    """Cosine of every pair of frames, `(N, N)`, -1 to 1, symmetric; 0 in silence."""
    frame_rate: float
    """Frames per second; frame n is centred on n / frame_rate seconds."""
    repetition_seconds: float
    """The lag after which the piece is most like itself; 0 where nothing comes back."""
    repetition_strength: float
    """Mean cosine at that lag minus the mean at all lags, 0 to 2; 0 where nothing comes back."""
    boundaries: Tensor
    """Where sound and harmony change most, in seconds, ascending, float64 `(M,)`."""

    @property
    def times(self) -> Tensor:
        """Centres of the frames in seconds, float64 `(N,)`."""
        return frame_times(len(self.similarity), self.frame_rate)


def structure(
    audio: Audio, *, min_seconds: float = 3.0, max_seconds: float | None = None
) -> Structure:
    """Compare a piece with itself, by pitch classes and by the shape of its spectrum.

    Args:
        audio: any sound; channels are averaged. The matrix has `(2 duration)^2` entries.
        min_seconds: the shortest lag that counts as a repetition.
        max_seconds: the longest; half the duration when None, so that half of it comes back.

    Returns:
        Silence has a zero matrix; no samples an empty one.

    Raises:
        ValueError: a sample is not finite, or the lags are not in order.
    """
    longest = audio.duration / 2 if max_seconds is None else max_seconds
    if min_seconds <= 0 or (max_seconds is not None and max_seconds <= min_seconds):
        raise ValueError(
            f"expected 0 < min_seconds < max_seconds, got {min_seconds} and {max_seconds}"
        )
    pitches = pitchgram(audio, window_seconds=0.17, frame_rate=10.0)
    hop = max(1, round(pitches.frame_rate / FRAME_RATE))
    rate = pitches.frame_rate / hop
    similarity = self_similarity(_features(pitches, hop))
    lag, strength = repetition(similarity, max(1, round(min_seconds * rate)), round(longest * rate))
    return Structure(
        similarity=similarity,
        frame_rate=rate,
        repetition_seconds=lag / rate,
        repetition_strength=strength,
        boundaries=_boundaries(similarity, rate),
    )


def _features(pitches: Pitchgram, hop: int) -> Tensor:
    """Pitch classes and octaves, norms `HARMONY` and 1, `(19, N)`, averaged over `hop` frames."""
    values = pitches.compressed
    if not values.shape[1]:
        return values[:19]
    # A frame stands for as much before as after it.
    values = F.pad(values[None], (hop // 2, hop), mode="replicate")[0]
    values = values.unfold(1, hop, hop).mean(-1)[:, : 1 + (pitches.power.shape[1] - 1) // hop]
    parts = [fold(values), values.reshape(7, 12, -1).sum(1)]
    # What all frames share (tuning of the ear, the sound of the band) says nothing.
    parts = [part - part.mean(1, keepdim=True) for part in parts]
    classes, octaves = (part / (part.norm(dim=0) + 1e-6) for part in parts)
    return torch.cat([HARMONY * classes, octaves])


def self_similarity(features: Tensor) -> Tensor:
    """Cosine of every pair of frames, `(R, N)` to `(N, N)`; frames of zeros are like nothing."""
    norm = features.norm(dim=0)
    unit = features / norm.clamp_min(1e-9)
    unit = unit * (norm > 1e-3)
    return (unit.T @ unit).clamp(-1, 1)


def repetition(similarity: Tensor, shortest: int, longest: int) -> tuple[float, float]:
    """The lag at which a matrix is most like itself, in frames, and by how much.

    The mean of each diagonal minus the mean over lags from `shortest` on. Of lags that are nearly
    as good (within a tenth) the least counts: what returns after 8 bars returns after 16 too.

    Returns:
        `(0, 0)` where the range of lags is empty or no lag stands out.
    """
    count = len(similarity)
    longest = min(longest, count - 2)
    if longest - shortest < 2:
        return 0.0, 0.0
    means = torch.stack([similarity.diagonal(lag).mean() for lag in range(count - 1)]).double()
    stands = means - means[shortest : longest + 1].mean()
    inside = torch.zeros_like(stands, dtype=torch.bool)
    inside[shortest : longest + 1] = True
    inside[1:-1] &= (stands[1:-1] >= stands[:-2]) & (stands[1:-1] >= stands[2:])
    inside &= stands > 1e-6
    if not bool(inside.any()):
        return 0.0, 0.0
    best = float(stands[inside].max())
    lag = int((inside & (stands >= 0.9 * best)).nonzero()[0])
    before, here, after = stands[lag - 1 : lag + 2].tolist() if lag else (0.0, best, 0.0)
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < -1e-12 else 0.0
    return lag + max(-0.5, min(0.5, shift)), float(stands[lag])


def _boundaries(similarity: Tensor, rate: float) -> Tensor:
    """Peaks of novelty: how much likeness there is within both sides and not across."""
    count = len(similarity)
    half = min(round(KERNEL_SECONDS * rate), count // 2)
    if half < 2:
        return torch.zeros(0, dtype=torch.float64)
    side = torch.arange(-half, half).double() + 0.5
    taper = torch.exp(-0.5 * (2 * side / half).square())
    kernel = torch.outer(taper * side.sign(), taper * side.sign())
    kernel = (kernel / kernel.abs().sum()).to(similarity)
    # Beyond the edges the piece is taken to go on as it was: nothing new there.
    padded = F.pad(similarity[None, None], (half, half, half, half), mode="replicate")
    novelty = torch.stack(
        [
            (padded[0, 0, n : n + 2 * half, n : n + 2 * half] * kernel).sum()
            for n in range(count + 1)
        ]
    )
    found = pick_peaks(
        novelty.clamp_min(0), rate, threshold=NOVELTY, around_seconds=8.0, apart_seconds=3.0
    )
    # Index n lies between frames n - 1 and n.
    times = found.times - 0.5 / rate
    edge = 2.0
    return times[(times > edge) & (times < (count - 1) / rate - edge)].cpu()
