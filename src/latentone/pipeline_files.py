"""Sound files of any length through a codec, piece by piece: hours in the memory of seconds.

What level a sound gets depends on all of it: its peak must not exceed full scale, and a transfer is
as loud as what it came from. So there are two passes: samples go to a nameless file beside the
target (4 bytes each, gone with the process), where peak and loudness are measured, and from there,
scaled, into the target, which appears whole or not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .audio import audio_reader, audio_writer
from .codecs.base import Codec
from .codecs.long import Reader
from .codecs.long_transfer import (
    loudness_gain,
    loudness_of,
    reconstruct_long,
    repeated,
    transfer_long,
)
from .dsp.loudness_meter import LoudnessMeter

__all__ = [
    "LONGEST_SECONDS",
    "Written",
    "open_sound",
    "reconstruct_file",
    "require_pieces",
    "require_short",
    "transfer_file",
    "write_pieces",
]

LONGEST_SECONDS = 1200.0
"""Of a sound that is encoded or decoded in one piece."""

BLOCK = 2**16
"""Samples of one read in the second pass."""

OnStep = Callable[[int, int], None]
"""Called with (seconds of sound done, seconds in all)."""


class Written(NamedTuple):
    """What was written to a file."""

    num_samples: int
    """Samples per channel."""
    sample_rate: int
    """Hz."""
    peak: float
    """Largest absolute sample before it was brought to full scale, where it exceeded that."""


def require_pieces(
    codec: Codec, seconds: float, what: str | Path, *, encode: bool = True, decode: bool = True
) -> None:
    """Refuse a sound that a codec holds whole, and that is too long for that.

    Args:
        codec: the codec.
        seconds: length of the sound.
        what: the sound, for the message.
        encode: whether it will be encoded.
        decode: whether it will be decoded.

    Raises:
        ValueError: it is longer than `LONGEST_SECONDS`, and a layer, which is named, needs all of
            it at once.
    """
    obstacle = codec.encode_obstacle if encode else None
    if obstacle is None and decode:
        obstacle = codec.decode_obstacle
    if obstacle is not None:
        require_short(
            seconds, what, f"{type(codec).__name__} hears all of it at once for {obstacle}"
        )


def require_short(seconds: float, what: str | Path, why: str = "it is held whole") -> None:
    """Refuse a sound that is held whole, and that is too long for that.

    Raises:
        ValueError: it is longer than `LONGEST_SECONDS`.
    """
    if seconds > LONGEST_SECONDS:
        raise ValueError(
            f"{what} is {seconds / 60:.0f} minutes long, and memory would grow with its length, "
            f"since {why}: expected at most {LONGEST_SECONDS / 60:g} minutes; take parts of it, "
            "for example by load_audio(path, offset=, duration=)"
        )


@torch.no_grad()
def reconstruct_file(
    codec: Codec,
    source: str | Path,
    target: str | Path,
    *,
    num_codebooks: int | None = None,
    rng: torch.Generator | None = None,
    tags: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
) -> Written:
    """Encode and decode a file: what the codec keeps of a sound, as long as it.

    Args:
        codec: in eval mode.
        source: any format and rate.
        target: file to write, scaled down where its peak would exceed full scale.
        num_codebooks: use only the first rows of a discrete codec; None uses all.
        rng: decides the chance of decoders that have any.
        tags: as `save_audio`.
        on_step: called with the seconds done and those in all.

    Raises:
        ValueError: as `audio_reader`, `audio_writer` and `require_pieces`.
    """
    with ExitStack() as files:
        read, num_samples = open_sound(codec, source, files)
        require_pieces(codec, num_samples / codec.source.sample_rate, source)
        pieces = reconstruct_long(codec, read, num_samples, num_codebooks=num_codebooks, rng=rng)
        return write_pieces(target, pieces, codec, num_samples, tags=tags, on_step=on_step)


@torch.no_grad()
def transfer_file(
    codec: Codec,
    source: str | Path,
    target: str | Path,
    other: str | Path | None = None,
    *,
    loudness: bool = True,
    tags: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
    **how: Any,
) -> Written:
    """Send a file through the codec, and change it on the way; see `codecs.transfer.transfer`.

    Args:
        codec: in eval mode.
        source: any format and rate.
        target: file to write, scaled down where its peak would exceed full scale.
        other: another file, repeated from its beginning, or cut, to the length of the first.
        loudness: bring the other sound, and the result, to the loudness of the source.
        tags: as `save_audio`.
        on_step: called with the seconds done and those in all.
        how: `amount`, `mix`, `bias`, `scale`, `num_codebooks`, `rng`, as `transfer`.

    Raises:
        ValueError: as `transfer`, `audio_reader`, `audio_writer` and `require_pieces`.
    """
    with ExitStack() as files:
        read, num_samples = open_sound(codec, source, files)
        require_pieces(codec, num_samples / codec.source.sample_rate, source)
        wanted = loudness_of(codec, read, num_samples) if loudness else None
        second = None
        if other is not None:
            read_other, length = open_sound(codec, other, files)
            second = repeated(read_other, length)
        pieces = transfer_long(codec, read, num_samples, second, loudness=wanted, **how)
        return write_pieces(
            target, pieces, codec, num_samples, loudness=wanted, tags=tags, on_step=on_step
        )


def open_sound(codec: Codec, path: str | Path, files: ExitStack) -> tuple[Reader, int]:
    """Open a file on the codec's clock and device, until `files` closes: a reader, and its length.

    Raises:
        ValueError: as `audio_reader`.
    """
    source = codec.source
    read = files.enter_context(
        audio_reader(path, sample_rate=source.sample_rate, channels=source.channels)
    )
    parameter = next(codec.parameters(), None)
    if parameter is None:
        return read, source.length(path)
    device = parameter.device
    return lambda start, count: read(start, count).to(device), source.length(path)


def write_pieces(
    target: str | Path,
    pieces: Iterator[Tensor],
    codec: Codec,
    num_samples: int,
    *,
    loudness: float | None = None,
    tags: Mapping[str, Any] | None = None,
    on_step: OnStep | None = None,
) -> Written:
    """Write decoded pieces `(C, n)` to a file, scaled down where the peak exceeds full scale.

    Args:
        target: file to write.
        pieces: consecutive sound.
        codec: whose rate and channels they have.
        num_samples: of all pieces together.
        loudness: in LUFS, to bring the sound to; None, or -inf, leaves it as it is.
        tags: as `save_audio`.
        on_step: called with the seconds done and those in all.

    Raises:
        ValueError: as `audio_writer`.
        OSError: the disk refused; an older file at `target` stays.
    """
    target = Path(target)
    rate, channels = codec.source.sample_rate, codec.source.channels
    meter = None if loudness is None else LoudnessMeter(rate, channels)
    peak, done = 0.0, 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=target.parent) as raw:
        for piece in pieces:
            y = codec.source.render(piece).samples
            raw.write(y.T.contiguous().numpy().data)
            peak, done = max(peak, float(y.abs().max())), done + y.shape[-1]
            if meter is not None:
                meter.add(y)
            if on_step is not None:
                on_step(done // rate, -(-num_samples // rate))
        gain = 1.0
        if meter is not None and loudness is not None:
            gain = loudness_gain(meter.value, loudness)
        peak *= gain
        gain /= max(1.0, peak)
        raw.seek(0)
        with audio_writer(
            target, sample_rate=rate, channels=channels, num_samples=num_samples, tags=tags
        ) as write:
            for _ in range(0, done, BLOCK):
                block = np.frombuffer(raw.read(4 * channels * BLOCK), dtype=np.float32)
                y = torch.from_numpy(block.reshape(-1, channels).T * np.float32(gain))
                write(y.clamp(-1, 1) if peak > 1 else y)
    return Written(num_samples, rate, peak)
