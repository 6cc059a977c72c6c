"""The pitch of a single note beside the one that was asked for."""

from __future__ import annotations

import math

from ...analysis import F0, fundamental
from ...audio import Audio

__all__ = ["follow_note", "note_pitch", "pitch_scores_of_note"]

CENTS = 50.0
"""Nearer than a quarter of a tone, the asked key is the nearest one."""
SAMPLES_PER_PERIOD = 20
"""From here on f0 is exact to 3 cents."""


def follow_note(audio: Audio, pitch: float | None = None) -> F0:
    """The f0 of one note, with a range that holds two octaves around the asked pitch.

    Args:
        audio: one note; high ones are resampled, so that their periods are long enough.
        pitch: MIDI number that was asked for, 0 to 127, if any.

    Raises:
        ValueError: a sample is not finite.
    """
    asked = 440.0 if pitch is None else 440 * 2 ** ((pitch - 69) / 12)
    rate = max(audio.sample_rate, math.ceil(SAMPLES_PER_PERIOD * asked))
    low, high = min(65.4, asked / 2), max(2093.0, 2 * asked)
    # 10 Hz is the least that `fundamental` looks for; MIDI 4 lies above it, keys below hardly
    # have a pitch.
    return fundamental(audio.resample(rate), f_min=max(10.0, low), f_max=min(high, rate / 4))


def note_pitch(f0: F0) -> float:
    """The median pitch of the voiced frames as a MIDI number; NaN where none is voiced."""
    return float(f0.midi[f0.voiced].median()) if bool(f0.voiced.any()) else math.nan


def pitch_scores_of_note(asked: float, heard: float) -> dict[str, float]:
    """Compare two MIDI numbers.

    Args:
        asked: of the note.
        heard: see `note_pitch`; NaN where no pitch was heard.

    Returns:
        `pitch_accuracy`, 1 within 50 cents, else 0; `pitch_error` in cents, above 0 where the
        sound is sharp, NaN where it has no pitch.
    """
    cents = 100 * (heard - asked)
    return {"pitch_accuracy": float(abs(cents) < CENTS), "pitch_error": cents}
