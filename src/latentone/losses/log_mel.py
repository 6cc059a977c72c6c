"""The mel distance of HiFi-GAN: one resolution, absolute difference of natural logarithms.

Kong et al., "HiFi-GAN", 2020, section 2.3: 80 bands from 0 Hz to half the sample rate, windows of
1024 samples every 256. Differs: silence, not a reflection, lies outside the signal, so that any
length from one sample on is defined.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..dsp.mel import Mel, MelSpec

__all__ = ["LogMelDistance"]


class LogMelDistance(nn.Module):
    """Mean absolute difference of log-mel spectrograms.

    Args:
        sample_rate: of both signals, in Hz.

    Shape:
        Inputs `(..., T)`; output scalar in [0, inf), 0 when equal.
    """

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self.mel = Mel(MelSpec(sample_rate=sample_rate, padding="same"))

    def forward(self, estimate: Tensor, reference: Tensor) -> Tensor:
        return (self.mel(estimate) - self.mel(reference)).abs().mean()
