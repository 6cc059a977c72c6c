"""A picture of what a discriminator thinks: how its scores of real and of generated sound lie."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["score_picture", "score_shares"]

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
    heights = score_shares(real, fake, width)[2]
    heights = heights / heights.max().clamp_min(1e-9)
    rows = torch.linspace(1, 0, height)[:, None]
    picture = torch.ones(3, height, width)
    for bars, colour in zip(heights, (REAL, FAKE), strict=True):
        inside = (rows <= bars) & (bars > 0)
        ink = torch.tensor(colour)[:, None, None]
        picture = torch.where(inside, picture * (0.4 + 0.6 * ink), picture)
    return picture


@torch.no_grad()
def score_shares(
    real: Sequence[Tensor], fake: Sequence[Tensor], bins: int
) -> tuple[float, float, Tensor]:
    """Histograms of real and of generated sound's scores on one scale.

    Returns:
        The lowest and the highest score, and the shares `(2, bins)`, real sound first, averaged
        over discriminators. Scores that are no finite numbers are in no bin.
    """
    scores = [s.float()[s.float().isfinite()] for s in (*real, *fake)]
    low = min((float(s.min()) for s in scores if len(s)), default=0.0)
    high = max((float(s.max()) for s in scores if len(s)), default=low)
    high = high if high > low else low + 1.0
    return low, high, torch.stack([_histogram(part, low, high, bins) for part in (real, fake)])


def _histogram(scores: Sequence[Tensor], low: float, high: float, bins: int) -> Tensor:
    """Shares `(bins,)` of the scores, averaged over discriminators."""
    shares = []
    for score in scores:
        counts = torch.histc(score.detach().float().cpu(), bins, low, high)
        shares.append(counts / score.numel())
    return torch.stack(shares).mean(0)
