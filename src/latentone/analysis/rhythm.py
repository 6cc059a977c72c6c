"""Tempo, beats and bars.

Tempo: peaks of the autocorrelation of the onset strength. Beats: Ellis, *Beat Tracking by Dynamic
Programming*, 2007. Bars: of all groupings into three or four, the one whose first beats carry most
change of harmony (Goto, *An audio-based real-time beat tracking system*, 2001) and most bass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..audio import Audio
from .onsets import OnsetStrength, onset_strength
from .pitchgram import Pitchgram, fold, pitchgram

__all__ = ["Rhythm", "rhythm", "tempo_of", "track_beats"]

USUAL_BPM = 110.0
USUAL_OCTAVES = 1.0
"""Width of the preference for the usual tempo, as a standard deviation in octaves."""
MULTIPLES = {0.25: 0.3, 0.5: 0.1, 1.0: 1.0, 2.0: 0.5, 4.0: 0.2}
"""How much similarity at a multiple of the beat speaks for it: parts of it, and two and four."""
TIGHTNESS = 300.0
"""Cost of leaving the tempo, per squared natural logarithm of the ratio of intervals."""
BASS, STROKE = 1.0, 0.3
"""What a rise of the low band and of all bands counts for a downbeat, beside change of harmony."""
REACH = 3
"""Frames to both sides of a beat in which its stroke is looked for."""
SHORTEST_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Rhythm:
    """When the beats fall."""

    bpm: float
    """Beats per minute, from the usual distance of beats; 0 where there is no pulse."""
    beats: Tensor
    """Seconds, ascending, float64 `(K,)`."""
    downbeats: Tensor
    """The beats that begin a bar, float64 `(J,)`."""
    beats_per_bar: int
    """3 or 4; 0 where there is no pulse."""
    pulse: float
    """Autocorrelation of the onset strength at the beat, -1 to 1: near 0 there is hardly one."""


def rhythm(audio: Audio, *, bpm: float | None = None) -> Rhythm:
    """Track beats and bars of music with a steady tempo.

    Args:
        audio: any sound; channels are averaged.
        bpm: the tempo, where it is known; None estimates it from 40 to 240. Half or double the
            tempo that people would count is the commonest error.

    Returns:
        No beats for silence and for sound shorter than a second.

    Raises:
        ValueError: a sample is not finite, or `bpm` is not positive.
    """
    if bpm is not None and not 0 < bpm < 1000:
        raise ValueError(f"bpm must be in (0, 1000), got {bpm}")
    onsets = onset_strength(audio)
    strength = onsets.strength.detach().cpu().double().numpy()
    if audio.duration < SHORTEST_SECONDS or strength.max(initial=0.0) <= 0:
        none = torch.zeros(0, dtype=torch.float64)
        return Rhythm(bpm=0.0, beats=none, downbeats=none, beats_per_bar=0, pulse=0.0)
    found, pulse = tempo_of(strength, onsets.frame_rate, bpm)
    bands = onsets.bands.detach().cpu().double().numpy()
    accent = np.sum([_standard(band) for band in bands], axis=0)
    beats = torch.from_numpy(track_beats(accent - accent.min(), onsets.frame_rate, found))
    size, first = _bars(beats, onsets, pitchgram(audio, window_seconds=0.17, frame_rate=50.0))
    return Rhythm(
        bpm=60 / _interval(beats, 60 / found),
        beats=beats,
        downbeats=beats[first::size],
        beats_per_bar=size,
        pulse=pulse,
    )


def _interval(beats: Tensor, expected: float) -> float:
    """The mean distance of beats among those within a tenth of their median, in seconds."""
    if len(beats) < 2:
        return expected
    distances = beats.diff()
    middle = distances.median()
    return float(distances[(distances / middle - 1).abs() < 0.1].mean())


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / (x.std() + 1e-9)


def tempo_of(
    strength: np.ndarray, frame_rate: float, bpm: float | None = None
) -> tuple[float, float]:
    """The tempo of an onset strength `(N,)`, and its autocorrelation at the beat.

    A tempo scores by the autocorrelation at `MULTIPLES` of its beat, times a log-normal preference
    for 110 BPM.

    Args:
        strength: any curve that rises where something begins, two frames or more, not constant.
        frame_rate: its frames per second.
        bpm: the tempo, where only the autocorrelation is asked for.
    """
    count = len(strength)
    centred = strength - strength.mean()
    spectrum = np.abs(np.fft.rfft(centred, 2 ** math.ceil(math.log2(2 * count)))) ** 2
    similar = np.fft.irfft(spectrum)[:count]
    # Fewer frames overlap at longer lags; the last fifth of them is too noisy to make up for.
    overlap = np.maximum(1 - np.arange(count) / count, 0.2)
    similar = similar / max(similar[0], 1e-20) / overlap

    def at(beat: np.ndarray | float) -> np.ndarray:
        return np.interp(beat, np.arange(count), similar, right=0.0)

    if bpm is None:
        tempi = 40.0 * 2 ** (np.arange(0, round(48 * math.log2(6)) + 1) / 48)
        beat = 60 * frame_rate / tempi
        score = sum(weight * at(multiple * beat) for multiple, weight in MULTIPLES.items())
        usual = np.exp(-0.5 * (np.log2(tempi / USUAL_BPM) / USUAL_OCTAVES) ** 2)
        bpm = float(tempi[np.argmax(np.maximum(score, 0) * usual)])
    return bpm, float(np.clip(at(60 * frame_rate / bpm), -1, 1))


def track_beats(strength: np.ndarray, frame_rate: float, bpm: float) -> np.ndarray:
    """Beats in seconds that fall on onsets and keep the tempo, float64 `(K,)`.

    Maximises sum_k e(b_k) - TIGHTNESS sum_k log^2((b_k - b_{k-1}) / beat), e the strength with
    standard deviation 1, blurred by a thirty-second of a beat.
    """
    beat = 60 * frame_rate / bpm
    width = np.arange(-math.ceil(beat), math.ceil(beat) + 1)
    blurred = np.convolve(strength, np.exp(-0.5 * (32 * width / beat) ** 2))
    blurred = blurred[len(width) // 2 :][: len(strength)]
    blurred = blurred / (blurred.std() + 1e-9)
    lags = np.arange(max(1, round(beat / 2)), max(2, round(2 * beat)) + 1)
    cost = TIGHTNESS * np.log(lags / beat) ** 2
    count, longest = len(strength), int(lags[-1])
    # Before the first beat lies a stretch of zeros that a path may begin from.
    best = np.zeros(longest + count)
    origin = np.full(count, -1)
    for n in range(count):
        chain = best[n + longest - lags] - cost
        k = int(np.argmax(chain))
        best[n + longest] = blurred[n] + chain[k]
        origin[n] = n - lags[k]
    n = count - 1
    tail = min(count, max(1, round(beat)))
    n = count - tail + int(np.argmax(best[longest + count - tail :]))
    beats = []
    while n >= 0:
        beats.append(n)
        n = int(origin[n])
    return np.array(beats[::-1], dtype=np.float64) / frame_rate


def _bars(beats: Tensor, onsets: OnsetStrength, pitches: Pitchgram) -> tuple[int, int]:
    """Beats in a bar, and the index of the first downbeat."""
    if len(beats) < 8:
        return 4, 0
    chroma = pitches.mean_between(fold(pitches.compressed), beats).double().cpu()
    chroma = chroma / chroma.norm(dim=0, keepdim=True).clamp_min(1e-9)
    # Row n holds the beats n - 1 and n: a chord lasts for two beats or more.
    pairs = F.pad(chroma[None], (1, 1), mode="replicate")[0].unfold(1, 2, 1).sum(-1)
    change = torch.zeros(len(beats), dtype=torch.float64)
    change[1:-1] = 1 - torch.cosine_similarity(pairs[:, 2:], pairs[:, :-2], dim=0)
    cue = change / change.std().clamp_min(1e-9)
    index = (beats * onsets.frame_rate).round().long().clamp(0, len(onsets.strength) - 1)
    for weight, rise in ((BASS, onsets.bands[0]), (STROKE, onsets.strength)):
        rise = rise.double().cpu()
        near = F.max_pool1d(rise[None, None], 2 * REACH + 1, 1, REACH)[0, 0, index]
        cue = cue + weight * near / rise.std().clamp_min(1e-9)
    scores = {}
    for size in (4, 3):
        for first in range(size):
            on = torch.arange(len(beats)) % size == first
            scores[size, first] = float(cue[on].mean() - cue[~on].mean())
    return max(scores, key=lambda option: scores[option])
