"""What a classifier makes of a set: sure of each item, and of many classes over all of them.

Inception score: Salimans et al. 2016. Its numbers compare only for one classifier.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .features import check_set
from .score import Score

__all__ = ["inception_score", "posterior_divergence"]

EPSILON = 1e-6


def inception_score(
    posteriors: Tensor, *, splits: int = 10, rng: torch.Generator | None = None
) -> Score:
    """`exp(mean KL(p(class | item) || p(class)))`: 1 to the number of classes, higher is better.

    The items are shuffled into equal parts, and the exponentiated scores of the parts averaged: a
    folder is often sorted by class, and parts of it would hold one class each.

    Args:
        posteriors: probabilities of the generated items, `(M, classes)`.
        splits: parts.
        rng: decides the parts; seed 0 when None.

    Returns:
        The mean; in `details` the standard deviation over parts as `std` (0 for one part).

    Raises:
        ValueError: rows that are not probabilities, or fewer than 2 items a part.
    """
    p = check_posteriors(posteriors, "generated")
    if splits < 1 or len(p) < 2 * splits:
        raise ValueError(
            f"expected 2 or more items in each part, got {len(p)} items for {splits} parts"
        )
    rng = rng or torch.Generator().manual_seed(0)
    order = torch.randperm(len(p), generator=rng).to(p.device)
    scores = torch.stack([_score(part) for part in p[order].tensor_split(splits)])
    notes = []
    if len(p) // splits < p.shape[1]:
        notes.append(
            f"{len(p) // splits} items a part for {p.shape[1]} classes: the score is biased down; "
            "use fewer parts or more items"
        )
    return Score(
        value=float(scores.mean()),
        items=(0, len(p)),
        settings={"splits": splits, "classes": p.shape[1]},
        details={"std": float(scores.std(correction=0))},
        bounds=(1.0, float(p.shape[1])),
        warnings=tuple(notes),
    )


def posterior_divergence(reference: Tensor, generated: Tensor, *, paired: bool = False) -> Score:
    """`KL(generated || reference)` of class probabilities in nats, in [0, inf), lower is closer.

    Args:
        reference: `(N, classes)`.
        generated: `(M, classes)`.
        paired: mean over items that belong together (the same prompt, say) as Kreuk et al. 2022
            report it; else of the mean probabilities of both sets. The two do not compare.

    Both sides get 1e-6 of every class, which bounds what a class that is never expected costs.

    Returns:
        The divergence, large when the generated set holds classes that the reference lacks; in
        `details` the other direction as `reverse`, large when it lacks classes of the reference.

    Raises:
        ValueError: rows that are not probabilities, unequal classes, or pairs without a partner.
    """
    q, p = check_posteriors(reference, "reference"), check_posteriors(generated, "generated")
    if p.shape[1] != q.shape[1] or (paired and len(p) != len(q)):
        raise ValueError(
            f"expected posteriors of the same {'items and ' if paired else ''}classes, got "
            f"{tuple(q.shape)} and {tuple(p.shape)}"
        )
    items = len(q), len(p)
    if not paired:
        p, q = p.mean(0, keepdim=True), q.mean(0, keepdim=True)
    p, q = ((x + EPSILON) / (1 + EPSILON * x.shape[1]) for x in (p, q))
    return Score(
        value=_divergence(p, q),
        items=items,
        settings={"paired": paired, "classes": p.shape[1], "epsilon": EPSILON},
        details={"reverse": _divergence(q, p)},
        bounds=(0.0, None),
    )


def check_posteriors(x: Tensor, name: str) -> Tensor:
    """Probabilities `(N, classes)` in fp64, rows summing to 1.

    Raises:
        ValueError: see `check_set`; also numbers that are no probabilities.
    """
    x = check_set(x, name, minimum=1)
    sums = x.sum(1, keepdim=True)
    if float(x.min()) < 0 or float((sums - 1).abs().max()) > 1e-3:
        raise ValueError(
            f"expected probabilities in the {name} set, 0 or more and summing to 1 for each item; "
            f"got {float(x.min()):.3g} as the least and sums from {float(sums.min()):.3g} to "
            f"{float(sums.max()):.3g}: logits need a softmax first"
        )
    return x / sums


def _divergence(p: Tensor, q: Tensor) -> float:
    return max(0.0, float((p * (p / q).log()).sum(1).mean()))


def _score(p: Tensor) -> Tensor:
    # KL of rows to their mean = entropy of the mean - mean of the entropies.
    entropies = torch.special.entr(p).sum(1).mean()
    return (torch.special.entr(p.mean(0)).sum() - entropies).exp()
