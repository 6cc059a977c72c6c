"""The noise branch of RAVE: white noise through filters that a network draws, in every band.

Caillon and Esling, "RAVE", 2021, after the filtered noise of Engel et al., "DDSP", 2020. Differs:
a filter longer than the stretch of noise it is for keeps its middle, where the published code
keeps its first taps, which the window has silenced.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nn.conv import Conv1d
from ..nn.streaming import StreamingSequential
from .rave_layers import Activation, NoiseConfig, activation, conv

__all__ = ["NoiseBranch", "filtered_noise", "impulse_responses", "modified_sigmoid"]


def modified_sigmoid(x: Tensor) -> Tensor:
    """`2 sigmoid(x)^2.3 + 1e-7`: positive, at most 2, steep where it is small."""
    return 2 * torch.sigmoid(x) ** 2.3 + 1e-7


def impulse_responses(amplitudes: Tensor, length: int) -> Tensor:
    """Filters of zero phase with these amplitudes, around sample 0 of a circle of `length`.

    The inverse transform of N amplitudes has 2 (N - 1) taps; a Hann window over them smooths the
    spectrum. More than `length` taps are cut to those nearest the centre.

    Shape:
        - Input `(..., N)`; output `(..., length)`.
    """
    taps = torch.fft.irfft(amplitudes.to(torch.complex64), n=2 * amplitudes.shape[-1] - 2)
    size = min(taps.shape[-1], length)
    taps = taps.roll(size // 2, -1)[..., :size]
    taps = taps * torch.hann_window(size, dtype=taps.dtype, device=taps.device)
    return F.pad(taps, (0, length - size)).roll(-(size // 2), -1)


def filtered_noise(responses: Tensor, noise: Tensor) -> Tensor:
    """The first samples of the convolution of each stretch of noise with its own filter.

    Shape:
        - Inputs and output `(..., length)`.
    """
    length = noise.shape[-1]
    spectrum = torch.fft.rfft(noise, n=2 * length) * torch.fft.rfft(responses, n=2 * length)
    return torch.fft.irfft(spectrum, n=2 * length)[..., :length]


class NoiseBranch(nn.Module):
    """Noise for bands at the rate of the input, from hidden channels of a decoder.

    Its convolutions see the past only, but for those with an odd kernel in a centred network.

    Args:
        config: sizes.
        in_channels: channels of the decoder.
        out_channels: bands.
        causal: whether it must see the past only.
        kind: of activation.

    Shape:
        - Input `(B, in_channels, T)`, T a multiple of `config.hop_length`; output
          `(B, out_channels, T)`.
    """

    def __init__(
        self,
        config: NoiseConfig,
        in_channels: int,
        out_channels: int,
        *,
        causal: bool,
        kind: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        self.length, self.out_channels = config.hop_length, out_channels
        hidden = config.hidden_dim or in_channels
        sizes = [in_channels, *[hidden] * (len(config.ratios) - 1), out_channels * config.num_bands]
        layers: list[nn.Module] = []
        for i, ratio in enumerate(config.ratios):
            if i:
                layers.append(activation(kind, sizes[i]))
            taps = config.kernel_size
            if taps is None:
                layers.append(
                    conv(sizes[i], sizes[i + 1], 2 * ratio, stride=ratio, causal=True, norm="none")
                )
            else:
                layers.append(SkippingConv1d(sizes[i], sizes[i + 1], taps, ratio, causal))
        self.layers = StreamingSequential(*layers)

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        return self._sound(self.layers(x), rng)

    @property
    def num_states(self) -> int:
        """Tensors in the state."""
        return self.layers.num_states

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of the convolutions: the noise itself has none."""
        return self.layers.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Noise for a multiple of `length` inputs."""
        x, state = self.layers.step(x, state)
        return self._sound(x, None), state

    def _sound(self, x: Tensor, rng: torch.Generator | None) -> Tensor:
        batch, _, frames = x.shape
        # -5 starts the noise near silence: 2 sigmoid(-5)^2.3 is 2e-5.
        amplitudes = modified_sigmoid(x.float() - 5).transpose(1, 2)
        amplitudes = amplitudes.reshape(batch, frames, self.out_channels, -1)
        responses = impulse_responses(amplitudes, self.length)
        noise = (
            torch.rand_like(responses)
            if rng is None
            else torch.rand(responses.shape, generator=rng, device=rng.device).to(responses)
        )
        sound = filtered_noise(responses, 2 * noise - 1)
        return sound.transpose(1, 2).reshape(batch, self.out_channels, -1).to(x.dtype)


class SkippingConv1d(nn.Module):
    """Convolution of fewer taps than its stride: it leaves out samples.

    Output n lies around the first sample of its hop, or, causal, ends with the last.
    """

    num_states = 1

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, causal: bool
    ) -> None:
        super().__init__()
        self.conv: Conv1d = conv(in_channels, out_channels, kernel_size, causal=causal, norm="none")
        self.stride, self.first = stride, stride - 1 if causal else 0

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[..., self.first :: self.stride]

    def initial_state(self, batch: int) -> list[Tensor]:
        """The last samples."""
        return self.conv.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Convolve a multiple of `stride` samples."""
        y, state = self.conv.step(x, state)
        return y[..., self.first :: self.stride], state
