"""A score played by the synthesisers: notes to parts, parts to a mix in a room."""

from __future__ import annotations

import zlib

import numpy as np

from ..symbolic.score import Score, Track
from .drums import DrumKit
from .mix import place
from .presets import gain, instrument
from .room import reverberate

__all__ = ["frequency", "render_score", "render_track"]

_KITS = (
    DrumKit(),
    DrumKit(tuning=0.94, length=1.15),
    DrumKit(tuning=1.08, length=0.85),
    DrumKit(tuning=0.97, length=1.1, electronic=1.0),
    DrumKit(tuning=1.05, length=0.8, electronic=0.7),
)


def frequency(pitch: int) -> float:
    """Hz of a MIDI number, equal temperament, A4 = 440."""
    return 440.0 * 2 ** ((pitch - 69) / 12)


def render_track(
    score: Score, index: int, *, sample_rate: int, length: int, seed: int = 0
) -> np.ndarray:
    """Render one part dry.

    Args:
        score: the piece; its tempo map places the notes.
        index: which track.
        sample_rate: Hz.
        length: samples; what rings longer is cut.
        seed: of the small differences between strokes.

    Returns:
        Mono `(length,)` float32. A note begins at the sample nearest to its onset.
    """
    track: Track = score.tracks[index]
    out = np.zeros(length, dtype=np.float32)
    begin = np.asarray(score.tempo.seconds(np.array([n.start for n in track.notes])))
    end = np.asarray(score.tempo.seconds(np.array([n.end for n in track.notes])))
    rng = np.random.default_rng([seed, index])
    kit = _KITS[seed % len(_KITS)]
    voice = None if track.drums else instrument(track.program)
    for count, (note, t0, t1) in enumerate(zip(track.notes, begin, end, strict=True)):
        start = round(float(t0) * sample_rate)
        if start >= length:
            continue
        force = note.velocity / 127
        if voice is None:
            sound = kit.render(note.pitch, force, sample_rate, count)
        else:
            hertz = frequency(note.pitch)
            if hertz >= 0.48 * sample_rate:
                continue
            sound = voice.render(hertz, float(t1 - t0), force, sample_rate, rng)
        stop = min(length, start + sound.size)
        out[start:stop] += sound[: stop - start]
    return out


def render_score(score: Score, *, sample_rate: int, tail: float = 2.0) -> np.ndarray:
    """Render a score with the synthesisers of this folder.

    Args:
        score: what to play; volume and pan of its tracks place them in the mix.
        sample_rate: Hz.
        tail: seconds kept after the last release.

    Returns:
        Stereo `(2, T)` float32, not normalised.
    """
    length = round((score.duration + tail) * sample_rate)
    mix = np.zeros((2, length), dtype=np.float32)
    send = np.zeros(length, dtype=np.float32)
    # What a piece is decides on kit and room, so equal scores sound equal.
    seed = zlib.crc32(repr((score.key, [t.program for t in score.tracks])).encode())
    for index, track in enumerate(score.tracks):
        part = render_track(score, index, sample_rate=sample_rate, length=length, seed=seed)
        # General MIDI: amplitude goes with the square of the volume controller.
        part *= np.float32((track.volume / 127) ** 2)
        part *= np.float32(0.42 if track.drums else gain(track.program))
        mix += place(part, track.pan)
        low = track.drums or 32 <= track.program < 40
        send += np.float32(0.25 if low else 1.0) * part
    seconds = 0.5 + 0.1 * (seed % 14)
    return mix + np.float32(0.28) * reverberate(send, sample_rate, seconds=seconds, seed=seed % 5)
