"""Integrated loudness of sound that comes in pieces, in constant memory (ITU-R BS.1770-4)."""

from __future__ import annotations

from array import array

import torch
from torch import Tensor
from torch.nn import functional as F

from .loudness import Loudness, k_weight

__all__ = ["LoudnessMeter"]


class LoudnessMeter:
    """Measures as `integrated_loudness` does, piece by piece.

    What it keeps is half a second of sound, for the filters' tail, and one energy for each tenth of
    a second: 0.3 MB an hour for each channel.

    Args:
        sample_rate: in Hz.
        channels: of the sound.

    Example:
        >>> meter = LoudnessMeter(8000, channels=1)
        >>> for piece in torch.ones(1, 16_000).split(3000, dim=-1):
        ...     meter.add(piece)
        >>> meter.value < 0
        True
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._loudness = Loudness(sample_rate)
        self.sample_rate = sample_rate
        self._before = torch.zeros(channels, 0, dtype=torch.float64)
        self._energies = array("d")  # of whole tenths of a second, channel after channel
        self._open = torch.zeros(channels, dtype=torch.float64)
        self._count = 0

    def add(self, x: Tensor) -> None:
        """Hear the next piece `(C, T)`.

        Raises:
            ValueError: another number of channels.
        """
        if x.ndim != 2 or len(x) != len(self._before):
            raise ValueError(f"expected ({len(self._before)}, time), got {tuple(x.shape)}")
        if not x.shape[-1]:
            return
        x = x.detach().to("cpu", torch.float64)
        history = self.sample_rate // 2 + 1  # as in `k_weight`
        heard = torch.cat([self._before, x], dim=-1)
        squared = k_weight(heard, self.sample_rate)[..., -x.shape[-1] :].square()
        self._before = heard[..., -history:].clone()
        start, self._count = self._count, self._count + x.shape[-1]
        at = start
        while at < self._count:
            edge = (self._tenths + 1) * self.sample_rate // 10
            stop = min(edge, self._count)
            self._open = self._open + squared[..., at - start : stop - start].sum(-1)
            if stop == edge:
                self._energies.extend(self._open.tolist())
                self._open = torch.zeros_like(self._open)
            at = stop

    @property
    def _tenths(self) -> int:
        return len(self._energies) // len(self._open)

    @property
    def value(self) -> float:
        """Loudness so far in LUFS; -inf where all is below -70 LUFS, or nothing came."""
        shortest = -(-4 * self.sample_rate // 10)
        if self._count < shortest:  # than a block, but also than the history: all is still there
            silence = (0, max(1, shortest - self._count))
            return float(self._loudness(F.pad(self._before, silence)))
        tenths = torch.tensor(self._energies, dtype=torch.float64)
        tenths = tenths.reshape(-1, len(self._open)).T
        tenths = tenths[
            :, : 10 * self._count // self.sample_rate
        ]  # the last may lack half a sample
        power = tenths.unfold(-1, 4, 1).sum(-1) / (0.4 * self.sample_rate)
        return float(self._loudness.gated(power))
