"""Feature matching: generated sound shall look the same inside the discriminator.

Larsen et al., 2016; plain as in MelGAN, HiFi-GAN and DAC, or relative as in EnCodec (Defossez et
al., 2022, eq. 5).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .adversarial import Reduction

__all__ = ["feature_matching"]


def feature_matching(
    real: Sequence[Sequence[Tensor]],
    fake: Sequence[Sequence[Tensor]],
    *,
    relative: bool = True,
    reduction: Reduction = "mean",
) -> Tensor:
    """Mean absolute difference of features, over layers and discriminators.

    Args:
        real: features of real sound, for each discriminator a list of tensors of any shape; they
            are the target and receive no gradient.
        fake: features of generated sound, of the same shapes.
        relative: divide each layer by the mean magnitude of its real features, so that no layer
            counts more for being louder, and a discriminator gains nothing by scaling them down.
        reduction: over all layers of all discriminators; within each layer it is the mean.

    Returns:
        A scalar.

    Raises:
        ValueError: the two do not pair up, there are none, or an unknown reduction.
    """
    pairs = [
        (r.detach().float(), f.float())
        for reals, fakes in zip(real, fake, strict=True)
        for r, f in zip(reals, fakes, strict=True)
    ]
    if not pairs:
        raise ValueError("expected the features of one layer or more, got none")
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean or sum, got {reduction!r}")
    terms = []
    for r, f in pairs:
        distance = (f - r).abs().mean()
        terms.append(distance / r.abs().mean().clamp_min(1e-8) if relative else distance)
    total = torch.stack(terms)
    return total.mean() if reduction == "mean" else total.sum()
