"""What happens at one moment: a jump of the wave, a change of the spectrum, and what is usual.

For splices, for the borders of chunked generation, and for the wrap of a loop.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ...dsp.mel import MelSpec, mel_filterbank

__all__ = ["Flux", "flux_at", "jump_ratio"]

WINDOW_SECONDS = 0.046
AROUND_SECONDS = 0.05
"""How far the usual step of samples is looked for, to both sides."""
FLOOR_DB = -50.0
"""Bands are heard down to here, relative to the loudest band of the sound."""
LEAST_STEP = 2.0**-15
"""Steps below one of 16 bits are none."""


class Flux(NamedTuple):
    """Change of the spectrum at one moment."""

    ratio: float
    """Over the median of all other moments; about 1 where nothing happens."""
    rank: float
    """Share of all other moments with less change, 0 to 1."""


def jump_ratio(x: Tensor, index: int, rate: int, *, circular: bool = False) -> float:
    """How far the wave jumps onto sample `index`, over its usual steps close by.

    The step |x[n] - x[n - 1]|, mean over channels, over the median of the steps within 50 ms, or
    over that of one bit of 16 where this is larger.

    Args:
        x: `(C, T)`.
        index: in [1, T); 0, too, where the sound goes round.
        rate: samples per second.
        circular: the last sample is followed by the first.

    Returns:
        0 or more, around 1 for a wave that goes on; 0 in silence.

    Raises:
        ValueError: the index is not inside, or there are fewer than three samples.
    """
    count = x.shape[1]
    if count < 3 or not (0 if circular else 1) <= index < count:
        raise ValueError(
            f"expected an index inside of three samples or more, got {index} of {count}"
        )
    reach = min(max(2, round(AROUND_SECONDS * rate)), count // 2)
    steps = (x - x.roll(1, 1)).abs().double().mean(0)
    at = torch.arange(index - reach, index + reach + 1)
    if circular:
        at = at % count
    else:
        # The step onto sample 0 comes from nowhere.
        at = at[(at > 0) & (at < count)]
    others = at[at != index]
    usual = max(float(steps[others].median()), LEAST_STEP)
    return float(steps[index]) / usual


def flux_at(x: Tensor, index: int, rate: int, *, circular: bool = False) -> Flux | None:
    """How much the spectrum changes from before sample `index` to after it, beside elsewhere.

    How far mel bands move in dB, on average, from the window of 46 ms that ends at the moment over
    the one around it to the one that begins there: the window around it hears a click or a kink
    between two equal sounds. Elsewhere: the same at every quarter of a window, except within a
    window of it.

    Args:
        x: mono, `(T,)`.
        index: the first sample of the second window.
        rate: samples per second.
        circular: the last sample is followed by the first.

    Returns:
        None for sound that is silent, too short for ten moments elsewhere, or where the moment lies
        within a window of the edge.
    """
    size = 2 ** max(4, round(math.log2(WINDOW_SECONDS * rate)))
    count, hop = len(x), size // 4
    first, last = (0, count) if circular else (size, max(size, count - size + 1))
    places = torch.arange(first, last, hop)
    distance = (places - index).abs()
    if circular:
        distance = torch.minimum(distance, count - distance)
    elsewhere = places[distance >= size]
    inside = circular or size <= index <= count - size
    if len(elsewhere) < 10 or not inside or float(x.abs().max()) < LEAST_STEP:
        return None
    change = _change(x, torch.cat([torch.tensor([index]), elsewhere]), size, rate)
    here, usual = float(change[0]), float(change[1:].median())
    # Half of those that are equal count: where nothing ever changes the rank is 1/2.
    less = (change[1:] < here).double() + 0.5 * (change[1:] == here).double()
    # A hundredth of a dB is rounding: where nothing ever changes the ratio is 1.
    return Flux((here + 0.01) / (usual + 0.01), float(less.mean()))


def _change(x: Tensor, places: Tensor, size: int, rate: int) -> Tensor:
    """How far bands move in dB over the three windows about each place, `(P,)`."""
    window = torch.hann_window(size, device=x.device)
    spec = MelSpec(sample_rate=rate, n_fft=size, n_mels=max(8, min(40, size // 24)), norm="none")
    bank = mel_filterbank(spec).to(x.device, x.dtype)
    bank = bank[bank.sum(1) > 0]
    powers = []
    for start in (places - size, places - size // 2, places):
        index = (start[:, None] + torch.arange(size)) % len(x)
        spectra = torch.fft.rfft(x[index.to(x.device)] * window)
        powers.append(spectra.abs().square() @ bank.T)
    floor = torch.cat(powers).max().clamp_min(1e-20) * 10 ** (FLOOR_DB / 10)
    before, around, after = (10 * torch.log10(p + floor) for p in powers)
    return ((around - before).abs() + (after - around).abs()).mean(1).cpu()
