"""Beats and onsets: two lists of times, matched one to one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

__all__ = [
    "BEAT_WINDOW",
    "ONSET_WINDOW",
    "Times",
    "event_f1",
    "matches",
    "merge_onsets",
    "onset_f1",
]

Times = Sequence[float] | np.ndarray | Tensor

BEAT_WINDOW = 0.07
"""Seconds that a beat may be off, as MIREX and mir_eval have it."""
ONSET_WINDOW = 0.05
"""Seconds that an onset may be off, as MIREX and mir_eval have it."""
SAME_ONSET = 0.03
"""Onsets this close are one: no detector, and hardly an ear, parts them."""


def event_f1(reference: Times, estimate: Times, window: float) -> float:
    """F-measure of times, in [0, 1], higher is better: mir_eval's, except where both are empty.

    `2 m / (n_reference + n_estimate)` with m the most pairs that lie within the window, no time in
    two of them: the harmonic mean of precision and recall. Nothing is trimmed: mir_eval's protocol
    for beats leaves out the first five seconds, which short clips do not have to spare.

    Args:
        reference: seconds, ascending.
        estimate: likewise.
        window: how far partners may lie apart, in seconds; this distance itself counts.

    Returns:
        1 where both are empty (nothing was asked for, nothing came; mir_eval says 0), 0 where one
        is.

    Raises:
        ValueError: times that are not finite and ascending, or a window that is not positive.
    """
    first, second = _ascending(reference, "reference"), _ascending(estimate, "estimated")
    if not window > 0:
        raise ValueError(f"window must be positive seconds, got {window}")
    if not len(first) and not len(second):
        return 1.0
    return 2 * matches(first, second, window) / (len(first) + len(second))


def onset_f1(reference: Times, estimate: Times) -> float:
    """`event_f1` of onsets at 50 ms, without those of the first 50 ms on either side.

    Whether a sound begins there or goes on cannot be told from it.
    """
    kept = [np.asarray(times, dtype=np.float64) for times in (reference, estimate)]
    reference, estimate = (times[times > ONSET_WINDOW] for times in kept)
    return event_f1(reference, estimate, ONSET_WINDOW)


def matches(first: np.ndarray, second: np.ndarray, window: float) -> int:
    """The most pairs within a window that two ascending lists of times can form.

    Pairing the two earliest whenever they fit is optimal: in any other matching, their partners
    are no earlier, and can be exchanged for them. Where they do not fit, the earlier of them is
    even further from all that follows.
    """
    count = i = j = 0
    while i < len(first) and j < len(second):
        distance = second[j] - first[i]
        if abs(distance) <= window:
            count, i, j = count + 1, i + 1, j + 1
        elif distance > 0:
            i += 1
        else:
            j += 1
    return count


def merge_onsets(times: Times) -> np.ndarray:
    """Sorted times without those within 30 ms of one that is kept: a chord begins once."""
    kept: list[float] = []
    for time in sorted(float(t) for t in times):
        if not kept or time - kept[-1] > SAME_ONSET:
            kept.append(time)
    return np.array(kept)


def _ascending(times: Times, name: str) -> np.ndarray:
    array = np.asarray(times, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all() or any(b < a for a, b in pairwise(array)):
        raise ValueError(
            f"expected {name} times as ascending finite seconds, got shape {array.shape}: "
            f"{array[:5].tolist()}"
        )
    return array
