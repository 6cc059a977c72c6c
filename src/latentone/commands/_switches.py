"""Switches that only some codecs have, set from the command line."""

from __future__ import annotations

from ..codecs.base import Codec

__all__ = ["set_denoise"]


def set_denoise(codec: Codec, amount: float | None) -> None:
    """Let a codec leave out noise from now on; nothing where `amount` is None.

    Raises:
        ValueError: it has no such switch, or `amount` is outside of [0, 1].
    """
    from ..codecs.soundstream import SoundStream

    if amount is None:
        return
    if not isinstance(codec, SoundStream):
        raise ValueError(
            f"--denoise is a switch of SoundStream, and this is {type(codec).__name__}: train one "
            "with `latentone train soundstream --size denoising`"
        )
    codec.denoise = amount
