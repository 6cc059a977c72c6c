"""Music whose truth is known: pieces of the composer, played by our own instruments."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.ground_truth import ground_truth
from latentone.data.piece import Window, windows
from latentone.data.render import Renderer

RATE = 22050


@dataclass(frozen=True)
class Known:
    audio: Audio
    truth: dict[str, Any]


def render(piece, window: Window) -> Known:
    """A stretch of a piece; only what is heard in it is played."""
    tempo = piece.score.tempo
    begin, end = tempo.beats(window.start) - 8, tempo.beats(window.end)
    tracks = tuple(
        replace(t, notes=tuple(n for n in t.notes if n.start < end and n.end > begin))
        for t in piece.score.tracks
    )
    score = replace(piece.score, tracks=tuple(t for t in tracks if t.notes))
    sound = Renderer(sample_rate=RATE, channels=1).render(replace(piece, score=score))
    cut = sound[:, round(window.start * RATE) : round(window.end * RATE)]
    return Known(Audio(torch.from_numpy(cut.copy()), RATE), ground_truth(piece, window))


@pytest.fixture(scope="session")
def pieces() -> list[Known]:
    out = []
    for index in range(3):
        piece = compose(5, index)
        cuts = windows(piece, 16.0)
        out.append(render(piece, cuts[len(cuts) // 2]))
    return out


@pytest.fixture(scope="session")
def sections() -> list[Known]:
    """Forty seconds of five pieces: two sections or more of each."""
    out = []
    for index in range(5):
        piece = compose(5, index)
        cuts = windows(piece, 40.0)
        out.append(render(piece, cuts[len(cuts) // 2]))
    return out


@pytest.fixture(scope="session")
def tunes() -> list[Known]:
    """Melodies alone, one note at a time."""
    out = []
    for index in (1, 3, 6):
        piece = compose(5, index)
        lead = next(t for t in piece.score.tracks if t.name == "melody")
        notes = []
        for note, after in zip(lead.notes, [*lead.notes[1:], None], strict=True):
            room = note.duration if after is None else min(note.duration, after.start - note.start)
            if room > 0.05:
                notes.append(replace(note, duration=room))
        score = replace(piece.score, tracks=(replace(lead, notes=tuple(notes)),))
        piece = replace(piece, score=score)
        cuts = windows(piece, 8.0)
        out.append(render(piece, cuts[len(cuts) // 2]))
    return out
