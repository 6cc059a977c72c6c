"""Scores, MIDI files and music theory; nothing here needs torch."""

from .midi import MidiError, read_midi, write_midi
from .score import Chord, Meter, Note, Score, TempoMap, Track

__all__ = [
    "Chord",
    "Meter",
    "MidiError",
    "Note",
    "Score",
    "TempoMap",
    "Track",
    "read_midi",
    "write_midi",
]
