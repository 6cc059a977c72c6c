"""Tempo: right, right but for the level at which one counts, and how far off."""

from __future__ import annotations

__all__ = ["TEMPO_FACTORS", "tempo_scores"]

TOLERANCE = 0.04
TEMPO_FACTORS = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
"""What else a listener might count for one beat a minute."""


def tempo_scores(asked: float, heard: float) -> dict[str, float]:
    """Compare two tempi.

    Accuracy 1 and 2 of Gouyon et al., *An experimental comparison of audio tempo induction
    algorithms*, 2006.

    Args:
        asked: beats per minute.
        heard: likewise; 0 where there is no pulse.

    Returns:
        `tempo_accuracy`, 1 within 4 % of what was asked, else 0; `tempo_accuracy_2`, the same with
        a factor of 1/3, 1/2, 2 or 3 allowed; `tempo_error`, in percent of what was asked, -100 for
        no pulse.

    Raises:
        ValueError: `asked` is not positive, or `heard` negative.
    """
    if not 0 < asked < float("inf") or not 0 <= heard < float("inf"):
        raise ValueError(
            f"expected positive beats per minute (heard: 0 or more), got {asked} and {heard}"
        )
    ratio = heard / asked
    return {
        "tempo_accuracy": float(abs(ratio - 1) <= TOLERANCE),
        "tempo_accuracy_2": float(any(abs(ratio / f - 1) <= TOLERANCE for f in TEMPO_FACTORS)),
        "tempo_error": 100 * (ratio - 1),
    }
