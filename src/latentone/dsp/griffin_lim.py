"""Magnitudes back to sound: mel bands to bins, and the Griffin-Lim search for phases.

Griffin and Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984; with
momentum it is the fast algorithm of Perraudin, Balazs, Sondergaard, "A Fast Griffin-Lim
Algorithm", 2013.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .mel import Mel, MelSpec
from .stft import STFT

__all__ = ["GriffinLim", "MelToLinear", "griffin_lim", "random_phases"]

TINY = 1e-16


class GriffinLim(nn.Module):
    """Find a signal whose STFT has the given magnitudes.

    Each iteration makes a signal of the magnitudes S and the phases of c, takes its STFT t, and
    goes on from

        c_n = t_n + m (t_n - t_{n-1}),   m the momentum,

    scaled by 1 / (1 + m), which changes no phase. m = 0 is the algorithm of 1984, under which the
    distance of |t| to S never grows; 0.99 mostly ends nearer in as many iterations.

    Args:
        stft: where frames sit, and under which window.
        iterations: passes, each one inverse and one forward transform.
        momentum: in [0, 1).

    Shape:
        Magnitudes `(..., n_fft // 2 + 1, N)`; output `(..., length)`.
    """

    def __init__(self, stft: STFT, *, iterations: int = 32, momentum: float = 0.99) -> None:
        super().__init__()
        if iterations < 0 or not 0 <= momentum < 1:
            raise ValueError(
                "iterations must be at least 0 and momentum in [0, 1), got "
                f"{iterations} and {momentum}"
            )
        self.stft, self.iterations, self.momentum = stft, iterations, momentum

    def forward(
        self,
        magnitudes: Tensor,
        length: int,
        *,
        phases: Tensor | None = None,
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """Search from `phases` (radians, of the magnitudes' shape), or from random ones.

        Random phases are drawn once for all signals, so that a batch is what its rows are alone.

        Raises:
            ValueError: a signal of `length` has fewer frames than the magnitudes.
        """
        frames = magnitudes.shape[-1]
        if self.stft.num_frames(length) < frames:
            raise ValueError(
                f"{length} samples have {self.stft.num_frames(length)} frames, not {frames}"
            )
        if phases is None:
            phases = random_phases(magnitudes[(0,) * (magnitudes.dim() - 2)], rng)
        spectra = torch.polar(magnitudes, phases.expand_as(magnitudes))
        before = torch.zeros_like(spectra)
        for _ in range(self.iterations):
            signal = self.stft.inverse(spectra, length)
            rebuilt = self.stft(signal)[..., :frames]
            ahead = rebuilt - before * (self.momentum / (1 + self.momentum))
            spectra = magnitudes * (ahead / (ahead.abs() + TINY))
            before = rebuilt
        return self.stft.inverse(spectra, length)


def griffin_lim(
    magnitudes: Tensor,
    length: int,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    *,
    iterations: int = 32,
    momentum: float = 0.99,
    phases: Tensor | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Signal `(..., length)` of centred magnitudes `(..., n_fft // 2 + 1, N)`; see `GriffinLim`."""
    stft = STFT(n_fft, hop_length, win_length).to(magnitudes.device)
    search = GriffinLim(stft, iterations=iterations, momentum=momentum)
    return search(magnitudes, length, phases=phases, rng=rng)


def random_phases(like: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Phases of the shape of `like`, each as likely, in [0, 2 pi)."""
    if rng is None:
        return 2 * math.pi * torch.rand_like(like)
    drawn = torch.rand(like.shape, generator=rng, device=rng.device, dtype=like.dtype)
    return 2 * math.pi * drawn.to(like.device)


class MelToLinear(nn.Module):
    """Magnitudes of the bins whose mel spectrogram comes nearest, none of them negative.

    With filters M and bands b, the bins x minimise |M x - b|^2 over x >= 0. From the least-squares
    solution, cut at a small positive value, the updates of Lee and Seung (2001)

        x <- x * (M^T b) / (M^T M x)

    bring the distance down without ever leaving x >= 0.

    Args:
        spec: of the mel spectrogram.
        updates: how many.

    Shape:
        Mel spectrogram `(..., n_mels, N)` as `Mel` gives it, logarithm included; output
        `(..., n_fft // 2 + 1, N)`.
    """

    filterbank: Tensor
    inverse: Tensor

    def __init__(self, spec: MelSpec, *, updates: int = 20) -> None:
        super().__init__()
        self.spec, self.updates = spec, updates
        with torch.device("cpu"):  # real numbers, also where a model is built on the meta device
            filters = Mel(spec).filterbank.double()
            inverse = torch.linalg.pinv(filters)
        self.register_buffer("filterbank", filters.float(), persistent=False)
        self.register_buffer("inverse", inverse.float(), persistent=False)

    def forward(self, mel: Tensor) -> Tensor:
        spec = self.spec
        if spec.log != "none":
            mel = mel.exp() if spec.log == "natural" else 10**mel
        filters, inverse = self.filterbank.to(mel.dtype), self.inverse.to(mel.dtype)
        bins = inverse @ mel
        bins = torch.maximum(bins, 1e-3 * bins.amax(-2, keepdim=True).clamp_min(TINY))
        target = filters.T @ mel
        for _ in range(self.updates):
            bins = bins * target / (filters.T @ (filters @ bins)).clamp_min(TINY)
        return bins ** (1 / spec.power)
