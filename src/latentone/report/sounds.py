"""A sound as the report shows it: a player, a spectrogram and its levels in words."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass
from math import log2

import soundfile
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor

from ..audio import Audio
from ..metrics.levels import measure, power_spectrogram

__all__ = ["Sound", "embed", "spectrogram"]

LOWEST_HZ, ROWS, COLUMNS = 40.0, 144, 640
FLOOR_DB, CEILING_DB = -95.0, -18.0


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One card of the page."""

    title: str
    caption: str
    audio: str
    """FLAC or OGG as a data URI."""
    picture: str
    """Spectrogram as a data URI."""
    marks: tuple[tuple[str, float], ...]
    """Frequencies to label, with their height in [0, 1]."""
    seconds: float
    levels: str
    problems: tuple[str, ...]


def spectrogram(audio: Audio) -> Tensor:
    """Levels in dB `(ROWS, columns)` over logarithmic frequency, lowest row first.

    A row holds the mean power density between its two edges. With C the running sum of power over
    bins and edges e in (fractional) bins, that is `(C(e1) - C(e0)) / (e1 - e0)`: one formula for
    the bottom, where many rows share a bin, and for the top, where a row spans many.
    """
    rate = audio.sample_rate
    n_fft = 2 ** round(log2(0.12 * rate))
    hop = max(32, -(-audio.samples.shape[1] // COLUMNS))
    power = power_spectrogram(audio.samples, n_fft, hop)
    running = torch.cat([torch.zeros(1, power.shape[1]), power.double().cumsum(0)])
    octaves = log2(rate / 2 / LOWEST_HZ)
    hz = LOWEST_HZ * 2 ** (torch.linspace(0, octaves, ROWS + 1, dtype=torch.float64))
    edges = (hz * n_fft / rate + 0.5).clamp(max=power.shape[0])
    low = edges.floor().long().clamp(max=power.shape[0] - 1)
    at = running[low] + (edges - low)[:, None] * (running[low + 1] - running[low])
    density = (at[1:] - at[:-1]) / (edges[1:] - edges[:-1]).clamp_min(1e-9)[:, None]
    return 10 * density.clamp_min(1e-12).log10().float()


def _png(levels: Tensor) -> bytes:
    share = ((levels - FLOOR_DB) / (CEILING_DB - FLOOR_DB)).clamp(0, 1)
    picture = Image.fromarray((share.flip(0) * 255).round().byte().numpy(), mode="L")
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    palette = colormaps["magma"](range(256), bytes=True)[:, :3]
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _marks(sample_rate: int) -> tuple[tuple[str, float], ...]:
    top = sample_rate / 2
    labels = ((100, "100 Hz"), (1000, "1 kHz"), (10_000, "10 kHz"))
    octaves = log2(top / LOWEST_HZ)
    return tuple((t, log2(hz / LOWEST_HZ) / octaves) for hz, t in labels if hz < 0.75 * top)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


def _encoded(audio: Audio, *, lossless: bool) -> str:
    buffer = io.BytesIO()
    samples = audio.limit_peak().samples.T.contiguous().numpy()
    container, subtype = ("FLAC", "PCM_16") if lossless else ("OGG", "VORBIS")
    with soundfile.SoundFile(
        buffer, "w", audio.sample_rate, audio.channels, subtype, format=container
    ) as file:
        for start in range(0, len(samples), 65_536):  # long Vorbis writes overflow the C stack
            file.write(samples[start : start + 65_536])
    return _uri("audio/flac" if lossless else "audio/ogg", buffer.getvalue())


def embed(
    audio: Audio,
    *,
    title: str,
    caption: str = "",
    seconds: float | None = None,
    lossless: bool = True,
) -> Sound:
    """Turn sound into a card.

    Args:
        audio: what to show; peaks beyond full scale are scaled down for the player only.
        title: its name.
        caption: a line below.
        seconds: show no more than this much of it.
        lossless: FLAC at 16 bits, or else Vorbis, a tenth of the size.
    """
    if seconds is not None:
        length = max(1, round(seconds * audio.sample_rate))
        audio = Audio(audio.samples[:, :length], audio.sample_rate)
    levels = measure(audio)
    return Sound(
        title=title,
        caption=caption,
        audio=_encoded(audio, lossless=lossless),
        picture=_uri("image/png", _png(spectrogram(audio))),
        marks=_marks(audio.sample_rate),
        seconds=audio.duration,
        levels=levels.describe(),
        problems=levels.problems(),
    )
