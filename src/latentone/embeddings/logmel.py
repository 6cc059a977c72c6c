"""Log-mel statistics: the plainest embedding, with nothing to learn."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor

from ..audio import AudioSource
from ..config import to_dict
from ..dsp.mel import Mel, MelSpec
from .base import Embedding

__all__ = ["LogMelStatistics"]

SPEC = MelSpec(sample_rate=24_000, n_fft=1024, hop_length=480, n_mels=64, f_min=30.0)


class LogMelStatistics(Embedding):
    """Mean and standard deviation over time of every log-mel band.

    It hears timbre and level, and nothing of order: a piece and its reverse are almost equal.

    Args:
        spec: of the mel spectrogram; its `log` must not be none.
        window_seconds: length of a window.
        hop_seconds: distance of windows in a long sound.
    """

    name = "logmel"

    def __init__(
        self, spec: MelSpec = SPEC, window_seconds: float = 1.0, hop_seconds: float = 0.5
    ) -> None:
        if spec.log == "none":
            raise ValueError("expected logarithmic bands, got log='none'")
        source = AudioSource(sample_rate=spec.sample_rate, channels=1)
        super().__init__(source, window_seconds, hop_seconds)
        self.spec, self.mel = spec, Mel(spec)

    @property
    def dim(self) -> int:
        return 2 * self.spec.n_mels

    @property
    def fingerprint(self) -> str:
        settings = json.dumps([self.name, to_dict(self.spec), self.window, self.hop])
        return hashlib.sha256(settings.encode()).hexdigest()

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        bands = self.mel(x.mean(1))
        return torch.cat([bands.mean(-1), bands.std(-1, correction=0)], dim=1)
