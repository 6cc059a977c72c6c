"""A picture of what a discriminator thinks: how its scores of real and of generated sound lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["score_picture"]

REAL, FAKE = (0.12, 0.47, 0.71), (1.0, 0.5, 0.05)


@torch.no_grad()
def score_picture(
    real: Sequence[Tensor], fake: Sequence[Tensor], *, height: int = 120, width: int = 240
) -> Tensor:
    """Draw two histograms over each other, real sound blue and generated sound orange.

    Every discriminator counts alike. The further right, the more real it sounded; both histograms
    share the scale, from the lowest to the highest score.

    Args:
        real: scores of real sound, one tensor of any shape for each discriminator.
        fake: scores of generated sound.
        height: of the picture in pixels.
        width: of the picture in pixels, one bin each.

    Returns:
        `(3, height, width)` in [0, 1] on the CPU, white where there is nothing.
    """
    scores = [*real, *fake]
    low = min(float(s.min()) for s in scores)
    high = max(float(s.max()) for s in scores)
    high = high if high > low else low + 1.0
    heights = torch.stack([_histogram(part, low, high, width) for part in (real, fake)])
    heights = heights / heights.max()
    rows = torch.linspace(1, 0, height)[:, None]
    picture = torch.ones(3, height, width)
    for bars, colour in zip(heights, (REAL, FAKE), strict=True):
        inside = (rows <= bars) & (bars > 0)
        ink = torch.tensor(colour)[:, None, None]
        picture = torch.where(inside, picture * (0.4 + 0.6 * ink), picture)
    return picture


def _histogram(scores: Sequence[Tensor], low: float, high: float, bins: int) -> Tensor:
    """Shares `(bins,)` of the scores, averaged over discriminators."""
    shares = []
    for score in scores:
        counts = torch.histc(score.detach().float().cpu(), bins, low, high)
        shares.append(counts / score.numel())
    return torch.stack(shares).mean(0)
