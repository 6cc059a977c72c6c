"""Writing files whole or not at all, with tags that say where the sound comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from .. import __version__
from ..atomic import atomic_file
from .sound import Audio

__all__ = ["FORMATS", "save_audio"]

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
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: expected a suffix of {sorted(FORMATS)}, got {path.suffix!r}")
    container, default = FORMATS[path.suffix.lower()]
    subtype = subtype or default
    samples = audio.samples.detach().cpu()
    if not samples.shape[1]:
        raise ValueError(f"{path}: expected at least one sample, got none")
    if not bool(torch.isfinite(samples).all()):
        bad = int((~torch.isfinite(samples)).sum())
        raise ValueError(f"{path}: expected finite samples, got {bad} that are NaN or infinite")
    if subtype not in ("FLOAT", "DOUBLE") and audio.peak > 1:
        raise ValueError(
            f"{path}: {subtype} clips beyond full scale, and the peak is {audio.peak:.4g}; "
            "call limit_peak() first, or write a float WAV"
        )
    # ID3 as libsndfile writes it knows Latin-1 only.
    comment = json.dumps(dict(tags or {}), ensure_ascii=container == "MP3")
    if len(comment.encode()) > COMMENT_LIMIT:
        raise ValueError(f"{path}: tags take more than {COMMENT_LIMIT} bytes; shorten the prompt")
    if container == "WAV" and samples.numel() * 8 > RIFF_LIMIT:
        container = "RF64"
    if not soundfile.check_format(container, subtype):
        known = sorted(soundfile.available_subtypes(container))
        raise ValueError(f"{path}: {container} cannot hold {subtype!r}; known: {known}")
    with atomic_file(path) as aside:
        _write(path, aside, samples, audio.sample_rate, container, subtype, comment)


def _write(
    path: Path,
    aside: Path,
    samples: Tensor,
    sample_rate: int,
    container: str,
    subtype: str,
    comment: str,
) -> None:
    channels, length = samples.shape
    aside.touch()
    try:
        file = soundfile.SoundFile(
            str(aside), "w", sample_rate, channels, format=container, subtype=subtype
        )
    except soundfile.SoundFileError as error:
        raise ValueError(
            f"{path}: {container}/{subtype} cannot hold {channels} channels at {sample_rate} Hz: "
            f"{error}"
        ) from error
    try:
        with file:
            file.software = f"latentone {__version__}"
            if comment != "{}":
                file.comment = comment
            for start in range(0, length, WRITE_BLOCK):  # long Vorbis writes overflow the C stack
                file.write(samples[:, start : start + WRITE_BLOCK].T.contiguous().numpy())
        with soundfile.SoundFile(str(aside)) as written:
            frames = written.frames
    except (soundfile.SoundFileError, AssertionError) as error:
        raise OSError(f"{path} could not be written whole (disk full?): {error}") from error
    if frames != length:
        raise OSError(f"{path}: {frames} of {length} samples arrived on the disk; is it full?")
