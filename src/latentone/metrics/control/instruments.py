"""Whether the instruments that were asked for are those that a classifier hears."""

from __future__ import annotations

import torch
from torch import Tensor

from ..distribution.features import check_set

__all__ = ["average_precision", "instrument_accuracy"]


def instrument_accuracy(posteriors: Tensor, targets: Tensor) -> dict[str, float]:
    """Agreement of class probabilities with the classes that were asked for.

    Args:
        posteriors: probabilities `(N, C)` in [0, 1], of one classifier; for several labels an item
            its sigmoids, for one its softmax.
        targets: which classes were asked for, `(N, C)` of 0 and 1, or the one class of each item,
            int64 `(N,)`.

    Returns:
        `mean_average_precision` in [0, 1], the mean of `average_precision` over the classes that
        were asked for at least once and not always (missing where there is none); `micro_f1` in
        [0, 1], of all decisions at 0.5 together, 2 TP / (2 TP + FP + FN); where each item has one
        class, `accuracy` in [0, 1], the share of items whose most likely class it is.

    Raises:
        ValueError: shapes that do not fit, probabilities out of range, targets that are not 0 and
            1, or no class asked for at all.
    """
    p = check_set(posteriors, "posterior", minimum=1)
    if float(p.min()) < 0 or float(p.max()) > 1:
        raise ValueError(
            f"expected probabilities in [0, 1], got {float(p.min()):.3g} to {float(p.max()):.3g}: "
            "logits need a sigmoid or a softmax first"
        )
    wanted = _targets(targets.to(p.device), p)
    chosen = p >= 0.5
    hits, misses = int((chosen & wanted).sum()), int((chosen ^ wanted).sum())
    asked = wanted.any(0) & ~wanted.all(0)
    out = {}
    if bool(asked.any()):
        each = [average_precision(p[:, c], wanted[:, c]) for c in asked.nonzero()[:, 0].tolist()]
        out["mean_average_precision"] = sum(each) / len(each)
    out["micro_f1"] = 2 * hits / (2 * hits + misses)
    if bool((wanted.sum(1) == 1).all()):
        out["accuracy"] = float((p.argmax(1) == wanted.int().argmax(1)).double().mean())
    return out


def average_precision(scores: Tensor, wanted: Tensor) -> float:
    """Area under the steps of precision over recall: sum_n (R_n - R_{n-1}) P_n, in [0, 1].

    Items with the same score are taken together, so that their order is no matter.

    Args:
        scores: `(N,)`, higher where the class is more likely.
        wanted: bool `(N,)`, true for one or more.

    Raises:
        ValueError: the class is asked for of no item.
    """
    total = int(wanted.sum())
    if not total:
        raise ValueError("average precision needs an item that has the class, got none")
    order = scores.argsort(descending=True)
    scores, hits = scores[order], wanted[order].double().cumsum(0)
    last = torch.cat(
        [scores[1:] != scores[:-1], torch.ones(1, dtype=torch.bool, device=scores.device)]
    )
    places = torch.arange(1, len(scores) + 1, device=scores.device)[last]
    hits = hits[last]
    gained = hits.diff(prepend=hits.new_zeros(1))
    return float((gained * hits / places).sum() / total)


def _targets(targets: Tensor, p: Tensor) -> Tensor:
    if targets.ndim == 1 and not targets.is_floating_point() and len(targets) == len(p):
        if int(targets.min()) < 0 or int(targets.max()) >= p.shape[1]:
            raise ValueError(f"expected classes in [0, {p.shape[1]}), got {targets.tolist()[:9]}")
        return torch.nn.functional.one_hot(targets.long(), p.shape[1]).bool()
    if targets.shape != p.shape or not bool(((targets == 0) | (targets == 1)).all()):
        raise ValueError(
            f"expected targets of 0 and 1 with the shape {tuple(p.shape)} or one class for each of "
            f"{len(p)} items, got {targets.dtype} {tuple(targets.shape)}"
        )
    if not bool((targets == 1).any()):
        raise ValueError("no item has a target: there is nothing to be accurate about")
    return targets.bool()
