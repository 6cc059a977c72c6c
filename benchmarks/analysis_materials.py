"""Music whose truth is known, for `analysis_errors.py`: excerpts of rendered pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from latentone.audio import Audio
from latentone.data.composer import compose
from latentone.data.ground_truth import ground_truth
from latentone.data.piece import Piece, windows
from latentone.data.render import Renderer
from latentone.data.render_midi import find_midi, read_piece
from latentone.instruments import fluidsynth

RATE = 24000
Truth = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Item:
    """A sound and what is known of it."""

    name: str
    audio: Audio
    truth: Truth
    """Fields of `latentone.data.ground_truth`, or those of them that are known."""
    asked: frozenset[str]
    """What is measured: pitch, onsets, tempo, beats, harmony, chroma, level, form."""


BAND = frozenset({"onsets", "tempo", "beats", "harmony", "chroma", "level", "form"})
VOICE = frozenset({"pitch"})


def synthesised(pieces: int, seconds: float, seed: int) -> Iterator[Item]:
    """The composer's pieces, played by the project's own instruments."""
    renderer = Renderer(sample_rate=RATE, channels=1)
    for index in range(pieces):
        yield from items(compose(seed, index), renderer, seconds)


def sampled(pieces: int, seconds: float, seed: int) -> Iterator[Item]:
    """The composer's pieces, played by the recorded instruments of a SoundFont."""
    for index in range(pieces):
        yield from items(compose(seed, index), _recorded(), seconds)


def pop909(pieces: int, seconds: float, folder: Path) -> Iterator[Item]:
    """Songs of POP909 (Wang et al., 2020) that keep one key, with their annotations."""
    count = 0
    for path in find_midi(folder):
        rows = (path.parent / "key_audio.txt").read_text(encoding="utf-8").split("\n")
        if count < pieces and sum(bool(row.strip()) for row in rows) == 1:
            count += 1
            yield from items(read_piece(path, folder), _recorded(), seconds)


def _recorded() -> Renderer:
    return Renderer(sample_rate=RATE, channels=1, soundfont=fluidsynth.find_soundfont())


def items(piece: Piece, renderer: Renderer, seconds: float) -> Iterator[Item]:
    """The middle of a piece: the melody by itself, and the band."""
    tune = alone(piece)
    if tune is not None:
        audio, truth = excerpt(tune, renderer, seconds)
        yield Item(name=f"{piece.name} melody", audio=audio, truth=truth, asked=VOICE)
    audio, truth = excerpt(piece, renderer, seconds)
    asked = BAND if truth["sections"] else BAND - {"form"}
    yield Item(name=piece.name, audio=audio, truth=truth, asked=asked)


def excerpt(piece: Piece, renderer: Renderer, seconds: float) -> tuple[Audio, Truth]:
    """The middle window of a piece; of a score, only what is heard in it is played."""
    cuts = windows(piece, seconds)
    window = cuts[len(cuts) // 2]
    tempo = piece.score.tempo
    begin, end = tempo.beats(window.start) - 8, tempo.beats(window.end)
    tracks = (
        replace(t, notes=tuple(n for n in t.notes if n.start < end and n.end > begin))
        for t in piece.score.tracks
    )
    score = replace(piece.score, tracks=tuple(t for t in tracks if t.notes))
    sound = renderer.render(replace(piece, score=score))
    cut = sound[:, round(window.start * RATE) : round(window.end * RATE)]
    return Audio(torch.from_numpy(cut.copy()), RATE), ground_truth(piece, window)


def alone(piece: Piece) -> Piece | None:
    """The melody by itself, each note released before the next."""
    lead = next((t for t in piece.score.tracks if t.name.lower() == "melody"), None)
    if lead is None:
        return None
    notes = []
    for note, after in zip(lead.notes, [*lead.notes[1:], None], strict=True):
        room = note.duration if after is None else min(note.duration, after.start - note.start)
        if room > 0.05:
            notes.append(replace(note, duration=room))
    score = replace(piece.score, tracks=(replace(lead, notes=tuple(notes)),))
    # The MIDI file would play the band.
    return replace(piece, score=score, midi=None)
