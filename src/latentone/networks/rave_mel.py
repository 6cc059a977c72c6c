"""A mel spectrogram in place of the filter bank, for RAVE's encoder, and the GRU that goes with it.

As `hybrid` in the public code of Caillon and Esling, "RAVE", 2021. Differs: silence lies outside of
the signal, where the published spectrogram mirrors it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..dsp.mel import Mel, MelSpec
from .rave_layers import RAVENetworkConfig
from .rave_v2 import RAVEv2Config

__all__ = ["LatentGRU", "MelFront", "MelInputConfig"]


@dataclass(frozen=True, kw_only=True)
class MelInputConfig:
    """What an encoder of mel spectrograms hears, and what it is."""

    n_fft: int = 2048
    """Samples of a window."""
    hop_length: int = 256
    """Samples between two frames, at most half a window."""
    n_mels: int = 128
    """Bands from 0 to half the rate, equally spaced in mel."""
    network: RAVENetworkConfig = field(
        default_factory=lambda: RAVEv2Config(ratios=(2, 2, 2), dilations=((1,), (1,), (1,)))
    )
    """The encoder; its strides are in frames of the spectrogram."""

    def __post_init__(self) -> None:
        if self.n_mels < 1:
            raise ValueError(f"n_mels must be at least 1, got {self.n_mels}")
        if not 1 <= self.hop_length <= self.n_fft // 2:
            raise ValueError(
                f"hop_length must be in [1, n_fft / 2 = {self.n_fft // 2}], got {self.hop_length}"
            )


class MelFront(nn.Module):
    """`ln(1 + power)` in mel bands, one frame for each hop.

    The centred frame t lies around sample `t hop_length`, the causal one ends with its hop. Powers
    are divided by the energy of the Hann window; triangles have height 1 on the HTK scale.

    Args:
        config: sizes.
        sample_rate: of the audio.
        causal: whether a frame depends on its own hop and the past only.

    Shape:
        - Audio `(B, C, T)`, T a multiple of `hop_length`; output `(B, C * n_mels, T / hop_length)`,
          those of a channel one after the other.
    """

    def __init__(self, config: MelInputConfig, sample_rate: int, *, causal: bool) -> None:
        super().__init__()
        self.hop_length, n_fft = config.hop_length, config.n_fft
        self.before = n_fft - self.hop_length if causal else n_fft // 2
        """Samples before a hop that its frame hears."""
        self.behind = n_fft - 1 - self.before
        """Samples behind the first of a hop that its frame hears."""
        spec = MelSpec(
            sample_rate=sample_rate,
            n_fft=n_fft,
            hop_length=self.hop_length,
            n_mels=config.n_mels,
            scale="htk",
            norm="none",
            power=2.0,
            log="none",
            padding="none",
            normalized=True,
        )
        self.mel = Mel(spec)

    def forward(self, x: Tensor) -> Tensor:
        return self._frames(F.pad(x, (self.before, self.behind + 1 - self.hop_length)))

    def initial_state(self, batch: int, channels: int = 1) -> list[Tensor]:
        """The samples before the first step: silence."""
        return [self.mel.filterbank.new_zeros(batch, channels, self.before)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Frames of a multiple of `hop_length` samples, without delay when causal."""
        held = torch.cat([state[0], x], dim=-1)
        return self._frames(held), [held[..., x.shape[-1] :]]

    def _frames(self, x: Tensor) -> Tensor:
        return torch.log1p(self.mel(x)).flatten(1, 2)


class LatentGRU(nn.Module):
    """A recurrent layer over latents `(B, D, F)`; one direction, so it streams by its state."""

    num_states = 1

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        self.gru = nn.GRU(dim, dim, num_layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(x, self.initial_state(x.shape[0]))[0]

    def initial_state(self, batch: int) -> list[Tensor]:
        """The hidden state, zeros `(num_layers, B, D)`."""
        weight = next(self.gru.parameters())
        return [weight.new_zeros(self.gru.num_layers, batch, self.gru.hidden_size)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Go on over `(B, D, n)` from where the state stands."""
        y, hidden = self.gru(x.permute(2, 0, 1).to(state[0].dtype), state[0])
        return y.permute(1, 2, 0).to(x.dtype), [hidden]
