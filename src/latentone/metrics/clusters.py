"""How many unrelated windows the windows of a few tracks are worth."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["independent_items"]


def independent_items(x: Tensor, tracks: Sequence[str]) -> float:
    """Number of independent items that would know the mean of a set as well as these do.

    The mean of N independent items has the covariance C / N. That of a clustered set is estimated
    from its tracks (Liang and Zeger 1986), and compared by the trace:

        N_eff = tr C / (T / (T - 1) sum_t (N_t / N)^2 |m_t - m|^2)

    for T tracks of N_t items with the mean m_t. Windows of one track resemble each other, so it
    lies between T (each track says one thing) and N (tracks make no difference).

    Args:
        x: vectors `(N, D)`.
        tracks: the track of each.

    Returns:
        At least 1 and at most N; 1 for a single track, N where all vectors are equal.
    """
    x = x.detach().to(torch.float64)
    known = {track: i for i, track in enumerate(dict.fromkeys(tracks))}
    count = len(known)
    if count < 2:
        return 1.0
    rows = torch.tensor([known[track] for track in tracks], device=x.device)
    centred = x - x.mean(0)
    sums = x.new_zeros(count, x.shape[1]).index_add_(0, rows, centred)
    of_mean = float((sums / len(x)).square().sum()) * count / (count - 1)
    spread = float(centred.square().sum()) / (len(x) - 1)
    return min(float(len(x)), max(1.0, spread / of_mean)) if of_mean > 0 else float(len(x))
