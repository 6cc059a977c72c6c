"""Whether the notes of one instrument sound like one instrument."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

import torch
from torch import Tensor
from torch.nn import functional as F

from ...analysis.signal import mono_signal
from ...audio import Audio

__all__ = [
    "consistency_of_distances",
    "identified_notes",
    "partials",
    "timbral_consistency",
    "timbre_distances",
]

PARTIALS = 16
REACH_SEMITONES = 4.0
WINDOW_SECONDS = 0.046
WINDOW_PERIODS = 8
"""A Hann window of eight periods tells partials apart."""
FLOOR_DB = -60.0
"""Partials are heard down to here, relative to the loudest of the note."""
SOUNDING_DB = -40.0


def partials(audio: Audio, pitch: float) -> Tensor:
    """Levels of the first partials of a note in dB, float64 `(K,)`; K is 16 or what fits.

    Partial k is all that lies nearer to k times the fundamental than to its neighbours, noise and
    inharmonic modes included. The dB are averaged over frames within 40 dB of the loudest.

    Args:
        audio: one note.
        pitch: its MIDI number: the one that is heard, where it is not the one that was asked for.

    Raises:
        ValueError: silence, a sample that is not finite, or a fundamental beyond half the sample
            rate.
    """
    x, rate = mono_signal(audio).cpu().double(), audio.sample_rate
    if not len(x) or float(x.abs().max()) < 1e-5:
        raise ValueError("a note that is silent has no timbre: leave it out")
    hz = 440 * 2 ** ((pitch - 69) / 12)
    count = min(PARTIALS, int(rate / 2 / hz - 0.5))
    if count < 1:
        raise ValueError(
            f"pitch {pitch:g} is {hz:.1f} Hz, too high for {rate} samples a second to hold"
        )
    n_fft = 2 ** ceil(log2(max(WINDOW_SECONDS * rate, WINDOW_PERIODS * rate / hz)))
    frames = F.pad(x, (n_fft // 2, n_fft)).unfold(0, n_fft, n_fft // 4)
    window = torch.hann_window(n_fft, dtype=x.dtype)
    power = torch.fft.rfft(frames * window).abs().square()
    loud = power.sum(1)
    power = power[loud >= 10 ** (SOUNDING_DB / 10) * loud.max()]
    number = (torch.arange(n_fft // 2 + 1) * rate / n_fft / hz + 0.5).floor()
    levels = torch.stack([power[:, number == k].sum(1) for k in range(1, count + 1)], 1)
    return (10 * torch.log10(levels + 10 ** (FLOOR_DB / 10) * levels.max())).mean(0)


def timbre_distances(levels: Sequence[Tensor]) -> Tensor:
    """Root mean square difference of the partials that two notes share, in dB, levels apart.

    Args:
        levels: `partials` of each note, `(K,)`, of unequal length perhaps.

    Returns:
        Of every pair, float64 `(N, N)`, symmetric, 0 on the diagonal.
    """
    longest = max(len(row) for row in levels)
    padded = torch.stack([F.pad(row, (0, longest - len(row))) for row in levels])
    exists = torch.stack([torch.arange(longest) < len(row) for row in levels])
    rows = []
    for own, there in zip(padded, exists, strict=True):
        shared = (exists & there).double()
        difference = (padded - own) * shared
        count = shared.sum(1)
        # The variance over partials: what both levels differ by does not count.
        variance = difference.square().sum(1) / count - (difference.sum(1) / count).square()
        rows.append(variance.clamp_min(0).sqrt())
    return torch.stack(rows)


def timbral_consistency(
    notes: Sequence[Audio],
    pitches: Sequence[float],
    instruments: Sequence[str] | None = None,
    *,
    reach: float = REACH_SEMITONES,
) -> dict[str, float]:
    """How alike neighbouring notes of an instrument sound, and how unlike those of others.

    Notes within `reach` semitones of each other are compared by `timbre_distances`: over so small
    an interval the levels of partials hardly change, whether the envelope stays where it is (the
    body of a guitar) or moves with the pitch (a filter that follows the keys). Takes of the same
    pitch are compared, too.

    It hears which partials are how strong on average. It cannot hear attack, decay and vibrato,
    nor whether an instrument turns into another over octaves, as each of its steps may be small. A
    note at another pitch than stated has its partials miscounted and seems another instrument.

    Args:
        notes: one note each, none silent.
        pitches: their MIDI numbers.
        instruments: whose they are; None takes all for one instrument.
        reach: semitones between neighbours at most.

    Returns:
        `within`, the mean distance of neighbours of the same instrument, averaged over instruments,
        in dB, lower is better; with several instruments that share a range, `across`, that of
        neighbours of different instruments, `margin` = across - within, higher is better, and
        `identified` in [0, 1], the share of notes whose nearest neighbour is of their own
        instrument, of those with neighbours of both kinds. What no notes answer is missing.

    Raises:
        ValueError: lists of unequal length, no notes, or see `partials`.
    """
    names = ["" for _ in notes] if instruments is None else list(instruments)
    if not notes or not len(notes) == len(pitches) == len(names):
        raise ValueError(
            f"expected a pitch and an instrument for each of one or more notes, got {len(notes)} "
            f"notes, {len(pitches)} pitches, {len(names)} instruments"
        )
    levels = [partials(note, pitch) for note, pitch in zip(notes, pitches, strict=True)]
    return consistency_of_distances(timbre_distances(levels), pitches, names, reach=reach)


def consistency_of_distances(
    distances: Tensor,
    pitches: Sequence[float],
    instruments: Sequence[str],
    *,
    reach: float = REACH_SEMITONES,
) -> dict[str, float]:
    """The numbers of `timbral_consistency`, from `timbre_distances` `(N, N)`."""
    near, own = _neighbours(pitches, instruments, reach)
    out: dict[str, float] = {}
    means = []
    for name in dict.fromkeys(instruments):
        mine = torch.tensor([other == name for other in instruments])
        pairs = near & own & mine[:, None]
        if bool(pairs.any()):
            means.append(float(distances[pairs].mean()))
    if means:
        out["within"] = sum(means) / len(means)
    if bool((near & ~own).any()):
        out["across"] = float(distances[near & ~own].mean())
    if len(out) == 2:
        out["margin"] = out["across"] - out["within"]
    right = identified_notes(distances, pitches, instruments, reach=reach)
    if not bool(right.isnan().all()):
        out["identified"] = float(right.nanmean())
    return out


def identified_notes(
    distances: Tensor,
    pitches: Sequence[float],
    instruments: Sequence[str],
    *,
    reach: float = REACH_SEMITONES,
) -> Tensor:
    """Whether the nearest neighbour of each note is of its own instrument.

    Returns:
        1 or 0, float64 `(N,)`; NaN for notes without neighbours of both kinds.
    """
    near, own = _neighbours(pitches, instruments, reach)
    both = (near & own).any(1) & (near & ~own).any(1)
    nearest = distances.masked_fill(~near, float("inf")).argmin(1)
    right = own[torch.arange(len(own)), nearest].double()
    return right.masked_fill(~both, float("nan"))


def _neighbours(
    pitches: Sequence[float], instruments: Sequence[str], reach: float
) -> tuple[Tensor, Tensor]:
    """Which pairs of notes are neighbours, and which of one instrument, bool `(N, N)` each."""
    at = torch.tensor(pitches, dtype=torch.float64)
    own = torch.tensor([[a == b for a in instruments] for b in instruments])
    return ((at[:, None] - at).abs() <= reach) & ~torch.eye(len(at), dtype=torch.bool), own
