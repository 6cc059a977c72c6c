"""How well phases and channels hold together."""

from __future__ import annotations

import torch
from torch import Tensor

from .stft import STFT

__all__ = ["channel_correlation", "phase_coherence"]


def phase_coherence(
    estimate: Tensor, reference: Tensor, *, n_fft: int = 2048, hop_length: int = 512
) -> Tensor:
    """Mean cosine between the phases of two signals, weighted by both magnitudes.

        sum Re(X Y*) / sum |X| |Y|   over all bins of the STFT

    1 for equal phases whatever the magnitudes, -1 for a flipped sign, about 0 for phases that have
    nothing to do with each other. Two silences are at 1, one alone at 0.

    Shape:
        Inputs `(..., T)`; output `(...)` in [-1, 1].
    """
    stft = STFT(n_fft, hop_length).to(estimate.device)
    x, y = stft(estimate), stft(reference)
    together = (x * y.conj()).real.sum((-2, -1))
    apart = (x.abs() * y.abs()).sum((-2, -1))
    silent = [z.abs().amax((-2, -1)) < 1e-9 for z in (x, y)]
    coherence = (together / apart.clamp_min(1e-30)).clamp(-1, 1)
    coherence = coherence.masked_fill(silent[0] | silent[1], 0.0)
    return coherence.masked_fill(silent[0] & silent[1], 1.0)


def channel_correlation(x: Tensor) -> Tensor:
    """Correlation of every pair of channels: 1 is mono, 0 unrelated, -1 out of phase.

    Shape:
        Input `(C, T)`; output `(C (C - 1) / 2)`; silent channels count as related to none.
    """
    norm = torch.linalg.vector_norm(x.double(), dim=-1, keepdim=True)
    unit = x.double() / norm.clamp_min(1e-9)
    rows, columns = torch.triu_indices(len(x), len(x), offset=1)
    return (unit[rows] * unit[columns]).sum(-1)
