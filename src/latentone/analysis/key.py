"""The key of a piece: correlation of its pitch classes with profiles of major and minor.

The method is Krumhansl and Schmuckler's (Krumhansl, *Cognitive Foundations of Musical Pitch*,
1990). Profiles: `krumhansl` from probe tones (Krumhansl and Kessler, 1982), `temperley` revised
by hand (Temperley, *What's Key for Key?*, 1999), `albrecht` counted in 490 scores (Albrecht and
Shanahan, *The Use of Large Corpora to Train a New Type of Key-Finding Algorithm*, 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..audio import Audio
from ..symbolic.theory import spell
from .pitchgram import fold, pitchgram

__all__ = ["KEY_PROFILES", "Key", "key", "key_of_pitch_classes"]

MODES = ("major", "minor")

KEY_PROFILES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "krumhansl": (
        (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    ),
    "temperley": (
        (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
        (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
    ),
    "albrecht": (
        (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    ),
}
"""How much each pitch class belongs to C major and to C minor, C first."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Key:
    """The key that fits best."""

    tonic: int
    """Pitch class, 0 is C."""
    mode: str
    """`major` or `minor`."""
    correlation: float
    """With its profile, -1 to 1."""
    margin: float
    """Correlation minus that of the next best key, 0 to 2: near 0 is a guess."""
    correlations: Tensor
    """Of all 24 keys, float64 `(2, 12)`: major and minor, C first."""

    @property
    def name(self) -> str:
        """As in `Eb major`."""
        return f"{spell(self.tonic, mode=self.mode)} {self.mode}"


def key(audio: Audio, *, profile: str = "albrecht") -> Key | None:
    """Find the key of a piece, taken to be one throughout.

    Args:
        audio: any sound; channels are averaged.
        profile: a name of `KEY_PROFILES`.

    Returns:
        The best of 24 keys; None where nothing has a pitch class, as in silence.

    Raises:
        ValueError: a sample is not finite, or the profile is unknown.
    """
    pitches = pitchgram(audio)
    if pitches.silent:
        return None
    # Amplitudes, not powers: a melody's loudest notes would outvote the harmony.
    return key_of_pitch_classes(fold(pitches.power.sqrt()).sum(1), profile=profile)


def key_of_pitch_classes(weights: Tensor, *, profile: str = "albrecht") -> Key | None:
    """Find the key of a histogram of pitch classes.

    >>> key_of_pitch_classes(torch.tensor([2, 0, 1, 0, 1, 1, 0, 2, 0, 1, 0, 1.0])).name
    'C major'

    Args:
        weights: how much there is of each pitch class, `(12,)`, C first.
        profile: a name of `KEY_PROFILES`.

    Returns:
        The best of 24 keys; None where all weights are equal.

    Raises:
        ValueError: the profile is unknown, or `weights` are not twelve finite numbers.
    """
    if profile not in KEY_PROFILES:
        raise ValueError(f"unknown profile {profile!r}; known: {', '.join(KEY_PROFILES)}")
    if weights.shape != (12,) or not bool(torch.isfinite(weights).all()):
        raise ValueError(f"expected 12 finite weights, got {tuple(weights.shape)}: {weights}")
    profiles = torch.tensor(KEY_PROFILES[profile], dtype=torch.float64)
    shapes = torch.stack([profiles.roll(tonic, 1) for tonic in range(12)], 1)
    centred = weights.detach().double().cpu() - weights.detach().double().cpu().mean()
    if float(centred.norm()) <= 1e-9 * float(weights.double().norm()):
        return None
    shapes = shapes - shapes.mean(-1, keepdim=True)
    correlations = shapes @ centred / (shapes.norm(dim=-1) * centred.norm())
    best, second = correlations.flatten().topk(2).values.tolist()
    mode, tonic = divmod(int(correlations.flatten().argmax()), 12)
    return Key(
        tonic=tonic,
        mode=MODES[mode],
        correlation=best,
        margin=best - second,
        correlations=correlations,
    )
