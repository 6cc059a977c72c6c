"""VGGish as most Frechet audio distances hear it, from a file of weights that you have.

Network: Hershey et al. 2017 (see `networks/vggish.py`). Its vectors are used as they leave the last
linear layer: without the rectifier, the whitening and the 8 bits that AudioSet's features have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..audio import AudioSource
from ..dsp.mel import hz_to_mel
from ..dsp.stft import STFT
from ..hub import fingerprint_of
from ..networks.vggish import VGGishNetwork
from .base import Embedding

__all__ = ["VGGish", "VGGishBands"]

RATE, FRAME, HOP, N_FFT = 16_000, 400, 160, 512
FRAMES, BANDS, F_MIN, F_MAX, OFFSET = 96, 64, 125.0, 7500.0, 0.01
WINDOW = FRAME + (FRAMES - 1) * HOP
"""Samples that 96 frames reach over: 0.975 s."""


class VGGishBands(nn.Module):
    """The log-mel bands that VGGish was trained on.

    `log(bands + 0.01)` of magnitudes under periodic Hann windows of 25 ms every 10 ms, nothing
    padded; triangles are linear in mel, not in Hz, which `MelSpec` has no word for.

    Shape:
        Input `(B, T)` at 16 kHz, T at least 400; output `(B, 1 + (T - 400) // 160, 64)`.
    """

    filterbank: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stft = STFT(N_FFT, HOP, FRAME, padding="none")
        self.register_buffer("filterbank", _triangles().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            # The transform's frames of 512 hold the window in their middle: with half of what is
            # around it on both sides of the signal, the first window begins at the first sample.
            side = (N_FFT - FRAME) // 2
            magnitudes = self.stft(F.pad(x.float(), (side, side))).abs()
            return ((self.filterbank @ magnitudes) + OFFSET).log().transpose(1, 2)


class VGGish(Embedding):
    """128 values for windows of 0.975 s: timbre and sound events, trained on YouTube's videos.

    A window is 15,600 samples, since 96 frames of 25 ms every 10 ms reach that far; the default
    distance of 15,360 samples is 96 frames, as in torchvggish. Google's Frechet audio distance
    moves on by 0.5 s.

    Args:
        network: with the weights that are wanted; they must not change afterwards.
        hop_seconds: distance of windows in a long sound.
        rectified: whether the last rectifier is applied, as torchvggish itself does. Tools for the
            Frechet distance leave it away, since a normal distribution knows no wall at 0.
    """

    def __init__(
        self, network: VGGishNetwork, *, hop_seconds: float = 0.96, rectified: bool = False
    ) -> None:
        source = AudioSource(sample_rate=RATE, channels=1)
        super().__init__(source, WINDOW / RATE, hop_seconds)
        self.bands, self.network, self.rectified = VGGishBands(), network.eval(), rectified
        weights = fingerprint_of("vggish", network.state_dict().items())
        self.name = f"vggish{'-rectified' * rectified}-{weights[:8]}"
        self._fingerprint = fingerprint_of(
            ["vggish", weights, self.window, self.hop, rectified], ()
        )

    @classmethod
    def from_file(
        cls, path: str | Path, *, hop_seconds: float = 0.96, rectified: bool = False
    ) -> Self:
        """Read a state dict as torchvggish publishes it (`vggish-10086976.pth`).

        Nothing is downloaded, and nothing but tensors is unpickled.

        Args:
            path: of the file.
            hop_seconds: see the class.
            rectified: see the class.

        Raises:
            FileNotFoundError: no such file; the message says what to fetch.
            ValueError: it is no state dict, or one of another network.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} does not exist; expected the weights of VGGish: vggish-10086976.pth from "
                "the releases of github.com/harritaylor/torchvggish (latentone fetches nothing)"
            )
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # what is no pickle raises many classes
            raise ValueError(f"{path} is no state dict that can be read safely: {error}") from error
        with torch.device("meta"):
            network = VGGishNetwork()
        try:
            network.load_state_dict(found, strict=True, assign=True)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"{path} does not hold the weights of VGGish: {error}") from error
        network = network.float().requires_grad_(False)
        return cls(network, hop_seconds=hop_seconds, rectified=rectified)

    @property
    def dim(self) -> int:
        return 128

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.window:
            raise ValueError(f"expected windows of {self.window} samples, got {x.shape[-1]}")
        vectors = self.network(self.bands(x.mean(1)))
        return (vectors.relu() if self.rectified else vectors).float()


def _triangles() -> Tensor:
    """Float64 `(64, 257)`: band m peaks at edge m + 1 of 66 that are equally spaced in mel."""
    limits = hz_to_mel(torch.tensor([F_MIN, F_MAX], dtype=torch.float64), "htk")
    edges = limits[0] + (limits[1] - limits[0]) * torch.linspace(
        0, 1, BANDS + 2, dtype=torch.float64
    )
    hz = torch.arange(N_FFT // 2 + 1, dtype=torch.float64) * RATE / N_FFT
    # Both slopes are one distance of edges wide.
    distance = (hz_to_mel(hz, "htk") - edges[1:-1, None]).abs() / (edges[1] - edges[0])
    return (1 - distance).clamp_min(0)
