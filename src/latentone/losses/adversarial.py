"""Adversarial losses over the scores of several discriminators, both halves side by side.

Hinge: Lim and Ye, "Geometric GAN", 2017, clamped for the generator as in EnCodec (Defossez et
al., 2022, eq. 4 and 6). Least squares: Mao et al., 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["AdversarialKind", "discriminator_loss", "generator_loss"]

AdversarialKind = Literal["hinge", "least_squares"]


def discriminator_loss(
    real: Sequence[Tensor], fake: Sequence[Tensor], kind: AdversarialKind = "hinge"
) -> Tensor:
    """Ask the discriminator for scores above 1 on real sound and below on fake sound.

    Args:
        real: scores of real sound, one tensor of any shape for each discriminator.
        fake: scores of generated sound, in the same order.
        kind: hinge wants real >= 1 and fake <= -1; least squares wants 1 and 0.

    Returns:
        A scalar: the mean over each tensor, then over discriminators.

    Raises:
        ValueError: not one fake for each real, none at all, or an unknown kind.
    """
    if len(real) != len(fake):
        raise ValueError(f"expected scores of as many discriminators, got {len(real)}, {len(fake)}")
    if kind == "hinge":
        return _mean([(1 - r).relu() for r in real]) + _mean([(1 + f).relu() for f in fake])
    if kind == "least_squares":
        return _mean([(1 - r).square() for r in real]) + _mean([f.square() for f in fake])
    raise ValueError(f"kind must be hinge or least_squares, got {kind!r}")


def generator_loss(fake: Sequence[Tensor], kind: AdversarialKind = "hinge") -> Tensor:
    """Ask the generator for sound that scores like real sound.

    Args:
        fake: scores of generated sound, one tensor of any shape for each discriminator.
        kind: as for `discriminator_loss`; both drive the score to 1.

    Returns:
        A scalar: the mean over each tensor, then over discriminators.

    Raises:
        ValueError: no scores, or an unknown kind.
    """
    if kind == "hinge":
        return _mean([(1 - f).relu() for f in fake])
    if kind == "least_squares":
        return _mean([(1 - f).square() for f in fake])
    raise ValueError(f"kind must be hinge or least_squares, got {kind!r}")


def _mean(terms: Sequence[Tensor]) -> Tensor:
    if not terms:
        raise ValueError("expected the scores of one discriminator or more, got none")
    return torch.stack([term.float().mean() for term in terms]).mean()
