"""Integrated loudness in LUFS (ITU-R BS.1770-4: K-weighting, two gates)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Loudness", "integrated_loudness"]

OFFSET = -0.691
ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0
WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)
"""Left, right, centre, left surround, right surround."""

CHUNK = 2**20


class Loudness(nn.Module):
    """Integrated loudness of whole signals, computed in float64, differentiable.

    Blocks of 0.4 s every 0.1 s; a last incomplete block does not count, as the recommendation
    says. Sound shorter than one block is taken as followed by silence up to 0.4 s.

    Args:
        sample_rate: in Hz.
        weights: power gain of each channel. None takes 1, 1, 1, 1.41, 1.41 for up to five channels
            in the order left, right, centre, left surround, right surround.

    Shape:
        Input `(..., C, T)`; output float64 `(...)` in LUFS, -inf where all blocks are below
        -70 LUFS.
    """

    def __init__(self, sample_rate: int, weights: Sequence[float] | None = None) -> None:
        super().__init__()
        if sample_rate < 4000:  # the shelf at 1682 Hz must lie below half the rate
            raise ValueError(f"loudness needs a sample rate of 4000 Hz or more, got {sample_rate}")
        self.sample_rate = sample_rate
        self.weights = None if weights is None else tuple(weights)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 2 or not x.shape[-1]:
            raise ValueError(f"expected (..., channels, time > 0), got {tuple(x.shape)}")
        self._weights(x.shape[-2], x.device)  # refuses before the work
        shortest = -(-4 * self.sample_rate // 10)
        x = F.pad(x.double(), (0, max(0, shortest - x.shape[-1])))
        return self.gated(_block_powers(k_weight(x, self.sample_rate), self.sample_rate))

    def gated(self, power: Tensor) -> Tensor:
        """Loudness of the mean squares `(..., C, J)` of all blocks, after both gates."""
        weights = self._weights(power.shape[-2], power.device)
        blocks = (weights[:, None] * power).sum(-2)
        loud = blocks > 10 ** ((ABSOLUTE_GATE - OFFSET) / 10)
        gate = _masked_mean(blocks, loud) * 10 ** (RELATIVE_GATE / 10)
        loud = loud & (blocks > gate[..., None])
        return OFFSET + 10 * torch.log10(_masked_mean(blocks, loud))

    def _weights(self, channels: int, device: torch.device) -> Tensor:
        weights = WEIGHTS[:channels] if self.weights is None else self.weights
        if len(weights) != channels:
            raise ValueError(
                f"expected weights for {channels} channels, got {len(weights)}: where more than "
                "five channels stand is unknown, so give `weights` (1 front, 1.41 side, 0 LFE)"
            )
        return torch.tensor(weights, dtype=torch.float64, device=device)


def integrated_loudness(
    x: Tensor, sample_rate: int, weights: Sequence[float] | None = None
) -> Tensor:
    """Integrated loudness in LUFS of `x (..., C, T)`, as `Loudness`.

    A full-scale 997 Hz sine in one front channel measures -3.01 LUFS; silence measures -inf.
    """
    return Loudness(sample_rate, weights)(x)


def k_weight(x: Tensor, sample_rate: int) -> Tensor:
    """Filter `x (..., T)` with the two K-weighting biquads, at any sample rate.

    The recommendation lists coefficients for 48 kHz only. They are bilinear transforms of

        shelf      (Vh s^2 + Vb s / Q + 1) / (s^2 + s / Q + 1)   4 dB above 1682 Hz
        high-pass  s^2 / (s^2 + s / Q + 1)                       38 Hz

    with s in units of the corner frequency, whose constants B. De Man recovered from the listed
    numbers ("Evaluation of implementations of the EBU R128 loudness measurement", 2018).
    At z = e^{iw} the bilinear transform puts s = i tan(w / 2) / K, K = tan(pi f / rate), which is
    all that is needed to evaluate the response on a grid of n frequencies. Multiplying there is
    circular convolution with the impulse response folded at n; the slowest pole decays as
    e^{-2 pi 38 t}, so beyond half a second of padding what folds back is under 1e-50.
    The listed high-pass has the numerator 1 - 2 z^-1 + z^-2 unscaled, hence its gain
    1 + K / Q + K^2.
    """
    history = sample_rate // 2 + 1
    pieces = []
    for start in range(0, x.shape[-1], CHUNK):
        lead = min(start, history)
        piece = x[..., start - lead : start + CHUNK]
        n = 2 ** math.ceil(math.log2(piece.shape[-1] + history))
        response = _k_response(n, sample_rate, x.device)
        filtered = torch.fft.irfft(torch.fft.rfft(piece, n) * response, n)
        pieces.append(filtered[..., lead : piece.shape[-1]])
    return torch.cat(pieces, -1) if len(pieces) > 1 else pieces[0]


def _k_response(n: int, sample_rate: int, device: torch.device) -> Tensor:
    # Numerator and denominator times K^2 cos^2(w / 2) stay finite at half the rate, where s does
    # not: s -> i S with S = sin(w / 2), the constant 1 -> K C with C = cos(w / 2).
    half = math.pi * torch.arange(n // 2 + 1, dtype=torch.float64, device=device) / n
    sine, cosine = torch.sin(half), torch.cos(half)

    k, q = math.tan(math.pi * 1681.9744509555319 / sample_rate), 0.7071752369554193
    high = 10 ** (3.99984385397 / 20)
    band = high**0.499666774155
    low = (k * cosine).square()
    cross = k * cosine * sine / q
    shelf = torch.complex(low - high * sine.square(), band * cross) / torch.complex(
        low - sine.square(), cross
    )

    k, q = math.tan(math.pi * 38.13547087613982 / sample_rate), 0.5003270373253953
    low = (k * cosine).square()
    cross = k * cosine * sine / q
    gain = 1 + k / q + k * k
    high_pass = gain * -sine.square() / torch.complex(low - sine.square(), cross)
    return shelf * high_pass


def _block_powers(x: Tensor, sample_rate: int) -> Tensor:
    """Mean squares `(..., C, J)` of blocks of 0.4 s every 0.1 s."""
    count = 10 * x.shape[-1] // sample_rate - 3
    index = torch.arange(count + 4, device=x.device)
    edges = torch.div(index * sample_rate, 10, rounding_mode="floor")
    energy = F.pad(x.square().cumsum(-1), (1, 0))[..., edges]
    return (energy[..., 4:] - energy[..., :-4]) / (0.4 * sample_rate)


def _masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    return (x * mask).sum(-1) / mask.sum(-1).clamp_min(1)
