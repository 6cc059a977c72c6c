"""Standard MIDI files: read into a Score, and written from one."""

from __future__ import annotations

from collections import defaultdict, deque
from pathlib import Path
from types import ModuleType
from typing import Any

from ..atomic import atomic_file
from .score import Meter, Note, Score, TempoMap, Track

__all__ = ["MidiError", "parse_midi", "read_midi", "require_mido", "write_midi"]

DRUM_CHANNEL = 9
TICKS_PER_BEAT = 960
_MAX_HOURS = 12
_MAX_BEATS = 500_000


class MidiError(ValueError):
    """A MIDI file that cannot be read; the message names path and reason."""


def require_mido() -> ModuleType:
    """Import mido, or say how to install it.

    Raises:
        ImportError: mido is not installed.
    """
    try:
        import mido
    except ImportError as error:
        raise ImportError(
            "MIDI files need the package mido: pip install 'latentone[midi]'"
        ) from error
    return mido


def read_midi(path: str | Path) -> Score:
    """Read a standard MIDI file of type 0 or 1.

    A track of the score is what one file track plays on one channel with one program. Tempi, time
    signatures and the first key signature are read; controllers are not (a renderer that needs
    them plays the file itself).

    Raises:
        MidiError: not MIDI, damaged, of type 2, in SMPTE time, over 12 hours, or without notes.
    """
    path = Path(path)
    return _score(parse_midi(path), path)


def parse_midi(path: Path) -> Any:
    """Parse a file into mido's messages.

    Raises:
        FileNotFoundError: no such file.
        MidiError: it cannot be parsed.
    """
    mido = require_mido()
    # mido reports damage by whatever its parser trips over first.
    damage = (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError)
    try:
        return mido.MidiFile(str(path))
    except FileNotFoundError:
        raise
    except (*damage, AttributeError, mido.KeySignatureError) as error:
        reason = str(error) or type(error).__name__
        raise MidiError(f"{path}: not a readable MIDI file ({reason})") from error


def _score(file: Any, path: Path) -> Score:
    if file.type == 2:
        raise MidiError(f"{path}: type 2 (independent sequences); save it as type 0 or 1")
    division = file.ticks_per_beat
    if not 0 < division < 0x8000:
        raise MidiError(f"{path}: SMPTE time division {division}; save it with ticks per beat")

    events = []
    for index, track in enumerate(file.tracks):
        tick = 0
        for message in track:
            tick += message.time
            events.append((tick, index, message))
    events.sort(key=lambda event: event[0])  # stable: the order within a tick stays the file's

    tempi, meters, key = {0: 120.0}, {0: (4, 4)}, None
    program = dict.fromkeys(range(16), 0)
    volume = dict.fromkeys(range(16), 100)
    pan = dict.fromkeys(range(16), 64)
    names = {index: track.name.strip() for index, track in enumerate(file.tracks)}
    sounding: dict[tuple[int, int, int], deque[tuple[int, int, int]]] = defaultdict(deque)
    found: dict[tuple[int, int, int], list[Note]] = {}
    mix: dict[tuple[int, int, int], tuple[int, int]] = {}

    def close(index: int, channel: int, pitch: int, tick: int) -> None:
        # Overlapping strokes of one key end in the order in which they began.
        waiting = sounding[index, channel, pitch]
        if not waiting:
            return
        began, velocity, patch = waiting.popleft()
        if tick > began:
            found[index, channel, patch].append(
                Note(began / division, (tick - began) / division, pitch, velocity)
            )

    for tick, index, message in events:
        kind = message.type
        if kind == "note_on" and message.velocity > 0:
            channel = message.channel
            patch = 0 if channel == DRUM_CHANNEL else program[channel]
            found.setdefault((index, channel, patch), [])
            mix.setdefault((index, channel, patch), (volume[channel], pan[channel]))
            sounding[index, channel, message.note].append((tick, message.velocity, patch))
        elif kind in ("note_on", "note_off"):
            close(index, message.channel, message.note, tick)
        elif kind == "program_change":
            program[message.channel] = message.program
        elif kind == "control_change" and message.control == 7:
            volume[message.channel] = message.value
        elif kind == "control_change" and message.control == 10:
            pan[message.channel] = message.value
        elif kind == "set_tempo":
            if message.tempo <= 0:
                raise MidiError(f"{path}: a tempo of 0 microseconds per beat")
            tempi[tick] = 60e6 / message.tempo
        elif kind == "time_signature":
            if not (0 < message.numerator <= 64 and message.denominator <= 64):
                meter = f"{message.numerator}/{message.denominator}"
                raise MidiError(f"{path}: a time signature of {meter}: damaged?")
            meters[tick] = (message.numerator, message.denominator)
        elif kind == "key_signature" and key is None:
            key = f"{message.key.rstrip('m')} {'minor' if message.key.endswith('m') else 'major'}"

    last = events[-1][0] if events else 0
    for (index, channel, pitch), waiting in list(sounding.items()):
        for _ in range(len(waiting)):
            close(index, channel, pitch, last)

    tracks = tuple(
        Track(
            name=names[index],
            program=patch,
            notes=tuple(sorted(notes)),
            drums=channel == DRUM_CHANNEL,
            volume=mix[index, channel, patch][0],
            pan=mix[index, channel, patch][1],
        )
        for (index, channel, patch), notes in sorted(found.items())
        if notes
    )
    if not tracks:
        raise MidiError(f"{path}: holds no notes")
    score = Score(
        tracks=tracks,
        tempo=TempoMap([(t / division, bpm) for t, bpm in sorted(tempi.items())]),
        meters=tuple(Meter(t / division, n, d) for t, (n, d) in sorted(meters.items())),
        key=key,
    )
    if score.end > _MAX_BEATS:
        raise MidiError(f"{path}: has {score.end:.0f} beats, more than {_MAX_BEATS}: damaged?")
    if score.duration > _MAX_HOURS * 3600:
        raise MidiError(
            f"{path}: lasts {score.duration / 3600:.0f} hours, more than {_MAX_HOURS}: damaged?"
        )
    return score


def _channels(tracks: tuple[Track, ...]) -> list[int]:
    """A channel per track; tracks with one program, volume and pan share when there are many."""
    free = iter([c for c in range(16) if c != DRUM_CHANNEL])
    share = sum(not t.drums for t in tracks) > 15
    taken: dict[tuple[int, int, int], int] = {}
    channels = []
    for track in tracks:
        patch = (track.program, track.volume, track.pan)
        if track.drums:
            channels.append(DRUM_CHANNEL)
        elif share and patch in taken:
            channels.append(taken[patch])
        else:
            channel = next(free, None)
            if channel is None:
                raise ValueError("MIDI has 15 channels beside the drums; got more instruments")
            taken[patch] = channel
            channels.append(channel)
    return channels


def write_midi(score: Score, path: str | Path) -> None:
    """Write a type 1 file: one track for tempo, meter and key, then one for every track.

    Times are rounded to 1/960 beat (half a millisecond at 120 beats per minute).

    Raises:
        ValueError: more than 15 different melodic instruments.
    """
    mido = require_mido()
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)

    def tick(beat: float) -> int:
        return round(beat * TICKS_PER_BEAT)

    def add(name: str, events: list[tuple[int, int, Any]]) -> None:
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name, time=0))
        now = 0
        for at, _, message in sorted(events, key=lambda event: event[:2]):
            track.append(message.copy(time=at - now))
            now = at
        file.tracks.append(track)

    head: list[tuple[int, int, Any]] = []
    for beat, bpm in score.tempo.changes:
        head.append((tick(beat), 0, mido.MetaMessage("set_tempo", tempo=round(60e6 / bpm))))
    for meter in score.meters:
        head.append(
            (
                tick(meter.start),
                0,
                mido.MetaMessage(
                    "time_signature", numerator=meter.numerator, denominator=meter.denominator
                ),
            )
        )
    if score.key is not None:
        tonic, mode = score.key.split()
        name = tonic + ("m" if mode == "minor" else "")
        head.append((0, 0, mido.MetaMessage("key_signature", key=name)))
    add("", head)

    for track, channel in zip(score.tracks, _channels(score.tracks), strict=True):
        # Order within a tick: setup, releases, strokes. A repeated note must not be cut by the
        # release of the one before it.
        events: list[tuple[int, int, Any]] = [
            (0, 0, mido.Message("program_change", channel=channel, program=track.program)),
            (0, 0, mido.Message("control_change", channel=channel, control=7, value=track.volume)),
            (0, 0, mido.Message("control_change", channel=channel, control=10, value=track.pan)),
        ]
        for note in track.notes:
            begin = tick(note.start)
            end = max(tick(note.end), begin + 1)
            stroke = {"channel": channel, "note": note.pitch}
            events.append((begin, 2, mido.Message("note_on", velocity=note.velocity, **stroke)))
            events.append((end, 1, mido.Message("note_off", velocity=0, **stroke)))
        add(track.name, events)
    with atomic_file(path) as partial:
        file.save(str(partial))
