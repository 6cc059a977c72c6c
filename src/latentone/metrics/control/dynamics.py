"""Dynamics: whether a sound grows louder where it was asked to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...analysis import dynamics, smooth
from ...audio import Audio

__all__ = ["Curves", "asked_curves", "dynamics_correlation", "macro_correlation", "sound_curves"]

SMOOTHING_SECONDS = 1.0


class Curves(NamedTuple):
    """Two levels over the same frames, in dB, `(N,)` each."""

    asked: Tensor
    heard: Tensor


def asked_curves(steps: Sequence[tuple[float, float]], audio: Audio) -> Curves:
    """A curve of forces, held from each time to the next, beside the level of a sound.

    Forces become dB by 20 log10, and are smoothed as the level is. A sound of another instrument
    answers a force with another number of dB; the correlation does not depend on how many.

    Args:
        steps: seconds, ascending, and force in [0, 1].
        audio: what answers; frames before the first step do not count.

    Raises:
        ValueError: times that do not ascend, or forces out of range.
    """
    times = torch.tensor([t for t, _ in steps], dtype=torch.float64)
    forces = torch.tensor([v for _, v in steps], dtype=torch.float64)
    if not len(times) or bool((times.diff() <= 0).any()):
        raise ValueError(f"expected one or more ascending times, got {times.tolist()[:5]}")
    if not bool(((forces >= 0) & (forces <= 1)).all()):
        raise ValueError(f"expected forces in [0, 1], got {forces.tolist()[:5]}")
    level = dynamics(audio, smoothing_seconds=SMOOTHING_SECONDS)
    step = torch.searchsorted(times, level.times + 1e-6, right=True) - 1
    kept = step >= 0
    # A force of 0 is silence, as quiet as `dynamics` reports it.
    db = 20 * torch.log10(forces.clamp_min(1e-4))[step[kept]]
    db = smooth(db, round(SMOOTHING_SECONDS * level.frame_rate)) if len(db) else db
    return Curves(db, level.db.cpu()[kept])


def sound_curves(reference: Audio, audio: Audio) -> Curves:
    """The levels of two sounds, over the stretch that both cover."""
    curves = [dynamics(a, smoothing_seconds=SMOOTHING_SECONDS) for a in (reference, audio)]
    shared = min(reference.duration, audio.duration)
    count = min(len(curve.db) for curve in curves)
    frames = min(count, 1 + int(shared * min(curve.frame_rate for curve in curves)))
    return Curves(*(curve.db.cpu()[:frames] for curve in curves))


def dynamics_correlation(curves: Curves) -> float:
    """Pearson's correlation of one clip (Music ControlNet's *micro*), in [-1, 1].

    Returns:
        NaN where what was asked is constant; 0 where only what is heard is.

    Raises:
        ValueError: unequal lengths, or numbers that are not finite.
    """
    asked, heard = (curve.detach().cpu().double() for curve in curves)
    if asked.shape != heard.shape or asked.ndim != 1:
        raise ValueError(
            f"expected two curves (N,), got {tuple(asked.shape)} and {tuple(heard.shape)}"
        )
    if not bool(torch.isfinite(torch.cat([asked, heard])).all()):
        raise ValueError("expected finite levels in dB; silence has a floor, such as -80")
    if len(asked) < 3:
        return math.nan
    a, b = asked - asked.mean(), heard - heard.mean()
    # A hundredth of a dB of spread is rounding, not a curve.
    flat = [float(x.square().mean().sqrt()) < 1e-2 for x in (a, b)]
    if any(flat):
        return math.nan if flat[0] else 0.0
    return float(((a @ b) / (a.norm() * b.norm())).clamp(-1, 1))


def macro_correlation(curves: Sequence[Curves]) -> float:
    """Pearson's correlation over all clips of a set, joined end to end (*macro*), in [-1, 1].

    Unlike the mean of single correlations it also asks whether loud clips are the loud ones.

    Raises:
        ValueError: no clips, or see `dynamics_correlation`.
    """
    if not curves:
        raise ValueError("expected the curves of one clip or more, got none")
    joined = (torch.cat([c[side].detach().cpu().double() for c in curves]) for side in (0, 1))
    return dynamics_correlation(Curves(*joined))
