"""What all embeddings that are trained here have in common: bands, a network, a fingerprint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from ..audio import AudioSource
from ..config import to_dict
from ..data import Item
from ..dsp.mel import Mel, MelSpec
from ..hub import PretrainedModel, fingerprint_of
from ..networks.short_chunk_cnn import ShortChunkCNN, ShortChunkCNNConfig
from .base import Embedding

__all__ = ["BANDS", "TrainedEmbedding", "TrainedEmbeddingConfig"]

BANDS = MelSpec(
    sample_rate=24_000, n_fft=2048, hop_length=960, n_mels=96, f_min=30.0, log="log10", power=2.0
)
"""25 frames per second; from 600 Hz up, bands are narrower than a semitone."""


@dataclass(frozen=True, kw_only=True)
class TrainedEmbeddingConfig(ABC):
    """What every trained embedding's config has."""

    network: ShortChunkCNNConfig = field(default_factory=ShortChunkCNNConfig)
    """Bands to a vector."""
    mel: MelSpec = BANDS
    """Bands; also the sample rate."""
    window_seconds: float = 4.0
    """Length of a window."""
    hop_seconds: float = 2.0
    """Distance of windows in a long sound."""

    @abstractmethod
    def fitted_to(self, items: Sequence[Item]) -> Self:
        """This config with what only the training items know."""


class TrainedEmbedding(Embedding, PretrainedModel, ABC):
    """A log-mel spectrogram and a convolutional network; subclasses say what it learns from."""

    config: TrainedEmbeddingConfig

    def __init__(self, config: TrainedEmbeddingConfig) -> None:
        source = AudioSource(sample_rate=config.mel.sample_rate, channels=1)
        super().__init__(source, config.window_seconds, config.hop_seconds, config=config)
        self.mel = Mel(config.mel)
        self.network = ShortChunkCNN(config.network)

    @property
    def fingerprint(self) -> str:
        settings = [type(self).__name__, to_dict(self.config)]
        return fingerprint_of(settings, self.state_dict().items())

    def forward(self, x: Tensor, targets: Mapping[str, Tensor] | None = None) -> Any:
        """Vectors `(B, dim)` of windows; with `targets` what `loss` gives, for training."""
        return self.vectors(x) if targets is None else self.loss(x, targets)

    def features(self, x: Tensor) -> Tensor:
        """Windows `(B, C, T)` of any length to `(B, network.dim)`."""
        return self.network(self.mel(x.mean(1)))

    @abstractmethod
    def vectors(self, x: Tensor) -> Tensor:
        """Windows `(B, C, T)` to `(B, dim)`, fp32."""

    @abstractmethod
    def targets(self, items: Sequence[Item]) -> Mapping[str, Tensor]:
        """What a batch of items is taught, prepared in a data worker."""

    @abstractmethod
    def loss(self, x: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a batch costs: `loss` and its parts, scalars.

        Args:
            x: excerpts `(B, C, T)`.
            targets: of the same items.
        """
