"""Reading files, or parts of them, of any format and rate; what is wrong is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from torch import Tensor

from .resample import resample_part, resampled_length
from .sound import Audio, map_channels, to_tensor

__all__ = [
    "AudioError",
    "AudioInfo",
    "audio_info",
    "audio_reader",
    "load_audio",
    "read_blocks",
    "read_tags",
]


class AudioError(ValueError):
    """A file that cannot be used as sound: `path`, and `reason` in words."""

    def __init__(self, path: str | Path, expected: str, came: str) -> None:
        super().__init__(path, expected, came)
        self.path = Path(path)
        self.reason = f"expected {expected}, got {came}"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a file's header says."""

    sample_rate: int
    channels: int
    frames: int
    """Samples per channel."""
    duration: float
    """Seconds."""
    format: str
    """Container: WAV, FLAC, OGG, MP3, AIFF ..."""
    subtype: str
    """Encoding: PCM_16, FLOAT, VORBIS ..."""


def audio_info(path: str | Path) -> AudioInfo:
    """Read a file's header.

    Raises:
        FileNotFoundError: no such file.
        AudioError: unreadable, truncated or empty.
    """
    with _open(path) as file:
        return AudioInfo(
            sample_rate=file.samplerate,
            channels=file.channels,
            frames=file.frames,
            duration=file.frames / file.samplerate,
            format=file.format,
            subtype=file.subtype,
        )


def load_audio(
    path: str | Path,
    *,
    sample_rate: int | None = None,
    channels: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
) -> Audio:
    """Read a file, or the part of it that is asked for, without touching the rest.

    A part equals the same slice of the whole file at `sample_rate`, from sample
    `round(offset * sample_rate)` on, also when it is resampled.

    Args:
        path: WAV, FLAC, OGG (Vorbis, Opus), MP3, AIFF and what else libsndfile reads.
        sample_rate: rate to resample to; None keeps the file's.
        channels: 1 takes the mean of all channels, a mono file fills any number, otherwise it
            must be the file's own; None keeps the file's.
        offset: seconds to skip.
        duration: seconds to read; the result is shorter where the file ends. None reads to the end.

    Raises:
        FileNotFoundError: no such file.
        AudioError: unreadable, truncated, empty, not finite in the part that was read, an offset
            behind the end, or channels that cannot be mapped. An Ogg file (Vorbis, Opus) that was
            cut is read up to its last whole page, like a stream that ended there.
    """
    if not 0 <= offset < float("inf"):
        raise ValueError(f"offset must be 0 seconds or more, got {offset}")
    with _open(path) as file:
        rate = sample_rate or file.samplerate
        total = resampled_length(file.frames, file.samplerate, rate)
        start = round(offset * rate)
        if start >= total:
            raise AudioError(path, f"an offset below its {total / rate:g} s", f"{offset:g} s")
        count = total - start if duration is None else min(round(duration * rate), total - start)
        if count < 1:
            raise ValueError(f"duration must hold one sample at {rate} Hz, got {duration} s")
        samples = to_tensor(_read_resampled(file, rate, start, count))
    try:
        return Audio(samples if channels is None else map_channels(samples, channels), rate)
    except ValueError as error:
        raise AudioError(path, f"{channels} channels", str(error)) from error


@contextmanager
def audio_reader(
    path: str | Path, *, sample_rate: int | None = None, channels: int | None = None
) -> Iterator[Callable[[int, int], Tensor]]:
    """Open a file once, to read parts of it as `read(start, count)`, `(C, count)`.

    Parts are those of `load_audio` of the whole, counted in samples at `sample_rate`; arguments and
    errors are its own, too.
    """
    with _open(path) as file:
        rate = sample_rate or file.samplerate
        total = resampled_length(file.frames, file.samplerate, rate)

        def read(start: int, count: int) -> Tensor:
            if not 0 <= start < start + count <= total:
                raise ValueError(f"{path}: expected a part of {total} samples, got {start}+{count}")
            samples = to_tensor(_read_resampled(file, rate, start, count))
            try:
                return samples if channels is None else map_channels(samples, channels)
            except ValueError as error:
                raise AudioError(path, f"{channels} channels", str(error)) from error

        yield read


def read_blocks(path: str | Path, *, seconds: float = 10.0) -> Iterator[Tensor]:
    """Yield a file in order as `(C, T)` blocks at its own rate, in constant memory.

    Raises:
        AudioError: as `load_audio`, when the block in question is reached.
    """
    with _open(path) as file:
        size = max(1, round(seconds * file.samplerate))
        for start in range(0, file.frames, size):
            yield to_tensor(_read(file, start, min(size, file.frames - start)))


def read_tags(path: str | Path) -> dict[str, Any]:
    """The tags that `save_audio` wrote; empty for a file of other origin."""
    with _open(path) as file:
        comment = file.comment
    try:
        tags = json.loads(comment)
    except json.JSONDecodeError:
        return {}
    return tags if isinstance(tags, dict) else {}


@contextmanager
def _open(path: str | Path) -> Iterator[soundfile.SoundFile]:
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected an audio file")
    if not path.is_file():
        raise AudioError(path, "an audio file", "a folder or a device")
    if path.stat().st_size == 0:
        raise AudioError(path, "an audio file", "an empty file")
    try:
        file = soundfile.SoundFile(str(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise AudioError(path, "an audio file that libsndfile reads", str(error)) from error
    with file:
        _refuse_truncated(path, file)
        if file.frames < 1:
            raise AudioError(path, "at least one sample", "a header without samples")
        yield file


def _refuse_truncated(path: Path, file: soundfile.SoundFile) -> None:
    # libsndfile reads a WAV or AIFF that ends too soon as a shorter one and says so only in its
    # log. Sizes of 0x7fff0000 and more are the "unknown" of programs that write to a pipe.
    log = re.search(r"^(?:data|FORM) : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if log and int(log[1]) < 0x7FFF0000 and int(log[1]) > int(log[2]) + 1:
        raise AudioError(
            path, f"{log[1]} bytes of sound as the header says", f"{log[2]}: it is truncated"
        )


def _read(file: soundfile.SoundFile, start: int, count: int) -> np.ndarray:
    try:
        file.seek(start)
        data = file.read(count, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        where = f"from {start / file.samplerate:.3f} s on"
        raise AudioError(file.name, "readable sound", f"a corrupt file {where}: {error}") from error
    if len(data) < count:
        end = (start + len(data)) / file.samplerate
        whole = f"{file.frames / file.samplerate:.3f} s as the header says"
        raise AudioError(file.name, whole, f"{end:.3f} s: it is truncated")
    if not np.isfinite(data).all():
        first = start + int(np.argmax(~np.isfinite(data).all(axis=1)))
        where = f"NaN or infinity at {first / file.samplerate:.3f} s"
        raise AudioError(file.name, "finite samples", where)
    return data


def _read_resampled(file: soundfile.SoundFile, rate: int, start: int, count: int) -> np.ndarray:
    if rate == file.samplerate:
        return _read(file, start, count)
    read = partial(_read, file)
    return resample_part(read, file.frames, file.samplerate, rate, start, count)
