"""What streaming costs a model that was trained to reflect its input at the beginning.

A stream cannot reflect what has not come yet: it starts from zeros, exactly as if the model
padded with constants. Published EnCodec weights pad by reflection, so their first frames differ.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from ..nn.conv import set_pad_mode
from .encodec import EnCodec

__all__ = ["StartupDifference", "startup_difference"]


class StartupDifference(NamedTuple):
    """Difference of streaming to offline, frame by frame, relative to the whole signal's level."""

    latents: Tensor
    """RMS difference of the latents `(F,)` over the RMS of all latents."""
    audio: Tensor
    """RMS difference of the audio `(F,)` over the RMS of all audio, from equal latents."""

    def settled(self, tolerance: float = 1e-3) -> int:
        """First frame from which on both stay below `tolerance`."""
        worst = torch.maximum(self.latents, self.audio)
        above = (worst >= tolerance).nonzero()
        return int(above[-1]) + 1 if len(above) else 0


@torch.no_grad()
def startup_difference(codec: EnCodec, x: Tensor) -> StartupDifference:
    """Compare a causal codec's own padding with the zeros that a stream starts from.

    Args:
        codec: causal, with any padding; constant padding differs nowhere.
        x: audio `(B, C, T)`.

    Raises:
        ValueError: the codec is not causal.
    """
    if not codec.config.seanet.causal:
        raise ValueError("only a causal codec streams, this one is centred")
    streamed = copy.deepcopy(codec)
    set_pad_mode(streamed, "constant")
    latents = codec.encode(x)
    y = codec.decode(latents)
    d_latents = streamed.encode(x) - latents
    d_audio = (streamed.decode(latents) - y).unflatten(-1, (latents.shape[-1], -1))
    return StartupDifference(
        latents=_rms(d_latents, (0, 1)) / _rms(latents, (0, 1, 2)),
        audio=_rms(d_audio, (0, 1, 3)) / _rms(y, (0, 1, 2)),
    )


def _rms(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return x.square().mean(dims).sqrt()
