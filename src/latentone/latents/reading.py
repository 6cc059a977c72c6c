"""Reading parts of audio files on a codec's clock."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..audio import AudioError
from ..codecs.base import Codec
from ..codecs.long import Reader

__all__ = ["failure_reason", "file_reader"]


def file_reader(codec: Codec, path: Path, device: torch.device | None = None) -> Reader:
    """Return `read(start, count)` over a file, in samples at the codec's rate.

    The reader raises ValueError (AudioError) for all that is wrong with the file.
    """
    rate = codec.source.sample_rate

    def read(start: int, count: int) -> Tensor:
        try:
            x = codec.source.load(path, offset=start / rate, duration=count / rate)
        except OSError as error:
            raise ValueError(f"{path}: {error}") from error
        if x.shape[-1] != count:
            raise AudioError(
                path, f"{count} samples from {start / rate:.3f} s on", f"{x.shape[-1]}"
            )
        return x if device is None else x.to(device)

    return read


def failure_reason(error: Exception) -> str:
    """Return what is wrong with a file, without its path where that stands beside it."""
    if isinstance(error, AudioError):
        return error.reason
    return " ".join(str(error).split()) or type(error).__name__
