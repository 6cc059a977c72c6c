"""Control by a reference sound: what of its music comes back in another sound."""

from __future__ import annotations

from math import isnan, nan

import torch

from ...analysis import chroma, onsets, structure
from ...audio import Audio
from .dynamics import dynamics_correlation, sound_curves
from .events import ONSET_WINDOW, onset_f1
from .melody import (
    HARMONY_CHROMA,
    MELODY_CHROMA,
    chroma_cosine,
    melody_accuracy,
    pitch_classes,
)
from .metric import ControlMetric

__all__ = ["LIKENESS", "likeness"]

LIKENESS: dict[str, ControlMetric] = {
    "melody_accuracy": ControlMetric(
        "",
        "[0, 1]",
        "higher",
        "share of the reference's frames with pitch whose loudest pitch class is the same",
        "melody",
    ),
    "chroma_cosine": ControlMetric(
        "", "[0, 1]", "higher", "mean cosine of pitch classes", "chroma"
    ),
    "dynamics_correlation": ControlMetric(
        "", "[-1, 1]", "higher", "Pearson's correlation of the levels in dB", "dynamics"
    ),
    "rhythm_f1": ControlMetric("", "[0, 1]", "higher", "F-measure of onsets at 50 ms", "onsets"),
    "structure_correlation": ControlMetric(
        "", "[-1, 1]", "higher", "Pearson's correlation of the self-similarity matrices"
    ),
}
"""What each number means."""


def likeness(reference: Audio, audio: Audio) -> dict[str, float]:
    """Compare two sounds by melody, harmony, dynamics, rhythm and form.

    The same estimators hear both sides, so that some of their errors cancel. Only the stretch that
    both cover counts: a generation is often as long as its model, not as long as its reference.

    Args:
        reference: the sound that was to be followed.
        audio: what follows it; its rate and channels may differ.

    Returns:
        Values by the names of `LIKENESS`; those without an answer are missing, such as the melody
        of a silent reference, the dynamics of a constant one, or the rhythm of a stretch in which
        neither has an onset, where the reference goes on and has some.

    Raises:
        ValueError: a sample is not finite.
    """
    seconds = min(reference.duration, audio.duration)
    pair = [
        Audio(a.samples[:, : round(seconds * a.sample_rate)], a.sample_rate)
        for a in (reference, audio)
    ]
    melodies = [pitch_classes(chroma(a, MELODY_CHROMA).values) for a in pair]
    harmonies = [chroma(a, HARMONY_CHROMA).values for a in pair]
    values = {
        "melody_accuracy": melody_accuracy(*melodies),
        "chroma_cosine": chroma_cosine(*harmonies),
        "dynamics_correlation": dynamics_correlation(sound_curves(*pair)),
        "rhythm_f1": _rhythm(*pair, whole=reference),
        "structure_correlation": _structure(*pair),
    }
    return {name: value for name, value in values.items() if not isnan(value)}


def _rhythm(reference: Audio, audio: Audio, *, whole: Audio) -> float:
    first, second = (onsets(a).times.tolist() for a in (reference, audio))
    nothing = not any(time > ONSET_WINDOW for time in (*first, *second))
    if nothing and whole.samples.shape[1] > reference.samples.shape[1]:
        if bool((onsets(whole).times > ONSET_WINDOW).any()):
            return nan
    return onset_f1(first, second)


def _structure(reference: Audio, audio: Audio) -> float:
    """Correlation of the parts of both matrices that lie above the diagonal."""
    first, second = (structure(a).similarity.cpu().double() for a in (reference, audio))
    count = min(len(first), len(second))
    if count < 3:
        return float("nan")
    above = torch.ones(count, count).triu(1) > 0
    a, b = (m[:count, :count][above] for m in (first, second))
    a, b = a - a.mean(), b - b.mean()
    if float(a.norm()) < 1e-6 * len(a) ** 0.5:
        return float("nan")
    return float((a @ b) / (a.norm() * b.norm()).clamp_min(1e-12))
