"""Writing files whole or not at all, with tags that say where the sound comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from .. import __version__
from ..atomic import atomic_file
from .sound import Audio

__all__ = ["FORMATS", "audio_writer", "save_audio"]

FORMATS = {
    ".wav": ("WAV", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".aiff": ("AIFF", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""Suffix -> container and what it holds unless a subtype is asked for."""

RIFF_LIMIT = 2**32 - 2**20
"""Bytes of sample data beyond which a WAV header overflows and RF64 is written instead."""

COMMENT_LIMIT = 2000
"""Bytes of tags that every container gives back."""

WRITE_BLOCK = 65_536
"""Samples of one call: long Vorbis writes overflow the C stack."""


def save_audio(
    path: str | Path,
    audio: Audio,
    *,
    subtype: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> None:
    """Write a file whole or not at all; the suffix decides the format.

    WAV and AIFF hold float32 unless a subtype is asked for, so nothing is rounded or clipped;
    FLAC holds 24 bits. Encodings that cannot hold samples beyond full scale refuse them.

    Args:
        path: ends in .wav, .flac, .ogg, .opus, .mp3, .aif or .aiff.
        audio: what to write.
        subtype: PCM_U8, PCM_16, PCM_24, PCM_32, FLOAT, ... as libsndfile names them.
        tags: provenance as JSON values (model, seed, prompt), kept in the comment field beside
            `software`; `read_tags` gives them back.

    Raises:
        ValueError: nothing to write, samples that are not finite or would clip, or a rate, a
            number of channels, a subtype or tags that the format cannot hold.
        OSError: the disk refused; an older file at `path` stays.
    """
    writer = audio_writer(
        path,
        sample_rate=audio.sample_rate,
        channels=audio.channels,
        num_samples=audio.samples.shape[1],
        subtype=subtype,
        tags=tags,
    )
    with writer as write:
        write(audio.samples)


@contextmanager
def audio_writer(
    path: str | Path,
    *,
    sample_rate: int,
    channels: int,
    num_samples: int,
    subtype: str | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Iterator[Callable[[Tensor], None]]:
    """Write a file in pieces, whole or not at all: yields `write(samples)` for pieces `(C, n)`.

    Args:
        path: as `save_audio`, and so are `subtype` and `tags`.
        sample_rate: in Hz.
        channels: of all pieces.
        num_samples: of all pieces together.

    Raises:
        ValueError: as `save_audio`, when the piece in question is written, or pieces that are not
            `num_samples` long together.
        OSError: the disk refused; an older file at `path` stays.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: expected a suffix of {sorted(FORMATS)}, got {path.suffix!r}")
    container, default = FORMATS[path.suffix.lower()]
    subtype = subtype or default
    if num_samples < 1:
        raise ValueError(f"{path}: expected at least one sample, got none")
    # ID3 as libsndfile writes it knows Latin-1 only.
    comment = json.dumps(dict(tags or {}), ensure_ascii=container == "MP3")
    if len(comment.encode()) > COMMENT_LIMIT:
        raise ValueError(f"{path}: tags take more than {COMMENT_LIMIT} bytes; shorten the prompt")
    if container == "WAV" and num_samples * channels * 8 > RIFF_LIMIT:
        container = "RF64"
    if not soundfile.check_format(container, subtype):
        known = sorted(soundfile.available_subtypes(container))
        raise ValueError(f"{path}: {container} cannot hold {subtype!r}; known: {known}")
    clips, written = subtype not in ("FLOAT", "DOUBLE"), 0
    with atomic_file(path) as aside:
        aside.touch()
        try:
            file = soundfile.SoundFile(
                str(aside), "w", sample_rate, channels, format=container, subtype=subtype
            )
        except soundfile.SoundFileError as error:
            raise ValueError(
                f"{path}: {container}/{subtype} cannot hold {channels} channels at {sample_rate} "
                f"Hz: {error}"
            ) from error

        def write(samples: Tensor) -> None:
            nonlocal written
            samples = samples.detach().cpu()
            _check(path, samples, channels, subtype if clips else None)
            with _disk_errors(path):
                for piece in samples.split(WRITE_BLOCK, dim=-1):
                    file.write(piece.T.contiguous().numpy())
            written += samples.shape[-1]

        try:
            with _disk_errors(path):
                file.software = f"latentone {__version__}"
                if comment != "{}":
                    file.comment = comment
            yield write
            with _disk_errors(path):
                file.close()
        finally:
            with suppress(soundfile.SoundFileError, AssertionError):
                file.close()
        if written != num_samples:
            raise ValueError(f"{path}: expected {num_samples} samples, got {written}")
        with _disk_errors(path), soundfile.SoundFile(str(aside)) as back:
            frames = back.frames
        if frames != written:
            raise OSError(f"{path}: {frames} of {written} samples arrived on the disk; is it full?")


def _check(path: Path, samples: Tensor, channels: int, subtype: str | None) -> None:
    """Refuse what cannot be written; `subtype` is that of an encoding that clips."""
    if samples.ndim != 2 or len(samples) != channels:
        raise ValueError(f"{path}: expected ({channels}, time), got {tuple(samples.shape)}")
    finite = torch.isfinite(samples)
    if not bool(finite.all()):
        bad = int((~finite).sum())
        raise ValueError(f"{path}: expected finite samples, got {bad} that are NaN or infinite")
    peak = float(samples.abs().max()) if samples.numel() else 0.0
    if subtype is not None and peak > 1:
        raise ValueError(
            f"{path}: {subtype} clips beyond full scale, and the peak is {peak:.4g}; "
            "call limit_peak() first, or write a float WAV"
        )


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Turn what libsndfile says when a disk is full into OSError."""
    try:
        yield
    except (soundfile.SoundFileError, AssertionError) as error:
        raise OSError(f"{path} could not be written whole (disk full?): {error}") from error
