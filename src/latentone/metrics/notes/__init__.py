"""Single notes and the notes of one instrument: pitch, attack, timbre.

`note_scores` is of one note, `pitch_variety` and `timbral_consistency` are of a set.
"""

from __future__ import annotations

from .note import NOTES, attack_time, note_scores, voiced_share
from .timbre import (
    consistency_of_distances,
    identified_notes,
    partials,
    timbral_consistency,
    timbre_distances,
)
from .variety import pitch_variety

__all__ = [
    "NOTES",
    "attack_time",
    "consistency_of_distances",
    "identified_notes",
    "note_scores",
    "partials",
    "pitch_variety",
    "timbral_consistency",
    "timbre_distances",
    "voiced_share",
]
