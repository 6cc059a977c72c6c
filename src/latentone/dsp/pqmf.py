"""Pseudo-quadrature mirror filters: a signal in M critically sampled bands, and back.

Nguyen, "Near-perfect-reconstruction pseudo-QMF banks", 1994; the Kaiser prototype is that of Lin
and Vaidyanathan, "A Kaiser window approach for the design of prototype filters of cosine modulated
filterbanks", 1998. Lengths, scale and time origin are those of RAVE (Caillon and Esling, 2021).
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.signal import firwin, kaiserord
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["PQMF", "pqmf_filters", "pqmf_prototype"]


@lru_cache
def pqmf_prototype(num_bands: int, attenuation_db: float = 100.0) -> NDArray[np.float64]:
    """The low-pass filter whose modulated copies are the bands: odd length, symmetric.

    With the prototype p, bands whose neighbours' aliases cancel give the signal back when p
    convolved with itself is zero at all multiples of 2 M but the centre. The cut-off makes the
    largest of these values as small as a Kaiser window of this attenuation allows. The number of
    taps depends on the cut-off: the search, and where it starts, are those of the published
    models, whose weights need exactly these bands.

    Args:
        num_bands: M.
        attenuation_db: of the stop band; more of it takes more taps.

    Returns:
        `(N,)`, read-only.
    """

    def worst(cutoff: NDArray[np.float64]) -> float:
        taps = _kaiser(float(cutoff[0]), attenuation_db)
        squared = np.convolve(taps, taps)
        return float(np.abs(squared[len(taps) - 1 :: 2 * num_bands][1:]).max())

    found = minimize(worst, [1 / num_bands], method="Nelder-Mead")
    taps = _kaiser(float(found.x[0]), attenuation_db)
    taps.setflags(write=False)
    return taps


def pqmf_filters(num_bands: int, attenuation_db: float = 100.0) -> NDArray[np.float64]:
    """The band-pass filters `(M, N)`, centred at tap `N // 2`, pass band gain 1.

    Band k is `2 p[n] cos((2 k + 1) pi n / (2 M) + (-1)^k pi / 4)`, n counted from the centre: the
    alternating phase is what makes the aliases of neighbours cancel.
    """
    prototype = pqmf_prototype(num_bands, attenuation_db)
    n = np.arange(len(prototype)) - len(prototype) // 2
    k = np.arange(num_bands)[:, None]
    phase = np.where(k % 2, -pi / 4, pi / 4)
    return 2 * prototype * np.cos((2 * k + 1) * pi / (2 * num_bands) * n + phase)


class PQMF(nn.Module):
    """Splits a signal into M bands at 1 / M of its rate, and joins them again.

    In odd bands frequency runs downwards, since decimation mirrors them; negating every second
    value turns them round, so that neighbours meet at the frequency they share. The way back is
    the transpose of the way there times M, and what remains of the signal is itself with an error
    near -60 dB (near-perfect reconstruction; 16 bands at 100 dB). One band changes nothing.

    Offline, both ways are aligned: band value n lies at sample `n M`, and nothing is delayed. The
    causal bank gives a band value the `N` samples up to the end of its own hop, so that analysis
    streams without delay and `inverse_latency = N - M` samples are due at synthesis; the centred
    one shares the delay among the two.

    Args:
        num_bands: M; 1 for none.
        attenuation_db: of the stop band.
        causal: whether a band value depends on its own hop and the past only.

    Shape:
        - Signal `(B, C, T)`, T a multiple of M; bands `(B, C * M, T / M)`, those of a channel
          one after the other.
    """

    analysis: Tensor
    synthesis: Tensor

    def __init__(
        self, num_bands: int = 16, attenuation_db: float = 100.0, *, causal: bool = False
    ) -> None:
        super().__init__()
        if num_bands != 1 and (num_bands < 2 or num_bands % 2):
            raise ValueError(f"num_bands must be 1 or even, got {num_bands}")
        if not 30 <= attenuation_db <= 150:
            raise ValueError(f"attenuation_db must be in 30..150, got {attenuation_db}")
        self.num_bands = num_bands
        self.chunk = 1 if num_bands == 1 else 2 * num_bands
        self.latency = self.inverse_latency = self._lookahead = 0
        self.num_taps = 1
        if num_bands == 1:
            return
        filters = torch.from_numpy(pqmf_filters(num_bands, attenuation_db)).float()
        self.num_taps = taps = filters.shape[1]
        self._blocks = -(-taps // num_bands)
        self._lookahead = 0 if causal else taps // 2 - num_bands
        self.latency = ceil(self._lookahead / num_bands)  # of the analysis, in band values
        self.inverse_latency = taps - num_bands - self._lookahead
        # Polyphase: in blocks of M samples both ways are convolutions of `_blocks` taps. The
        # missing taps are zeros in the past of the analysis and in the future of the synthesis.
        missing = self._blocks * num_bands - taps
        there = F.pad(filters, (missing, 0)).view(num_bands, self._blocks, num_bands)
        back = F.pad(filters, (0, missing)).view(num_bands, self._blocks, num_bands)
        self.register_buffer("analysis", there.transpose(1, 2).contiguous(), persistent=False)
        back = num_bands * back.permute(2, 0, 1).flip(-1)
        self.register_buffer("synthesis", back.contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Bands `(B, C * M, T / M)` of `x (B, C, T)`; beyond the ends is silence.

        Raises:
            ValueError: T is no multiple of M.
        """
        if self.num_bands == 1:
            return x
        self._require_multiple(x, self.num_bands)
        past = (self._blocks - 1) * self.num_bands - self._lookahead
        return self._analyse(F.pad(x, (past, self._lookahead)), 0)

    def inverse(self, bands: Tensor) -> Tensor:
        """The signal `(B, C, F * M)` of `bands (B, C * M, F)`; beyond the ends is silence."""
        if self.num_bands == 1:
            return bands
        late = -(-self.inverse_latency // self.num_bands)
        padded = F.pad(self._reverse(bands, 0), (self._blocks - 1, late))
        length = bands.shape[-1] * self.num_bands
        return self._synthesise(padded)[..., self.inverse_latency :][..., :length]

    def initial_state(self, batch: int, channels: int = 1) -> list[Tensor]:
        """The samples before the first step of the analysis."""
        if self.num_bands == 1:
            return []
        held = (self._blocks - 1 + self.latency) * self.num_bands - self._lookahead
        return [self.analysis.new_zeros(batch, channels, held)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Bands of a multiple of `chunk` samples, `latency` values late.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if self.num_bands == 1:
            return x, []
        self._require_multiple(x, self.chunk)
        held = torch.cat([state[0], x], dim=-1)
        taken = (self._blocks - 1) * self.num_bands + x.shape[-1]
        return self._analyse(held[..., :taken], self.latency), [held[..., x.shape[-1] :]]

    def inverse_initial_state(self, batch: int, channels: int = 1) -> list[Tensor]:
        """The band values before the first step of the synthesis."""
        if self.num_bands == 1:
            return []
        return [self.synthesis.new_zeros(batch, channels * self.num_bands, self._blocks - 1)]

    def inverse_step(self, bands: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Samples of an even number of band values, `inverse_latency` samples late."""
        if self.num_bands == 1:
            return bands, []
        self._require_multiple(bands, 2)
        held = torch.cat([state[0], self._reverse(bands, 0)], dim=-1)
        return self._synthesise(held), [held[..., bands.shape[-1] :]]

    def _require_multiple(self, x: Tensor, unit: int) -> None:
        if x.shape[-1] % unit:
            raise ValueError(f"expected a length that is a multiple of {unit}, got {x.shape[-1]}")

    def _analyse(self, x: Tensor, late: int) -> Tensor:
        """`(B, C, (F + blocks - 1) * M)` to `(B, C * M, F)`."""
        blocks = x.reshape(x.shape[0] * x.shape[1], -1, self.num_bands).transpose(1, 2)
        bands = F.conv1d(blocks, self.analysis.to(x.dtype))
        return self._reverse(bands.reshape(x.shape[0], -1, bands.shape[-1]), late)

    def _synthesise(self, bands: Tensor) -> Tensor:
        """`(B, C * M, F + blocks - 1)` to `(B, C, F * M)`."""
        channels = bands.shape[1] // self.num_bands
        filters = self.synthesis.to(bands.dtype).repeat(channels, 1, 1)
        blocks = F.conv1d(bands, filters, groups=channels)
        return blocks.unflatten(1, (channels, self.num_bands)).transpose(2, 3).flatten(2)

    def _reverse(self, bands: Tensor, late: int) -> Tensor:
        """Negate the values of odd bands at even times, counted from `late` values ago."""
        signs = bands.new_ones(self.num_bands, 2)
        signs[1::2, late % 2] = -1
        channels, length = bands.shape[1] // self.num_bands, bands.shape[-1]
        return bands * signs.repeat(channels, -(-length // 2))[:, :length]


def _kaiser(cutoff: float, attenuation_db: float) -> NDArray[np.float64]:
    """Windowed low-pass of odd length whose transition is as wide as its pass band."""
    taps, beta = kaiserord(attenuation_db, cutoff / pi)
    window = ("kaiser", beta)
    return np.asarray(firwin(2 * (taps // 2) + 1, cutoff / pi, window=window, scale=False))
