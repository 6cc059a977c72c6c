"""A weighted sum of losses as one gradient at a model's output, its two sides told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .adaptive import adaptive_weight

__all__ = ["WeightedGradient", "weighted_gradient"]


class WeightedGradient(NamedTuple):
    """What the losses ask of the output."""

    total: Tensor
    """The gradient of the weighted sum, `(B, ...)` as the output."""
    norms: dict[str, Tensor]
    """Mean over the batch of each item's Euclidean norm, of `distances` and of `judge`."""


def weighted_gradient(
    losses: Mapping[str, Tensor],
    weights: Mapping[str, float],
    output: Tensor,
    *,
    judge: Iterable[str] = ("adversarial", "feature"),
    adaptive: bool = False,
) -> WeightedGradient:
    """Differentiate a weighted sum with respect to `output`, and no further.

    What a discriminator says is differentiated apart from the distances; as the two share no
    graph, that costs nothing and shows how they compare.

    Args:
        losses: scalars by name.
        weights: of at least these; negative ones are not checked.
        output: `(B, ...)` that the losses were computed from; requires grad.
        judge: names of the losses that come from a discriminator.
        adaptive: first give the judge's gradient the norm of the distances' (see
            `adaptive_weight`), so that `weights["adversarial"]` is the ratio of the two norms.

    Raises:
        ValueError: no losses, or one without a weight.
    """
    missing = sorted(set(losses) - set(weights))
    if missing or not losses:
        raise ValueError(f"expected some of the losses {sorted(weights)}, got {sorted(losses)}")
    judging = set(judge)
    sides = {
        "distances": [name for name in losses if name not in judging],
        "judge": [name for name in losses if name in judging],
    }
    gradients = {}
    for side, names in sides.items():
        if names:
            total = torch.stack([weights[name] * losses[name] for name in names]).sum()
            (gradients[side],) = torch.autograd.grad(total, [output])
    if adaptive and len(gradients) == 2:
        ratio = weights["adversarial"]
        alike = adaptive_weight(gradients["distances"], gradients["judge"] / ratio)
        gradients["judge"] = alike * gradients["judge"]
    norms = {side: g.flatten(1).float().norm(dim=1).mean() for side, g in gradients.items()}
    return WeightedGradient(torch.stack(list(gradients.values())).sum(0), norms)
