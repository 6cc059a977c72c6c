"""Any folder of MIDI files as a corpus, with annotation files where they lie beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..symbolic.midi import read_midi
from ..symbolic.score import Chord
from ..symbolic.theory import parse_key, spell
from .piece import Piece

__all__ = ["find_midi", "read_piece"]


def find_midi(folder: str | Path) -> list[Path]:
    """All MIDI files below a folder, in order of their paths.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no MIDI file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; expected one with MIDI files")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".mid", ".midi")
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise ValueError(f"{folder} holds no .mid or .midi file")
    return found


def read_piece(path: str | Path, folder: str | Path) -> Piece:
    """Read one MIDI file as a piece named after its path below `folder`.

    Where it is the only MIDI file of its folder, the annotation files of POP909 are used if they
    lie beside it (Wang et al., "POP909", ISMIR 2020): `beat_midi.txt` (time, duple downbeat,
    quadruple downbeat), `chord_midi.txt` (start, end, chord), `key_audio.txt` (start, end, key;
    the first is the piece's).

    Raises:
        MidiError: the MIDI file cannot be read.
        ValueError: an annotation file cannot be read.
    """
    path, folder = Path(path), Path(folder)
    score = read_midi(path)
    parts = path.relative_to(folder).with_suffix("").parts
    # 001/001.mid is song 001.
    name = "/".join(parts[:-1] if len(parts) > 1 and parts[-1] == parts[-2] else parts)
    piece = Piece(name=name, score=score, midi=path, metadata={"source": path.name})
    siblings = [p for p in path.parent.iterdir() if p.suffix.lower() in (".mid", ".midi")]
    return _annotate(piece, path.parent) if len(siblings) == 1 else piece


def _table(path: Path) -> list[list[str]]:
    if not path.is_file():
        return []
    return [row.split() for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]


def _annotate(piece: Piece, folder: Path) -> Piece:
    score = piece.score
    try:
        rows = _table(folder / "beat_midi.txt")
        if rows:
            times = np.array([float(row[0]) for row in rows])
            bars = np.array([float(row[-1]) == 1.0 for row in rows])
            piece = replace(piece, beats=times, downbeats=times[bars])
        rows = _table(folder / "chord_midi.txt")
        if rows:
            beat = score.tempo.beats
            chords = tuple(Chord(beat(float(a)), beat(float(b)), label) for a, b, label in rows)
            score = replace(score, chords=chords)
        rows = _table(folder / "key_audio.txt")
        if rows:
            tonic, mode = parse_key(rows[0][2])
            score = replace(score, key=f"{spell(tonic, mode=mode)} {mode}")
    except (ValueError, IndexError) as error:
        raise ValueError(f"annotations beside {piece.midi} cannot be read: {error}") from error
    return replace(piece, score=score)
