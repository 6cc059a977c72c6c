"""How well a reconstruction keeps the melody of one voice: f0 and voicing beside the original's.

Definitions of Salamon et al., *Melody Extraction from Polyphonic Music Signals*, 2014, as mir_eval
has them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..analysis import fundamental
from ..audio import Audio

__all__ = ["f0_scores", "pitch_scores"]

TOLERANCE_CENTS = 50.0


def f0_scores(reference: Tensor, estimate: Tensor) -> dict[str, float]:
    """Compare two tracks of f0 over the same frames.

    Args:
        reference: Hz `(N,)`, 0 where unvoiced.
        estimate: likewise.

    Returns:
        `raw_pitch_accuracy`, the share of the reference's voiced frames in which the estimate is
        voiced, too, and less than 50 cents off, in [0, 1], 1 where the reference has none (mir_eval
        says 0); `voicing_recall`, the share of the reference's voiced frames that are voiced, in
        [0, 1], 1 where there are none; `voicing_false_alarm`, the share of its unvoiced frames that
        are voiced, in [0, 1], 0 where there are none; `f0_error`, the median distance in cents over
        frames that are voiced in both, 0 where there are none: read it beside the recall.

    Raises:
        ValueError: not two tracks of equal length, or frequencies that are negative or not finite.
    """
    if reference.ndim != 1 or reference.shape != estimate.shape:
        raise ValueError(
            f"expected two tracks (N,) over the same frames, got {tuple(reference.shape)} and "
            f"{tuple(estimate.shape)}"
        )
    a, b = (x.detach().cpu().double() for x in (reference, estimate))
    if not bool(torch.isfinite(torch.cat([a, b])).all()) or bool((torch.cat([a, b]) < 0).any()):
        raise ValueError("expected frequencies of 0 (unvoiced) or more, all finite")
    voiced, heard = a > 0, b > 0
    both = voiced & heard
    cents = 1200 * (b[both].log2() - a[both].log2()).abs()
    sounding, silent = int(voiced.sum()), int((~voiced).sum())
    close = int((cents < TOLERANCE_CENTS).sum())
    return {
        "raw_pitch_accuracy": close / sounding if sounding else 1.0,
        "voicing_recall": int(both.sum()) / sounding if sounding else 1.0,
        "voicing_false_alarm": int((heard & ~voiced).sum()) / silent if silent else 0.0,
        "f0_error": float(torch.quantile(cents, 0.5)) if len(cents) else 0.0,
    }


def pitch_scores(reference: Tensor, estimate: Tensor, sample_rate: int) -> dict[str, float]:
    """Compare the f0 of two sounds of one voice; see `f0_scores`.

    The same estimator (`latentone.analysis.fundamental`) hears both, and of several notes at once
    it finds one or none: the numbers mean nothing there.

    Args:
        reference: the original, `(C, T)`; channels are averaged.
        estimate: what is judged, of the same shape.
        sample_rate: of both, in Hz; 400 or more.

    Raises:
        ValueError: unequal shapes, a sample rate that is too low, or a sample that is not finite.
    """
    if reference.ndim != 2 or reference.shape[1] != estimate.shape[-1]:
        raise ValueError(
            f"expected two sounds (channels, time) of equal length, got {tuple(reference.shape)} "
            f"and {tuple(estimate.shape)}"
        )
    highest = min(2093.0, sample_rate / 4)
    tracks = [
        fundamental(Audio(x.detach().cpu().float(), sample_rate), f_max=highest).hz
        for x in (reference, estimate)
    ]
    return f0_scores(*tracks)
