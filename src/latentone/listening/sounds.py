"""Sounds that are compared: brought to one rate, length, number of channels and loudness."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from math import log10
from pathlib import Path

import soundfile
import torch

from ..audio import Audio, audio_info, load_audio
from ..dsp.loudness import integrated_loudness

__all__ = ["align", "choose_rate", "digest", "encode_flac", "level"]

LUFS = -23.0
LOWEST_RATE, HIGHEST_RATE = 8000, 96_000
"""What every browser plays."""

SAME_LENGTH_SECONDS = 0.05
"""Differences up to this, a codec's padding, go without a note."""


def choose_rate(paths: Sequence[Path]) -> tuple[int, list[str]]:
    """The highest rate of all files, so that none loses bandwidth, and a note if they differ."""
    rates = sorted({audio_info(path).sample_rate for path in paths})
    rate = min(max(rates[-1], LOWEST_RATE), HIGHEST_RATE)
    if rates == [rate]:
        return rate, []
    listed = ", ".join(map(str, rates))
    return rate, [f"files have {listed} Hz; all are played at {rate} Hz"]


def align(
    item: str,
    paths: Mapping[str, Path],
    *,
    sample_rate: int,
    seconds: float | None = None,
) -> tuple[dict[str, Audio], list[str]]:
    """Read the sounds of an item and cut them to the shortest.

    Args:
        item: its name, for notes.
        paths: system -> file.
        sample_rate: of the result, in Hz.
        seconds: no longer than this.

    Returns:
        Sounds of equal length and channels by system, and notes on what differed.

    Raises:
        AudioError: a file that cannot be read, or holds samples that are not finite.
        ValueError: more than two channels.
    """
    sounds = {
        name: load_audio(path, sample_rate=sample_rate, duration=seconds)
        for name, path in paths.items()
    }
    notes = []
    for name, sound in sounds.items():
        if sound.channels > 2:
            raise ValueError(f"{paths[name]}: expected mono or stereo, got {sound.channels}")
    if len({sound.channels for sound in sounds.values()}) > 1:
        mono = [name for name, sound in sounds.items() if sound.channels == 1]
        notes.append(f"{item}: mono in {', '.join(mono)}, stereo elsewhere")
        sounds = {name: sound.to_stereo() for name, sound in sounds.items()}
    lengths = {name: sound.samples.shape[1] for name, sound in sounds.items()}
    shortest = min(lengths.values())
    longest = max(lengths.values())
    if longest - shortest > SAME_LENGTH_SECONDS * sample_rate:
        listed = ", ".join(f"{name} {n / sample_rate:.2f} s" for name, n in lengths.items())
        notes.append(f"{item}: lengths differ, cut to the shortest ({listed})")
    cut = {
        name: Audio(sound.samples[:, :shortest].contiguous(), sample_rate)
        for name, sound in sounds.items()
    }
    return cut, notes


def level(
    item: str, sounds: Mapping[str, Audio], lufs: float | None = LUFS
) -> tuple[dict[str, Audio], float, list[str]]:
    """Bring each sound to one loudness; where a peak would clip, turn all of them down alike.

    Args:
        item: their name, for notes.
        sounds: by system, of one rate.
        lufs: the loudness; None leaves levels as they are.

    Returns:
        The sounds, none beyond full scale; by how many LU the loudest was above the softest; and
        notes. Silence is left as it is, with a note.
    """
    loudness = {
        name: float(integrated_loudness(sound.samples, sound.sample_rate))
        for name, sound in sounds.items()
    }
    audible = [value for value in loudness.values() if value > float("-inf")]
    notes = [f"{item}: {n} is silent" for n, value in loudness.items() if value not in audible]
    levelled = {}
    for name, sound in sounds.items():
        gain = 1.0
        if lufs is not None and loudness[name] in audible:
            gain = 10 ** ((lufs - loudness[name]) / 20)
        levelled[name] = Audio(sound.samples * gain, sound.sample_rate)
    peak = max(sound.peak for sound in levelled.values())
    if peak > 1:
        down = 0.999 / peak
        levelled = {n: Audio(s.samples * down, s.sample_rate) for n, s in levelled.items()}
        notes.append(f"{item}: all turned down by {-20 * log10(down):.1f} dB, to keep peaks whole")
    return levelled, max(audible, default=0.0) - min(audible, default=0.0), notes


def encode_flac(audio: Audio) -> bytes:
    """A FLAC file of 16 bits, which every browser decodes."""
    buffer = io.BytesIO()
    samples = audio.samples.T.contiguous().numpy()
    soundfile.write(buffer, samples, audio.sample_rate, subtype="PCM_16", format="FLAC")
    return buffer.getvalue()


def digest(audio: Audio) -> str:
    """A hash of rate and samples, as they are to 16 bits."""
    rounded = (audio.samples * 32768).round().to(torch.int32)
    text = f"{audio.sample_rate} {tuple(rounded.shape)} ".encode()
    return hashlib.sha256(text + rounded.numpy().tobytes()).hexdigest()[:16]
