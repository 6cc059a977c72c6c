"""How close a reconstruction is: numbers with units, ranges and a direction.

`control` says whether a sound does what was asked, `structure` whether it holds together, `loops`
and `notes` judge those; `distribution` and `sets` compare sets.
"""

from __future__ import annotations

from .pitch import f0_scores, pitch_scores
from .reconstruction import (
    METRICS,
    PITCH_METRICS,
    Metric,
    ReconstructionMetrics,
    reconstruction_metrics,
)
from .visqol import visqol

__all__ = [
    "METRICS",
    "PITCH_METRICS",
    "Metric",
    "ReconstructionMetrics",
    "f0_scores",
    "pitch_scores",
    "reconstruction_metrics",
    "visqol",
]
