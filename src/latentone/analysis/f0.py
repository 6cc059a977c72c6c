"""Fundamental frequency of one voice: probabilistic YIN.

De Cheveigné and Kawahara, *YIN, a fundamental frequency estimator for speech and music*, 2002;
Mauch and Dixon, *pYIN: a fundamental frequency estimator using probabilistic threshold
distributions*, 2014. Two things differ from the second paper: its hundred thresholds are a
continuum here, whose probabilities have a closed form (`_probabilities`), and the path through the
pitch grid is read out at the dip of the difference function that supports it, not at the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import Audio
from .signal import frame_times, mono_signal, require_frame_rate

__all__ = ["F0", "fundamental"]

BINS_PER_SEMITONE = 10
REACH_SEMITONES_PER_SECOND = 250
"""The fastest glide that a path can follow."""
SWITCH = 0.01
"""Probability that voicing begins or ends from one frame to the next."""
UNDECIDED = 0.01
"""What is left of the probability when no dip is deep enough."""
SILENCE = 1e-10
"""Mean square of a window below which nothing sounds (-100 dB)."""
BLOCK = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class F0:
    """The pitch of one voice over time."""

    hz: Tensor
    """Fundamental frequency in Hz, float64 `(N,)`; 0 where unvoiced."""
    voiced: Tensor
    """Whether a pitch is heard, bool `(N,)`."""
    probability: Tensor
    """How periodic each frame is by itself, 0 to 1, float64 `(N,)`."""
    frame_rate: float
    """Frames per second; frame n is centred on n / frame_rate seconds."""

    @property
    def times(self) -> Tensor:
        """Centres of the frames in seconds, float64 `(N,)`."""
        return frame_times(len(self.hz), self.frame_rate)

    @property
    def midi(self) -> Tensor:
        """MIDI numbers with fractions, `(N,)`; NaN where unvoiced."""
        midi = 69 + 12 * torch.log2(self.hz.clamp_min(1e-3) / 440)
        return midi.masked_fill(~self.voiced, math.nan)


def fundamental(
    audio: Audio, *, f_min: float = 65.4, f_max: float = 2093.0, frame_rate: float = 100.0
) -> F0:
    """Follow the fundamental frequency of a monophonic sound.

    Of several notes at once it finds one or none; use `chroma` there.

    Args:
        audio: one voice; channels are averaged. Notes above a twentieth of the sample rate are
            off by up to 8 cents, lower ones by less than 3.
        f_min: lowest frequency looked for, in Hz (C2). A window is two of its periods.
        f_max: highest, in Hz (C7).
        frame_rate: frames per second, rounded so that frames are whole samples apart.

    Returns:
        `1 + T // hop` frames; no samples give none. Silence is unvoiced.

    Raises:
        ValueError: a sample is not finite, or the range is not in 10 Hz <= f_min < f_max <=
            sample rate / 4.
    """
    rate = audio.sample_rate
    if not 10 <= f_min < f_max <= rate / 4:
        raise ValueError(
            f"f0 is looked for in 10 <= f_min < f_max <= {rate / 4:g} Hz, a quarter of the sample "
            f"rate, got {f_min} to {f_max}"
        )
    hop = require_frame_rate(rate, frame_rate)
    x = mono_signal(audio).double()
    if not len(x):
        empty = x.new_zeros(0)
        return F0(hz=empty, voiced=empty.bool(), probability=empty, frame_rate=rate / hop)
    shortest, longest = int(rate / f_max), math.ceil(rate / f_min) + 1
    # The first `longest` samples of a frame are compared with those a lag later: the middle of
    # both lies (longest + lag) / 2 into the frame. It is centred for a lag of a quarter.
    left = 5 * longest // 8
    frames = F.pad(x, (left, 2 * longest - left)).unfold(0, 2 * longest, hop)[: 1 + len(x) // hop]
    parts = [_candidates(block, shortest, longest, rate) for block in frames.split(BLOCK)]
    hz, probability = (torch.cat(part) for part in zip(*parts, strict=True))
    grid = _grid(f_min, f_max).to(x.device)
    path = _best_path(*_observe(hz, probability, grid), rate / hop)
    voiced = path >= 0
    return F0(
        hz=_read_out(hz, probability, grid, path),
        voiced=voiced,
        probability=probability.sum(-1).clamp(max=1),
        frame_rate=rate / hop,
    )


def _grid(f_min: float, f_max: float) -> Tensor:
    """Pitches in semitones above 440 Hz, `(P,)`."""
    low, high = (12 * math.log2(f / 440) * BINS_PER_SEMITONE for f in (f_min, f_max))
    return torch.arange(math.floor(low), math.ceil(high) + 1).double() / BINS_PER_SEMITONE


def _difference(frames: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """YIN's d(lag) and d'(lag), lags 0 to `longest`, `(N, longest + 1)`; frames `(N, 2 longest)`.

    d(lag) = sum_j (x_j - x_{j + lag})^2 over a window of W = longest samples
           = E(0) + E(lag) - 2 r(lag), E(lag) the energy of the window moved by the lag,
    and r comes from one product of spectra. d'(lag) is d over its mean up to that lag.
    """
    width = longest
    size = 2 ** math.ceil(math.log2(3 * width))
    spectrum = torch.fft.rfft(frames, size)
    window = torch.fft.rfft(frames[:, :width], size)
    r = torch.fft.irfft(window.conj() * spectrum, size)[:, : longest + 1]
    energy = F.pad(frames.square().cumsum(1), (1, 0))
    moved = energy[:, width:] - energy[:, : longest + 1]
    d = (moved[:, :1] + moved - 2 * r).clamp_min(0)
    d[:, 0] = 0
    lags = torch.arange(longest + 1, device=d.device)
    mean = d.cumsum(1) / lags.clamp_min(1)
    out = d / mean.clamp_min(1e-20)
    # Where all that was summed is below the rounding of E, the ratio says nothing.
    silent = frames.square().mean(1, keepdim=True) < SILENCE
    return d, torch.where(silent | (mean <= 1e-12 * moved[:, :1]), torch.ones_like(out), out)


def _candidates(frames: Tensor, shortest: int, longest: int, rate: int) -> tuple[Tensor, Tensor]:
    """Dips of the difference as frequencies in Hz and probabilities, both `(N, K)`."""
    plain, normalized = _difference(frames, longest)
    before, here, after = normalized[:, :-2], normalized[:, 1:-1], normalized[:, 2:]
    lags = torch.arange(1, longest, device=here.device)
    dip = (here < before) & (here <= after) & (here < 1) & (lags >= shortest)
    # The vertex of the parabola through three samples; its place from d, as the falling mean in
    # d' pulls short lags towards longer ones (6 cents at a twelfth of the sample rate).
    height = (here - 0.25 * (before - after) * _vertex(before, here, after)).clamp(0, 1)
    shift = _vertex(plain[:, :-2], plain[:, 1:-1], plain[:, 2:])
    probability = _probabilities(torch.where(dip, height, torch.ones_like(height)))
    best, index = probability.topk(min(12, probability.shape[1]), 1)
    return rate / (lags + shift).gather(1, index), best


def _vertex(before: Tensor, here: Tensor, after: Tensor) -> Tensor:
    curve = (before - 2 * here + after).clamp_min(1e-20)
    return (0.5 * (before - after) / curve).clamp(-0.5, 0.5)


def _probabilities(height: Tensor) -> Tensor:
    """The chance that each dip is the first below a random threshold, `(N, L)`.

    A threshold s has the density Beta(2, 18), whose distribution function is
    F(s) = 1 - (1 - s)^18 (1 + 18 s). Dip j is taken when h_j < s and no earlier dip lies below s,
    that is s <= m_j = min(h_1 ... h_{j-1}): with the probability F(m_j) - F(h_j) if positive.
    """
    lowest = torch.cummin(height, 1).values
    earlier = F.pad(lowest[:, :-1], (1, 0), value=1.0)
    probability = (_beta(earlier) - _beta(height)).clamp_min(0)
    deepest = height.argmin(1, keepdim=True)
    rest = UNDECIDED * _beta(height.gather(1, deepest)) * (height.gather(1, deepest) < 1)
    return probability.scatter_add(1, deepest, rest)


def _beta(s: Tensor) -> Tensor:
    return 1 - (1 - s) ** 18 * (1 + 18 * s)


def _observe(hz: Tensor, probability: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities `(N, P)` of the pitches when voiced, `(N,)` of each when unvoiced."""
    bins = ((12 * torch.log2(hz / 440) - grid[0]) * BINS_PER_SEMITONE).round().long()
    inside = (bins >= 0) & (bins < len(grid))
    voiced = grid.new_zeros(len(hz), len(grid))
    voiced.scatter_add_(1, bins.clamp(0, len(grid) - 1), probability * inside)
    unvoiced = (1 - voiced.sum(1)).clamp_min(1e-12) / len(grid)
    return voiced.clamp_min(1e-12).log(), unvoiced.log()


def _best_path(voiced: Tensor, unvoiced: Tensor, frame_rate: float) -> Tensor:
    """Viterbi over (voiced or not) x pitch: the grid index of each frame, -1 where unvoiced."""
    count, pitches = voiced.shape
    reach = max(1, round(REACH_SEMITONES_PER_SECOND / frame_rate * BINS_PER_SEMITONE))
    reach = min(reach, pitches - 1)
    steps = torch.arange(-reach, reach + 1, device=voiced.device)
    move = (reach + 1 - steps.abs()).double()
    move = (move / move.sum()).log()
    stay, switch = math.log(1 - SWITCH), math.log(SWITCH)
    # As if an unvoiced frame came before: one frame alone needs evidence, too.
    score = torch.stack([voiced[0] + switch, unvoiced[0].expand(pitches) + stay])
    came = torch.zeros(count, 2, pitches, dtype=torch.int16, device=voiced.device)
    own = torch.arange(pitches, device=voiced.device)
    for n in range(1, count):
        around = F.pad(score, (reach, reach), value=-math.inf).unfold(1, 2 * reach + 1, 1)
        best, step = (around + move).max(-1)
        origin = own + step - reach
        kept, changed = best + stay, best.flip(0) + switch
        turned = changed > kept
        # A state is row * pitches + pitch; rows are voiced and unvoiced.
        row = torch.tensor([[0], [1]], device=voiced.device)
        came[n] = torch.where(turned, (1 - row) * pitches + origin.flip(0), row * pitches + origin)
        score = torch.where(turned, changed, kept)
        score = score + torch.stack([voiced[n], unvoiced[n].expand(pitches)])
    state = int(score.flatten().argmax())
    path = torch.empty(count, dtype=torch.long)
    back = came.flatten(1).cpu()
    for n in range(count - 1, -1, -1):
        path[n] = state if state < pitches else -1
        state = int(back[n, state])
    return path.to(voiced.device)


def _read_out(hz: Tensor, probability: Tensor, grid: Tensor, path: Tensor) -> Tensor:
    """The candidate nearest to the path, or the path where none is within a semitone, in Hz."""
    centre = 440 * 2 ** (grid[path.clamp_min(0)] / 12)
    away = torch.log2(hz / centre[:, None]).abs().masked_fill(probability <= 0, math.inf)
    distance, index = away.min(1)
    found = hz.gather(1, index[:, None])[:, 0]
    out = torch.where(distance < 1 / 12, found, centre)
    return torch.where(path >= 0, out, torch.zeros_like(out))
