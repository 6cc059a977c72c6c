"""The latents of a codec as an embedding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from ..audio import AudioSource
from .base import Embedding

__all__ = ["LatentStatistics"]


class LatentStatistics(Embedding):
    """Mean and standard deviation over time of the latents of a codec.

    The codec is handed in, not imported: `LatentStatistics(codec.encode, codec.source,
    dim=codec.latent_dim, fingerprint=codec.latent.fingerprint)`.

    Args:
        encode: audio `(B, C, T)` to continuous latents `(B, D, F)`.
        source: rate and channels of the codec.
        dim: channels D of the latents.
        fingerprint: of the codec's encode path.
        name: what tables call it.
        window_seconds: length of a window.
        hop_seconds: distance of windows in a long sound.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        source: AudioSource,
        *,
        dim: int,
        fingerprint: str,
        name: str = "latents",
        window_seconds: float = 1.0,
        hop_seconds: float = 0.5,
    ) -> None:
        super().__init__(source, window_seconds, hop_seconds)
        self._encode, self._channels, self._codec, self.name = encode, dim, fingerprint, name

    @property
    def dim(self) -> int:
        return 2 * self._channels

    @property
    def fingerprint(self) -> str:
        settings = f"latents {self._codec} {self.window} {self.hop}"
        return hashlib.sha256(settings.encode()).hexdigest()

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        latents = self._encode(x).float()
        return torch.cat([latents.mean(-1), latents.std(-1, correction=0)], dim=1)
