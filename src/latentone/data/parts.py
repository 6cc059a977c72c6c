"""The parts of a piece, each alone: what a bass line, a drum loop or a pad sounds like."""

from __future__ import annotations

from dataclasses import replace

from ..symbolic.general_midi import family
from ..symbolic.score import Track
from .piece import Piece

__all__ = ["ROLES", "parts"]

ROLES = ("mix", "drums", "bass", "chords", "melody", "pad")
"""What a loop can be in a track."""


def parts(piece: Piece) -> list[Piece]:
    """Every part whose role is known, as a piece of its own.

    A part is named after its piece and role. What is true of the whole and not heard in a part is
    left out: genre and mood, and of drums alone also key and chords. Two tracks of one role play
    together.
    """
    members: dict[str, list[Track]] = {}
    for track in piece.score.tracks:
        role = _role(track)
        if role is not None and track.notes:
            members.setdefault(role, []).append(track)
    return [_alone(piece, role, tuple(tracks)) for role, tracks in members.items()]


def _role(track: Track) -> str | None:
    if track.drums:
        return "drums"
    name = track.name.lower()
    if name in ROLES:
        return name
    return "bass" if family(track.program) == "bass" else None


def _alone(piece: Piece, role: str, tracks: tuple[Track, ...]) -> Piece:
    score, metadata = replace(piece.score, tracks=tracks), {}
    if role == "drums":
        score = replace(score, key=None, chords=())
        metadata = {k: v for k, v in piece.metadata.items() if k == "drum_pattern"}
    return replace(
        piece,
        name=f"{piece.name}-{role}",
        score=score,
        midi=None,  # the file plays everything
        metadata=metadata,
        role=role,
        whole=piece.group,
    )
