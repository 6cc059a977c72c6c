"""The short-time Fourier transform and its inverse, for signals of any length."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["STFT", "istft", "stft"]

Padding = Literal["center", "same", "none"]
"""Where frames sit: `center` puts frame t around sample `t * hop`; `same` makes
`ceil(T / hop)` frames; `none` takes only frames that lie inside the signal."""


class STFT(nn.Module):
    """Complex spectra of overlapping Hann windows.

    Frame t, bin f is `sum_n w[n] x[t * hop + n - left] exp(-2 pi i f n / n_fft)`. The window is
    the periodic Hann, zero-padded evenly to `n_fft` when it is shorter.

    Args:
        n_fft: length of the transform.
        hop_length: samples between frames.
        win_length: length of the window; `n_fft` when None.
        padding: `center` pads `n_fft // 2` on both sides; `same` pads `n_fft - hop_length` in all
            and what completes the last frame; `none` pads nothing.
        pad_mode: `constant` takes silence outside the signal and works for any length;
            `reflect` mirrors it and needs more samples than it pads.
        normalized: divide by the root of the window's energy `sum w[n]^2`: white noise of
            variance s^2 then has the mean power s^2 in each bin, whatever the window.

    Shape:
        Input `(..., T)`; output complex `(..., n_fft // 2 + 1, num_frames(T))`.
    """

    window: Tensor

    def __init__(
        self,
        n_fft: int,
        hop_length: int,
        win_length: int | None = None,
        *,
        padding: Padding = "center",
        pad_mode: Literal["constant", "reflect"] = "constant",
        normalized: bool = False,
    ) -> None:
        super().__init__()
        win_length = win_length or n_fft
        if not 1 <= win_length <= n_fft:
            raise ValueError(f"win_length must be in [1, n_fft={n_fft}], got {win_length}")
        if not 1 <= hop_length <= win_length:
            raise ValueError(f"hop_length must be in [1, {win_length}], got {hop_length}")
        if padding not in ("center", "same", "none"):
            raise ValueError(f"padding must be center, same or none, got {padding!r}")
        self.n_fft, self.hop_length, self.win_length = n_fft, hop_length, win_length
        self.padding, self.pad_mode = padding, pad_mode
        window = torch.hann_window(win_length, dtype=torch.float64)
        if normalized:
            window = window / window.square().sum().sqrt()
        left = (n_fft - win_length) // 2
        window = F.pad(window, (left, n_fft - win_length - left))
        self.register_buffer("window", window.float(), persistent=False)

    def extra_repr(self) -> str:
        return f"{self.n_fft}, hop_length={self.hop_length}, win_length={self.win_length}"

    def _pads(self, num_samples: int) -> tuple[int, int]:
        if self.padding == "none":
            return 0, 0
        if self.padding == "center":
            return self.n_fft // 2, self.n_fft // 2
        left = (self.n_fft - self.hop_length) // 2
        frames = -(-num_samples // self.hop_length)
        return left, (frames - 1) * self.hop_length + self.n_fft - left - num_samples

    def num_frames(self, num_samples: int) -> int:
        """Frames that `forward` gives for this many samples."""
        left, right = self._pads(num_samples)
        return max(0, (num_samples + left + right - self.n_fft) // self.hop_length + 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self._pads(x.shape[-1])
        if self.pad_mode == "reflect" and max(left, right) >= x.shape[-1]:
            raise ValueError(
                f"reflecting {max(left, right)} samples needs a longer signal, got "
                f"{x.shape[-1]}; use pad_mode='constant'"
            )
        if self.num_frames(x.shape[-1]) < 1:
            raise ValueError(f"one frame needs {self.n_fft} samples, got {x.shape[-1]}")
        shape = x.shape[:-1]
        x = F.pad(x.reshape(1, -1, x.shape[-1]), (left, right), self.pad_mode)[0]
        spectra = torch.stft(
            x,
            self.n_fft,
            self.hop_length,
            window=self.window.to(x.dtype),
            center=False,
            return_complex=True,
        )
        return spectra.reshape(*shape, *spectra.shape[-2:])

    def inverse(self, spectra: Tensor, length: int) -> Tensor:
        """Least-squares inverse: windowed overlap-add, divided by the overlapped squared window.

        Shape:
            Input complex `(..., n_fft // 2 + 1, N)`; output `(..., length)`.

        Raises:
            ValueError: some sample of `length` lies under no window.
        """
        left, _ = self._pads(length)
        window = self.window.to(spectra.real.dtype)
        frames = torch.fft.irfft(spectra, n=self.n_fft, dim=-2) * window[:, None]
        envelope = window.square()[:, None].expand(-1, spectra.shape[-1])
        total = (spectra.shape[-1] - 1) * self.hop_length + self.n_fft
        if left + length > total:
            raise ValueError(
                f"{spectra.shape[-1]} frames reach {total - left} samples, not {length}"
            )
        overlapped = self._overlap_add(frames.reshape(-1, *frames.shape[-2:]), total)
        weight = self._overlap_add(envelope[None], total)[..., left : left + length]
        if bool((weight < 1e-11 * window.square().max()).any()):
            raise ValueError("some samples lie under no window: use padding='center' or less hop")
        return (overlapped[..., left : left + length] / weight).reshape(*spectra.shape[:-2], length)

    def _overlap_add(self, frames: Tensor, total: int) -> Tensor:
        size = (1, self.n_fft)
        return F.fold(frames, (1, total), size, stride=(1, self.hop_length))[:, 0, 0]


def stft(x: Tensor, n_fft: int, hop_length: int, win_length: int | None = None) -> Tensor:
    """Centred complex spectra `(..., n_fft // 2 + 1, 1 + T // hop_length)` of `x (..., T)`.

    Builds its window at every call: keep an `STFT` to transform more than once.

    >>> stft(torch.zeros(2, 1000), 256, 64).shape
    torch.Size([2, 129, 16])
    """
    return STFT(n_fft, hop_length, win_length).to(x.device)(x)


def istft(
    spectra: Tensor, length: int, n_fft: int, hop_length: int, win_length: int | None = None
) -> Tensor:
    """Undo `stft`: complex `(..., n_fft // 2 + 1, N)` back to `(..., length)`."""
    return STFT(n_fft, hop_length, win_length).to(spectra.device).inverse(spectra, length)
