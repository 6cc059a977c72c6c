"""Does a sound do what was asked? Each number with its unit, range and the error that limits it.

`adherence` judges one sound by its request, `likeness` by a reference sound; both are for single
sounds. Of whole sets: `macro_correlation`, `pitch_entropy`, `text_audio_similarity` and
`instrument_accuracy`. Given the same estimates, beats, onsets, keys, chords and melodies score what
mir_eval gives them.
"""

from __future__ import annotations

from .adherence import ADHERENCE, adherence
from .dynamics import (
    Curves,
    asked_curves,
    dynamics_correlation,
    macro_correlation,
    sound_curves,
)
from .entropy import pitch_class_entropy, pitch_entropy
from .events import BEAT_WINDOW, ONSET_WINDOW, event_f1, merge_onsets, onset_f1
from .instruments import average_precision, instrument_accuracy
from .likeness import LIKENESS, likeness
from .melody import (
    HARMONY_CHROMA,
    MELODY_CHROMA,
    asked_classes,
    asked_weights,
    chroma_cosine,
    melody_accuracy,
    pitch_classes,
)
from .metric import ControlMetric
from .pitch import follow_note, note_pitch, pitch_scores_of_note
from .request import Request, read_request, read_seams
from .retrieval import text_audio_similarity
from .tempo import TEMPO_FACTORS, tempo_scores
from .tonality import chord_overlap, key_score

__all__ = [
    "ADHERENCE",
    "BEAT_WINDOW",
    "HARMONY_CHROMA",
    "LIKENESS",
    "MELODY_CHROMA",
    "ONSET_WINDOW",
    "TEMPO_FACTORS",
    "ControlMetric",
    "Curves",
    "Request",
    "adherence",
    "asked_classes",
    "asked_curves",
    "asked_weights",
    "average_precision",
    "chord_overlap",
    "chroma_cosine",
    "dynamics_correlation",
    "event_f1",
    "follow_note",
    "instrument_accuracy",
    "key_score",
    "likeness",
    "macro_correlation",
    "melody_accuracy",
    "merge_onsets",
    "note_pitch",
    "onset_f1",
    "pitch_class_entropy",
    "pitch_classes",
    "pitch_entropy",
    "pitch_scores_of_note",
    "read_request",
    "read_seams",
    "sound_curves",
    "tempo_scores",
    "text_audio_similarity",
]
