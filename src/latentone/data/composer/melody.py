"""Melodies from motifs: stated, answered in sequence, varied, and closed by a cadence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...symbolic.score import Chord, Note
from ...symbolic.theory import chord_pitch_classes, scale_pitches
from .genres import Genre
from .harmony import Key, at

__all__ = ["melody", "vary"]

# Onsets in a bar, in beats, by density and by beats in the bar.
_RHYTHMS: dict[int, tuple[tuple[tuple[float, ...], ...], ...]] = {
    4: (
        ((0, 2), (0, 1.5), (0, 3), (0,), (0, 2, 3), (1, 2), (0, 1, 2)),
        (
            (0, 1, 2, 3),
            (0, 1.5, 2, 3),
            (0, 0.5, 1, 2),
            (0, 1.5, 3, 3.5),
            (0, 1, 1.5, 2.5),
            (0.5, 1, 2, 3),
            (0, 0.5, 1.5, 2.5),
        ),
        (
            (0, 0.5, 1, 1.5, 2, 3),
            (0, 0.5, 1.5, 2, 2.5, 3.5),
            (0.5, 1, 1.5, 2, 3, 3.5),
            (0, 0.75, 1.5, 2, 2.75, 3.5),
            (0, 1, 1.5, 2, 2.5, 3, 3.5),
            (0, 0.5, 1, 2.5, 3, 3.5),
        ),
    ),
    3: (
        ((0,), (0, 2), (0, 1.5)),
        ((0, 1, 2), (0, 2), (0, 1.5, 2), (0, 2, 2.5)),
        ((0, 0.5, 1, 2), (0, 1, 1.5, 2, 2.5), (0, 0.5, 1, 1.5, 2), (0, 1, 2, 2.5)),
    ),
}
_CADENCES = {4: ((0, 1, 2), (0, 2), (0, 0.5, 1, 2), (0,)), 3: ((0,), (0, 1))}


def _nearest(pitches: Sequence[int], target: float) -> int:
    return min(pitches, key=lambda p: (abs(p - target), p))


def _chord_tones(label: str, low: int, high: int) -> list[int]:
    members = set(chord_pitch_classes(label)[:4])
    return [p for p in range(low, high + 1) if p % 12 in members]


def melody(
    genre: Genre,
    key: Key,
    chords: list[Chord],
    *,
    low: int,
    high: int,
    density: int,
    closing: bool,
    rng: np.random.Generator,
) -> list[Note]:
    """Write a melody over a phrase that begins at beat 0.

    Two bars of motif (a rhythm and steps of the scale) are stated, then answered: the same rhythm
    and contour from another chord tone. Notes on beats 1 and 3 and long notes are chord tones, the
    others step through the scale towards them.

    Args:
        genre: scale and beats of a bar.
        key: tonic and mode.
        chords: the phrase.
        low: lowest MIDI number.
        high: highest, at least 14 above.
        density: 0 to 2.
        closing: whether the phrase ends on the tonic chord's root or third.
        rng: chance.

    Returns:
        Notes with velocity 100, in order, without overlap.
    """
    beats = genre.beats
    bars = round(chords[-1].end / beats)
    scale = key.mode
    if genre.scale == "pentatonic":
        scale = f"{key.mode} pentatonic"
    elif genre.scale is not None:
        scale = genre.scale
    ladder = scale_pitches(key.tonic, scale, low, high)
    rhythms = _RHYTHMS[beats][density]
    pair = [rhythms[rng.integers(len(rhythms))] for _ in range(2)]
    # Steps of a motif: mostly one degree, sometimes a third; leaps turn back.
    steps = [int(rng.choice([-2, -1, -1, 0, 1, 1, 2])) for _ in range(16)]
    middle = (low + high) / 2
    cadence = _CADENCES[beats][rng.integers(len(_CADENCES[beats]))]

    onsets: list[tuple[float, int]] = []  # (beat, place in the motif)
    for bar in range(bars):
        rhythm = cadence if bar % 4 == 3 else pair[bar % 2]
        if bar % 4 == 2 and rng.random() < 0.4:
            rhythm = pair[0]
        place = 0 if bar % 2 == 0 else len(pair[0])
        onsets += [(bar * beats + t, place + i) for i, t in enumerate(rhythm)]

    notes: list[Note] = []
    pitch = _nearest(_chord_tones(chords[0].label, low, high), middle + rng.uniform(-4, 4))
    end = chords[-1].end
    for i, (beat, place) in enumerate(onsets):
        following = onsets[i + 1][0] if i + 1 < len(onsets) else end
        label = chords[at(chords, beat)].label
        tones = _chord_tones(label, low, high)
        measure, inside = divmod(beat, beats)
        length = float(min(following - beat, 2.0 if density else 3.0))
        # Phrases breathe: the last note of every fourth bar leaves room.
        last = following >= (measure + 1) * beats - 1e-9
        if last and measure % 4 == 3:
            length = min(length, max(1.0, (measure + 1) * beats - beat - 0.5))
        target = pitch + 2.0 * steps[place % len(steps)] + 0.12 * (middle - pitch)
        strong = inside in (0.0, 2.0) or length >= 1.5
        if place == 0 and measure % 4 == 2:
            target = pitch + float(rng.choice([-3, 2, 3, 4]))  # the answer begins elsewhere
        if strong:
            pitch = _nearest(tones, target)
        else:
            rungs = [p for p in ladder if p != pitch] or ladder
            pitch = _nearest(rungs, target)
        if closing and i == len(onsets) - 1:
            home = [p for p in tones if p % 12 == chord_pitch_classes(label)[0]]
            pitch = _nearest(home, pitch)
        notes.append(Note(beat, 0.92 * length, pitch, 100))
    return notes


def vary(notes: list[Note], key: Key, rng: np.random.Generator) -> list[Note]:
    """A repeat that is not a copy: some long notes gain a neighbour, some short ones fall away."""
    ladder = scale_pitches(key.tonic, key.mode, 0, 127)
    out = []
    for note in notes:
        chance = rng.random()
        if note.duration >= 0.9 and chance < 0.2:
            half = note.duration / 2
            neighbour = _nearest(
                [p for p in ladder if p != note.pitch], note.pitch + rng.choice([-2, 2])
            )
            out.append(Note(note.start, 0.9 * half, note.pitch, note.velocity))
            out.append(Note(note.start + half, 0.9 * half, neighbour, note.velocity - 10))
        elif note.duration < 0.5 and chance < 0.12 and note.start % 1 != 0:
            continue
        else:
            out.append(note)
    return out
