"""Mel spectrograms as a stream: a frame comes when all that its window reaches over is there."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dsp.mel import Mel, MelSpec

__all__ = ["MelStream"]


class MelStream:
    """Audio `(B, 1, n * chunk)` to log-mel frames `(B, n_mels, n)`, `latency` frames late.

    A window reaches over the end of its hop, by `n_fft - hop_length - left` samples where `left`
    lie before its beginning. Before the first sample is silence, whatever `pad_mode` says.

    Args:
        mel: computes frames of windows that are all there (`padding="none"`).
        spec: how they lie.
    """

    def __init__(self, mel: Mel, spec: MelSpec) -> None:
        self.mel, self.n_fft, self.chunk = mel, spec.n_fft, spec.hop_length
        centred = spec.padding == "center"
        left = spec.n_fft // 2 if centred else (spec.n_fft - spec.hop_length) // 2
        self.latency = max(0, -(-(spec.n_fft - spec.hop_length - left) // spec.hop_length))
        self.held = left + self.latency * spec.hop_length

    def initial_state(self, batch: int) -> list[Tensor]:
        """The samples before the first: silence."""
        like = next(self.mel.buffers())
        return [torch.zeros(batch, 1, self.held, device=like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Frames of a multiple of `chunk` samples.

        Raises:
            ValueError: the length is no multiple of `chunk`.
        """
        if x.shape[-1] % self.chunk:
            raise ValueError(f"a step takes a multiple of {self.chunk}, got {x.shape[-1]}")
        held = torch.cat([state[0], x], dim=-1)
        taken = x.shape[-1] - self.chunk + self.n_fft
        return self.mel(held[:, 0, :taken]), [held[..., x.shape[-1] :]]
