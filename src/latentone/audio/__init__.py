"""Sound in memory and in files: `Audio`, partial and resampled reads, tagged atomic writes."""

from __future__ import annotations

from .read import (
    AudioError,
    AudioInfo,
    audio_info,
    audio_reader,
    load_audio,
    read_blocks,
    read_tags,
)
from .resample import resampled_length
from .sound import Audio
from .source import AudioSource
from .write import FORMATS, audio_writer, save_audio

__all__ = [
    "FORMATS",
    "Audio",
    "AudioError",
    "AudioInfo",
    "AudioSource",
    "audio_info",
    "audio_reader",
    "audio_writer",
    "load_audio",
    "read_blocks",
    "read_tags",
    "resampled_length",
    "save_audio",
]
