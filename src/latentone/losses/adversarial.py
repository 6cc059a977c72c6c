"""Adversarial losses over the scores of several discriminators, both halves side by side.

Hinge: Lim and Ye, "Geometric GAN", 2017; the generator's half is clamped as in SoundStream and
EnCodec (Defossez et al., 2022, eq. 4 and 6), or linear as in the original and MelGAN. Least
squares: Mao et al., 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

__all__ = ["AdversarialKind", "Reduction", "discriminator_loss", "generator_loss"]

AdversarialKind = Literal["hinge", "linear_hinge", "least_squares"]
Reduction = Literal["mean", "sum"]


def discriminator_loss(
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    kind: AdversarialKind = "hinge",
    reduction: Reduction = "mean",
) -> Tensor:
    """Ask the discriminator for scores above 1 on real sound and below on fake sound.

    Args:
        real: scores of real sound, one tensor of any shape for each discriminator.
        fake: scores of generated sound, in the same order.
        kind: both hinges want real >= 1 and fake <= -1; least squares wants 1 and 0.
        reduction: over discriminators; within each it is the mean.

    Returns:
        A scalar.

    Raises:
        ValueError: not one fake for each real, none at all, or an unknown kind or reduction.
    """
    if len(real) != len(fake):
        raise ValueError(f"expected scores of as many discriminators, got {len(real)}, {len(fake)}")
    if kind in ("hinge", "linear_hinge"):
        terms = [(1 - r).relu() for r in real], [(1 + f).relu() for f in fake]
    elif kind == "least_squares":
        terms = [(1 - r).square() for r in real], [f.square() for f in fake]
    else:
        raise _unknown(kind)
    return _reduce(terms[0], reduction) + _reduce(terms[1], reduction)


def generator_loss(
    fake: Sequence[Tensor], kind: AdversarialKind = "hinge", reduction: Reduction = "mean"
) -> Tensor:
    """Ask the generator for sound that scores like real sound.

    Args:
        fake: scores of generated sound, one tensor of any shape for each discriminator.
        kind: as for `discriminator_loss`; hinge and least squares drive the score to 1, the
            linear hinge without an end.
        reduction: over discriminators; within each it is the mean.

    Returns:
        A scalar.

    Raises:
        ValueError: no scores, or an unknown kind or reduction.
    """
    if kind == "hinge":
        return _reduce([(1 - f).relu() for f in fake], reduction)
    if kind == "linear_hinge":
        return _reduce([-f for f in fake], reduction)
    if kind == "least_squares":
        return _reduce([(1 - f).square() for f in fake], reduction)
    raise _unknown(kind)


def _reduce(terms: Sequence[Tensor], reduction: Reduction) -> Tensor:
    if not terms:
        raise ValueError("expected the scores of one discriminator or more, got none")
    means = torch.stack([term.float().mean() for term in terms])
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean or sum, got {reduction!r}")
    return means.mean() if reduction == "mean" else means.sum()


def _unknown(kind: str) -> ValueError:
    return ValueError(f"kind must be hinge, linear_hinge or least_squares, got {kind!r}")
