"""What is in a folder of audio: hours, rates, silence, clipping, duplicates, what is broken."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..audio import AudioError, AudioInfo, audio_info, read_blocks
from .manifest import Failure
from .scan import find_audio

__all__ = ["FileReport", "FolderReport", "inspect_folder"]

BLOCK_SAMPLES = 2**21
SILENCE_BLOCK = 0.05
SILENCE_LEVEL = 1e-3


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """One readable file, measured sample by sample."""

    path: str
    """Relative to the folder."""
    info: AudioInfo
    peak: float
    """Largest absolute sample; 1 is full scale."""
    rms_db: float
    """Level of all channels in dB below full scale; -inf for digital silence."""
    silence: float
    """Share of 50 ms blocks whose samples all stay below -60 dB of full scale."""
    clipped: int
    """Samples that follow at least two others at full scale."""
    digest: str
    """Hash of rate, channels and decoded samples: equal sound has equal digests in any lossless
    format of the same resolution."""


@dataclass(frozen=True, kw_only=True)
class FolderReport:
    """What `inspect_folder` found."""

    root: Path
    files: tuple[FileReport, ...]
    failures: tuple[Failure, ...]
    """Files that cannot be read, with the reason."""
    shortest: float
    """Seconds below which a file counts as too short."""

    @property
    def hours(self) -> float:
        return sum(f.info.duration for f in self.files) / 3600

    @property
    def rates(self) -> dict[int, int]:
        """Sample rate in Hz -> files, commonest first."""
        return dict(Counter(f.info.sample_rate for f in self.files).most_common())

    @property
    def channels(self) -> dict[int, int]:
        """Channels -> files, commonest first."""
        return dict(Counter(f.info.channels for f in self.files).most_common())

    @property
    def formats(self) -> dict[str, int]:
        """Container and encoding -> files, commonest first."""
        return dict(Counter(f"{f.info.format} {f.info.subtype}" for f in self.files).most_common())

    @property
    def silent(self) -> list[FileReport]:
        """Files that never rise above -60 dB of full scale."""
        return [f for f in self.files if f.peak < SILENCE_LEVEL]

    @property
    def silence_hours(self) -> float:
        """Silence in all files."""
        return sum(f.silence * f.info.duration for f in self.files) / 3600

    @property
    def clipping(self) -> list[FileReport]:
        """Files with runs of three or more samples at full scale, worst first."""
        return sorted((f for f in self.files if f.clipped), key=lambda f: -f.clipped)

    @property
    def too_short(self) -> list[FileReport]:
        """Files shorter than `shortest`."""
        return [f for f in self.files if f.info.duration < self.shortest]

    @property
    def duplicates(self) -> list[list[FileReport]]:
        """Sets of two and more files with the same sound; silent files are not compared."""
        same: defaultdict[str, list[FileReport]] = defaultdict(list)
        for file in self.files:
            if file.peak > 0:
                same[file.digest].append(file)
        return [files for files in same.values() if len(files) > 1]

    def describe(self) -> str:
        """A few lines for people."""

        def tally(counts: dict[str, int]) -> str:
            return ", ".join(f"{what} ({count})" for what, count in counts.items())

        copies = sum(len(same) - 1 for same in self.duplicates)
        lines = [
            f"{len(self.files)} files, {_length(self.hours)}",
            f"rates       {tally({f'{rate} Hz': n for rate, n in self.rates.items()})}",
            f"channels    {tally({str(number): n for number, n in self.channels.items()})}",
            f"formats     {tally(self.formats)}",
            f"silence     {len(self.silent)} silent files, {_length(self.silence_hours)} in all",
            f"clipping    {len(self.clipping)} files",
            f"duplicates  {copies} copies of {len(self.duplicates)} sounds",
            f"too short   {len(self.too_short)} files under {self.shortest:g} s",
            f"unreadable  {len(self.failures)} files",
        ]
        return "\n".join(lines)


def inspect_folder(
    folder: str | Path,
    *,
    shortest: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> FolderReport:
    """Decode every audio file below `folder` once, in constant memory.

    Args:
        folder: searched with all it contains.
        shortest: seconds below which a file counts as too short.
        on_progress: called as `(files done, files in all)`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no audio.
    """
    root = Path(folder).resolve()
    paths = find_audio(root)
    files: list[FileReport] = []
    failures: list[Failure] = []
    for done, path in enumerate(paths, 1):
        name = path.relative_to(root).as_posix()
        try:
            files.append(_inspect_file(path, name))
        except AudioError as error:
            failures.append(Failure(name, error.reason))
        except OSError as error:
            failures.append(Failure(name, str(error)))
        if on_progress is not None:
            on_progress(done, len(paths))
    return FolderReport(root=root, files=tuple(files), failures=tuple(failures), shortest=shortest)


def _inspect_file(path: Path, name: str) -> FileReport:
    info = audio_info(path)
    silence_block = max(1, round(SILENCE_BLOCK * info.sample_rate))
    # Whole silence blocks per read, so that none straddles two reads.
    per_read = max(1, BLOCK_SAMPLES // (silence_block * info.channels))
    seconds = per_read * silence_block / info.sample_rate
    digest = hashlib.blake2b(f"{info.sample_rate} {info.channels}".encode(), digest_size=16)
    full_scale = _full_scale(info)
    hot = torch.zeros(info.channels, 2, dtype=torch.bool)
    peak, energy, quiet, blocks, clipped = 0.0, 0.0, 0, 0, 0
    for x in read_blocks(path, seconds=seconds):
        digest.update(x.T.contiguous().numpy().data)
        level = x.abs()
        peak = max(peak, float(level.max()))
        energy += float(torch.linalg.vector_norm(x, dtype=torch.float64)) ** 2
        loudest = _block_maxima(level, silence_block)
        quiet += int((loudest < SILENCE_LEVEL).sum())
        blocks += len(loudest)
        hot = torch.cat([hot[:, -2:], level >= full_scale], dim=1)
        clipped += int((hot[:, :-2] & hot[:, 1:-1] & hot[:, 2:]).sum())
    mean_square = energy / (info.frames * info.channels)
    return FileReport(
        path=name,
        info=info,
        peak=peak,
        rms_db=10 * math.log10(mean_square) if mean_square > 0 else -math.inf,
        silence=quiet / blocks,
        clipped=clipped,
        digest=digest.hexdigest(),
    )


def _block_maxima(level: Tensor, size: int) -> Tensor:
    """The largest of each `size` samples over all channels; the last block may be shorter."""
    loudest = level.amax(0)
    whole = len(loudest) // size * size
    maxima = loudest[:whole].reshape(-1, size).amax(1)
    if whole == len(loudest):
        return maxima
    return torch.cat([maxima, loudest[whole:].amax(0, keepdim=True)])


def _full_scale(info: AudioInfo) -> float:
    # The largest positive value of n-bit integers is 1 - 2^(1-n): 0.992 for 8 bits.
    return 127 / 128 if info.subtype in ("PCM_U8", "PCM_S8") else 0.9999


def _length(hours: float) -> str:
    return f"{hours:.2f} hours" if hours >= 1 else f"{hours * 60:.2f} minutes"
