"""How sounds hold together over time, by themselves and beside a reference set."""

from __future__ import annotations

from .coherence import COHERENCE, coherence, seams
from .compare import DescriptorComparison, compare_coherence
from .drift import key_drift, tempo_drift
from .seams import Flux, flux_at, jump_ratio

__all__ = [
    "COHERENCE",
    "DescriptorComparison",
    "Flux",
    "coherence",
    "compare_coherence",
    "flux_at",
    "jump_ratio",
    "key_drift",
    "seams",
    "tempo_drift",
]
