"""Does a sound hold a piece of another? Excerpts slid along whole sounds, and what is usual.

A `Trace` is what is compared: 40 mel bands and 12 pitch classes in dB, 50 frames a second. An
excerpt of 4 s is slid along the other sound. With x and y the two stretches, each band's mean over
the stretch taken off,

    r(lag) = sum x y / sqrt(sum x^2 sum y^2)

in [-1, 1]. A gain adds the same dB to all frames and falls out with the means; so does a fixed
filter. What is left is how the bands move together, which two takes of different music rarely
share for seconds, and a stretch that lies anywhere inside a longer sound is found where it lies.

Not caught: a copy at another pitch or speed, backwards, shorter than an excerpt, or under
something louder; and sound that hardly moves (a drone, hiss), which has nothing to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ..analysis import Chroma, ChromaSpec
from ..audio import Audio
from ..dsp.mel import Mel, MelSpec

__all__ = [
    "EXCERPT_SECONDS",
    "SIZES",
    "Match",
    "Trace",
    "best_match",
    "coarse_scores",
    "excerpt_seconds",
    "trace",
]

RATE, FRAME_RATE, COARSE = 24_000, 50, 5
"""Hz of the sound; frames a second; frames averaged where all sounds are searched."""
EXCERPT_SECONDS = 4.0
SIZES = (EXCERPT_SECONDS, EXCERPT_SECONDS / 2, EXCERPT_SECONDS / 4)
"""Seconds of an excerpt: the longest that both sounds hold; a shorter sound is not compared."""
MEL_BANDS, FLOOR_DB = 40, 50.0
"""Bands quieter than a sound's loudest by more than the floor count as silence."""
STEADY_DB = 2.0
"""RMS movement of the bands below which a stretch has nothing to compare."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """A sound as it is compared."""

    mel: Tensor
    """dB `(40, frames)`, from 0 at its loudest down to -50."""
    chroma: Tensor
    """dB `(12, frames)`, likewise."""

    @property
    def frames(self) -> int:
        return self.mel.shape[1]

    @property
    def seconds(self) -> float:
        return self.frames / FRAME_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The best place of any excerpt of one sound in another."""

    mel: float
    """Correlation of the mel bands there, -1 to 1; 0 where nothing moves."""
    chroma: float
    """Correlation of the pitch classes at the best place of their own."""
    at_seconds: float
    """Where the excerpt begins in the sound that is judged (of `mel`)."""
    there_seconds: float
    """Where it lies in the other."""
    seconds: float
    """Length of the excerpt; 0 where one of both is too short to compare."""


@cache
def _front() -> tuple[Mel, Chroma]:
    mel = Mel(
        MelSpec(
            sample_rate=RATE,
            n_fft=1024,
            hop_length=RATE // FRAME_RATE,
            n_mels=MEL_BANDS,
            f_min=60.0,
            norm="none",
        )
    )
    spec = ChromaSpec(sample_rate=RATE, n_fft=4096, hop_length=RATE // FRAME_RATE, normalized=False)
    return mel, Chroma(spec)


@torch.no_grad()
def trace(audio: Audio) -> Trace:
    """What is compared of a sound.

    Args:
        audio: any rate and channels.

    Raises:
        ValueError: samples that are not finite, or none.
    """
    x = audio.samples
    if not x.numel() or not bool(torch.isfinite(x).all()):
        raise ValueError("expected finite samples, one or more, to compare a sound with others")
    x = Audio(x.mean(0, keepdim=True), audio.sample_rate).resample(RATE).samples[0]
    mel, chroma = _front()
    bands, classes = mel(x), chroma(x)
    frames = min(bands.shape[-1], classes.shape[-1])
    # The mel bands are natural logarithms of amplitudes, the pitch classes powers.
    return Trace(
        mel=_floored(bands[:, :frames] * (20 / 2.302585092994046)),
        chroma=_floored(10 * classes[:, :frames].clamp_min(1e-12).log10()),
    )


def _floored(db: Tensor) -> Tensor:
    """Relative to the loudest; silence is 0 throughout, and so never moves."""
    return (db - db.max()).clamp_min(-FLOOR_DB)


def excerpt_seconds(a: Trace, b: Trace) -> float:
    """Length of the excerpts that two sounds are compared by; 0 where one is too short."""
    shorter = min(a.frames, b.frames)
    return next((s for s in SIZES if s * FRAME_RATE <= shorter), 0.0)


def best_match(sound: Trace, other: Trace) -> Match:
    """Slide every excerpt of a sound along another one, a frame (20 ms) at a time.

    Excerpts begin every half of their length, so one whose middle three quarters are copied is
    found as well as a whole one.
    """
    seconds = excerpt_seconds(sound, other)
    size = round(seconds * FRAME_RATE)
    if not size:
        return Match(mel=0.0, chroma=0.0, at_seconds=0.0, there_seconds=0.0, seconds=0.0)
    starts = _starts(sound.frames, size)
    found = [
        _correlations(_excerpts(x, starts, size), y, size)
        for x, y in ((sound.mel, other.mel), (sound.chroma, other.chroma))
    ]
    excerpt, lag = divmod(int(found[0].argmax()), found[0].shape[1])
    return Match(
        mel=float(found[0].max()),
        chroma=float(found[1].max()),
        at_seconds=starts[excerpt] / FRAME_RATE,
        there_seconds=lag / FRAME_RATE,
        seconds=seconds,
    )


def coarse_scores(sounds: Sequence[Trace], others: Sequence[Trace]) -> Tensor:
    """Which sounds are worth a closer look: mel correlations at 10 frames a second.

    Returns:
        The best of all excerpts and lags, `(sounds, others)`; -1 where one is too short.
    """
    pooled = [[_pooled(t.mel) for t in side] for side in (sounds, others)]
    sizes = [[_largest(t) for t in side] for side in (sounds, others)]
    scores = torch.full((len(sounds), len(others)), -1.0)
    for seconds in SIZES:
        size = round(seconds * FRAME_RATE / COARSE)
        rows = [i for i, s in enumerate(sizes[0]) if s >= seconds]
        if not rows:
            continue
        starts = [_starts(pooled[0][i].shape[1], size) for i in rows]
        bank = torch.cat(
            [_excerpts(pooled[0][i], s, size) for i, s in zip(rows, starts, strict=True)]
        )
        owner = torch.repeat_interleave(torch.tensor(rows), torch.tensor([len(s) for s in starts]))
        longest = torch.tensor(sizes[0])
        for j, other in enumerate(pooled[1]):
            # Both hold this size, and not both hold a longer one.
            fits = (longest >= seconds) & (
                torch.minimum(longest, longest.new_tensor(sizes[1][j])) == seconds
            )
            if not bool(fits.any()):
                continue
            chosen = fits[owner]
            best = _correlations(bank[chosen], other, size).amax(1)
            scores[:, j].scatter_reduce_(0, owner[chosen], best, "amax")
    return scores


def _largest(sound: Trace) -> float:
    return excerpt_seconds(sound, sound)


def _pooled(x: Tensor) -> Tensor:
    """Means of `COARSE` frames; what is left at the end is not heard."""
    frames = x.shape[1] // COARSE * COARSE
    return x[:, :frames].unflatten(1, (-1, COARSE)).mean(-1)


def _starts(frames: int, size: int) -> list[int]:
    """Where excerpts begin: every half of their length, and the last that fits."""
    starts = list(range(0, frames - size + 1, max(1, size // 2)))
    return starts if starts[-1] == frames - size else [*starts, frames - size]


def _excerpts(x: Tensor, starts: Sequence[int], size: int) -> Tensor:
    """Unit vectors `(excerpts, rows, size)` without their bands' means; zeros where steady."""
    parts = torch.stack([x[:, s : s + size] for s in starts])
    parts = parts - parts.mean(-1, keepdim=True)
    norm = parts.square().sum((1, 2), keepdim=True).sqrt()
    moves = norm > STEADY_DB * (x.shape[0] * size) ** 0.5
    return torch.where(moves, parts / norm.clamp_min(1e-9), torch.zeros_like(parts))


def _correlations(excerpts: Tensor, other: Tensor, size: int) -> Tensor:
    """`(excerpts, lags)`: products with unit vectors of no mean need only the other's energy."""
    stretches = other.unfold(1, size, 1).transpose(0, 1)  # (lags, rows, size)
    means = stretches.mean(-1, keepdim=True)
    energy = (stretches.square().sum((1, 2)) - size * means.square().sum((1, 2))).clamp_min(0)
    norm = energy.sqrt()
    products = excerpts.flatten(1) @ stretches.reshape(len(stretches), -1).T
    moves = norm > STEADY_DB * (other.shape[0] * size) ** 0.5
    return torch.where(moves, products / norm.clamp_min(1e-9), torch.zeros_like(products))
