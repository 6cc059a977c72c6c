"""Held-out excerpts of a run's data, and the way of a sound through a file of Opus or MP3."""

from __future__ import annotations

import io
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import soundfile
import torch
from scipy.signal import correlate

from latentone.audio import Audio, load_audio
from latentone.data import Item, Manifest

__all__ = ["Excerpt", "FileCodec", "excerpts", "mean_of_groups"]

NOISE_RATE = 44_100


@dataclass(frozen=True)
class Excerpt:
    """The middle of a held-out file, mono."""

    group: str
    """What it was split by: a recording, a song."""
    sound: Audio


def excerpts(
    manifest: Manifest, sample_rate: int, *, seconds: float, most: int, shortest: float = 0.5
) -> dict[str, list[Excerpt]]:
    """Test excerpts of each top folder of the data, at most so many, evenly drawn from all."""
    root = Path(manifest.root)
    folders: dict[str, list[Item]] = defaultdict(list)
    for item in manifest.split("test"):
        if item.duration >= shortest:
            folders[item.path.split("/")[0]].append(item)
    chosen: dict[str, list[Excerpt]] = {}
    for folder, items in sorted(folders.items()):
        count = min(most, len(items))
        chosen[folder] = []
        for item in (items[i * len(items) // count] for i in range(count)):
            start = max(0.0, (item.duration - seconds) / 2)
            sound = load_audio(root / item.path, offset=start, duration=seconds)
            chosen[folder].append(Excerpt(item.group, sound.to_mono().resample(sample_rate)))
    return chosen


@dataclass(kw_only=True)
class FileCodec:
    """A compressed format of libsndfile at one of its rates."""

    format: str
    subtype: str
    sample_rate: int
    """At which it is written."""
    level: float
    """Of libsndfile, 0 to 1; higher is a lower rate. MP3 takes less than 1."""

    def __call__(self, audio: Audio) -> tuple[Audio, float]:
        """What comes back at the rate that came in, and the bits it took without the header."""
        back, size = self._through(audio)
        y = back.samples[:, max(0, round(self.lag * audio.sample_rate / NOISE_RATE)) :]
        return Audio(y, audio.sample_rate), 8.0 * (size - self.header)

    @cached_property
    def header(self) -> int:
        """Bytes of a file of almost nothing."""
        return self._through(Audio(torch.zeros(1, 2), self.sample_rate))[1]

    @cached_property
    def lag(self) -> int:
        """Samples at 44.1 kHz by which it is late, found on a second of noise."""
        rng = torch.Generator().manual_seed(0)
        noise = Audio(0.1 * torch.randn(1, NOISE_RATE, generator=rng), NOISE_RATE)
        back, _ = self._through(noise)
        a, b = (x.samples[0].double().numpy() for x in (back, noise))
        return int(correlate(a, b, mode="full").argmax()) - (len(b) - 1)

    def _through(self, audio: Audio) -> tuple[Audio, int]:
        file = io.BytesIO()
        samples = audio.resample(self.sample_rate).samples.T.numpy()
        soundfile.write(
            file,
            samples,
            self.sample_rate,
            format=self.format,
            subtype=self.subtype,
            compression_level=self.level,
            bitrate_mode="CONSTANT" if self.format == "MP3" else None,
        )
        size = len(file.getvalue())
        file.seek(0)
        back, _ = soundfile.read(file, dtype="float32", always_2d=True)
        return Audio(torch.from_numpy(back.T.copy()), self.sample_rate).resample(
            audio.sample_rate
        ), size


def mean_of_groups(values: Mapping[str, Iterable[float]]) -> str:
    """Mean over groups of their means, and its standard error."""
    means = [statistics.fmean(found) for found in values.values()]
    if len(means) < 2:
        return f"{means[0]:.2f}"
    return f"{statistics.fmean(means):.2f} ± {statistics.stdev(means) / len(means) ** 0.5:.2f}"
