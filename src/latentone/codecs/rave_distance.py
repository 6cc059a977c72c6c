"""RAVE's distance of two signals: magnitude spectra at several resolutions.

Caillon and Esling, "RAVE", 2021, section 3.1, after Engel et al., "DDSP", 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..dsp.stft import STFT

__all__ = ["RAVEDistance"]


class RAVEDistance(nn.Module):
    """Over several windows, a relative squared difference and one of logarithms, summed.

        mean (|Y| - |X|)^2 / mean |Y|^2  +  mean | ln(|Y| + e) - ln(|X| + e) |

    Means are taken over the whole batch. The hop is a quarter of the window.

    Args:
        windows: in samples.
        epsilon: e, added to magnitudes in the logarithm.

    Shape:
        - Inputs `(B, C, T)`, estimate and reference; a scalar in [0, inf), 0 when equal.
    """

    def __init__(
        self, windows: Sequence[int] = (2048, 1024, 512, 256, 128), epsilon: float = 1e-7
    ) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.stfts = nn.ModuleList(STFT(n, n // 4) for n in windows)

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        with torch.autocast(estimate.device.type, enabled=False):
            estimate, reference = estimate.float(), reference.float()
            total = estimate.new_zeros(())
            for stft in self.stfts:
                x, y = _magnitude(stft(estimate)), _magnitude(stft(reference))
                total = total + (y - x).square().mean() / y.square().mean().clamp_min(1e-7)
                logs = torch.log(y + self.epsilon) - torch.log(x + self.epsilon)
                total = total + logs.abs().mean()
            return total


def _magnitude(spectrum: Tensor) -> Tensor:
    """Modulus whose gradient is finite at zero."""
    return torch.view_as_real(spectrum).square().sum(-1).clamp_min(1e-14).sqrt()
