"""The anchors of ITU-R BS.1534: the reference, low-passed, so that ratings have a known bottom."""

from __future__ import annotations

import torch
from scipy.signal import firwin, kaiserord, oaconvolve

from ..audio import Audio

__all__ = ["ANCHORS_HZ", "anchor", "anchor_name", "has_room"]

ANCHORS_HZ = (3500.0, 7000.0)
"""Low and mid anchor of BS.1534-3."""

STOP = 8 / 7
"""Where the stop band begins, relative to the cutoff: 4 kHz for 3.5 kHz."""

ATTENUATION_DB = 65.0


def anchor_name(cutoff_hz: float) -> str:
    """How an anchor is called in results: `anchor 3.5 kHz`."""
    return f"anchor {cutoff_hz / 1000:g} kHz"


def has_room(cutoff_hz: float, sample_rate: int) -> bool:
    """Whether the stop band begins within half the rate; else the anchor would change little."""
    return 0 < cutoff_hz * STOP <= sample_rate / 2


def anchor(audio: Audio, cutoff_hz: float) -> Audio:
    """Low-pass a sound without delay.

    BS.1534 asks of the 3.5 kHz anchor: at most 0.1 dB of ripple up to the cutoff, 25 dB or more at
    4 kHz, 50 dB or more at 4.5 kHz. A Kaiser window of 65 dB over the band from the cutoff to
    8/7 of it gives that (ripple 10^(-65/20), 0.005 dB) at every cutoff.

    Args:
        audio: the reference, `(C, T)`.
        cutoff_hz: end of the pass band.

    Raises:
        ValueError: the stop band would begin beyond half the rate.
    """
    rate = audio.sample_rate
    if not has_room(cutoff_hz, rate):
        raise ValueError(
            f"an anchor of {cutoff_hz:g} Hz needs a rate of {2 * STOP * cutoff_hz:g} Hz or more, "
            f"got {rate} Hz"
        )
    width = (STOP - 1) * cutoff_hz
    count, beta = kaiserord(ATTENUATION_DB, width / (rate / 2))
    count |= 1  # odd: a delay of whole samples
    taps = firwin(count, cutoff_hz + width / 2, window=("kaiser", beta), fs=rate)
    full = oaconvolve(audio.samples.double().numpy(), taps[None], axes=-1)
    start = count // 2
    y = torch.from_numpy(full[:, start : start + audio.samples.shape[1]])
    return Audio(y.float().contiguous(), rate)
