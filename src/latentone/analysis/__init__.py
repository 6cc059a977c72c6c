"""Musical facts from sound: pitch, onsets, beats, key, chords, dynamics, form.

Each function takes an `Audio` and returns a frozen dataclass whose fields say their units. Its own
error, measured on music whose truth is known, is in docs/analysis.md: no figure made with one of
them is more certain than that.
"""

from __future__ import annotations

from .chords import VOCABULARIES, ChordSpan, chord_templates, chords
from .chroma import (
    CHROMA_SETTINGS,
    Chroma,
    Chromagram,
    ChromaSpec,
    Melody,
    chroma,
    chroma_filterbank,
    melody,
    one_hot,
)
from .dynamics import Dynamics, dynamics, level_curve, smooth
from .errors import ESTIMATORS, MATERIALS, EstimatorError, estimator_error
from .f0 import F0, fundamental
from .key import KEY_PROFILES, Key, key, key_of_pitch_classes
from .onsets import Onsets, OnsetStrength, onset_strength, onsets, pick_peaks
from .pitchgram import Pitchgram, pitchgram
from .rhythm import Rhythm, rhythm
from .structure import Structure, repetition, self_similarity, structure

__all__ = [
    "CHROMA_SETTINGS",
    "ESTIMATORS",
    "F0",
    "KEY_PROFILES",
    "MATERIALS",
    "VOCABULARIES",
    "ChordSpan",
    "Chroma",
    "ChromaSpec",
    "Chromagram",
    "Dynamics",
    "EstimatorError",
    "Key",
    "Melody",
    "OnsetStrength",
    "Onsets",
    "Pitchgram",
    "Rhythm",
    "Structure",
    "chord_templates",
    "chords",
    "chroma",
    "chroma_filterbank",
    "dynamics",
    "estimator_error",
    "fundamental",
    "key",
    "key_of_pitch_classes",
    "level_curve",
    "melody",
    "one_hot",
    "onset_strength",
    "onsets",
    "pick_peaks",
    "pitchgram",
    "repetition",
    "rhythm",
    "self_similarity",
    "smooth",
    "structure",
]
