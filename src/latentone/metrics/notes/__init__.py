"""Single notes and the notes of one instrument: pitch, attack, timbre.

How varied the pitches of a set are is said by `latentone.metrics.control.pitch_entropy`.
"""

from __future__ import annotations

from .note import NOTES, attack_time, note_scores
from .timbre import partials, timbral_consistency, timbre_distances

__all__ = [
    "NOTES",
    "attack_time",
    "note_scores",
    "partials",
    "timbral_consistency",
    "timbre_distances",
]
