"""Convolutions for inference on a CPU, with the channels of a sample side by side in memory.

oneDNN reads this layout without rearranging the input, and for a transposed convolution it makes
the interleaving of its outputs free. `F.conv1d` never takes it (it first copies its input to the
usual order), so signals `(B, C, T)` go through `F.conv2d` as images of height 1. Values and shapes
are the usual ones: only strides differ, and pointwise layers in between keep them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Kept", "channels_last", "conv1d", "join", "pad", "upsampling_weight"]

HEAVY, FEW = 2**23, 128
"""A weight of more than so many elements that meets no more than so many outputs goes through a
matrix product: a convolution first rearranges its weight, each time in fresh memory."""
SMALL = 2**21
"""Up to so many products of weights and samples a matrix product needs less preparation."""


def channels_last(x: Tensor) -> Tensor:
    """The same values `(B, C, T)` with strides `(C T, 1, C)`; copies only where they differ."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last).squeeze(2)


def pad(x: Tensor, left: int, right: int, mode: str = "constant") -> Tensor:
    """Pad the last axis and keep the layout; reflection needs more samples than padding."""
    return F.pad(channels_last(x).unsqueeze(2), (left, right, 0, 0), mode=mode).squeeze(2)


def join(first: Tensor, then: Tensor) -> Tensor:
    """Concatenate in time and keep the layout."""
    parts = [channels_last(part).unsqueeze(2) for part in (first, then)]
    return torch.cat(parts, dim=-1).squeeze(2)


def conv1d(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, dilation: int, padding: int
) -> Tensor:
    """`F.conv1d` in this layout, both ways.

    Args:
        x: `(B, in, T)`.
        weight: `(out, in, taps)`, best in this layout too.
        bias: `(out,)` or None.
        stride: samples per output.
        dilation: distance of the taps.
        padding: zeros on each side.
    """
    _, inputs, taps = weight.shape
    length = (x.shape[-1] + 2 * padding - (taps - 1) * dilation - 1) // stride + 1
    work = weight.numel() * length
    if work <= SMALL or (weight.numel() > HEAVY and length <= FEW):
        rows = (pad(x, padding, padding) if padding else x).transpose(1, 2).contiguous()
        steps = (rows.shape[1] * inputs, stride * inputs, dilation * inputs, 1)
        columns = rows.as_strided((len(x), length, taps, inputs), steps).flatten(2)
        return F.linear(columns, weight.transpose(1, 2).flatten(1), bias).transpose(1, 2)
    image, kernel = channels_last(x).unsqueeze(2), channels_last(weight).unsqueeze(2)
    strides, around, gaps = (1, stride), (0, padding), (1, dilation)
    # On one thread the library leaves small or dilated kernels to a general product, which is slow.
    alone = torch.get_num_threads() == 1 and x.dtype == torch.float32
    if alone and torch.backends.mkldnn.is_available():
        y = torch.mkldnn_convolution(image, kernel, bias, around, strides, gaps, 1)
    else:
        y = F.conv2d(image, kernel, bias, strides, around, gaps)
    return y.squeeze(2)


def upsampling_weight(weight: Tensor, stride: int) -> Tensor:
    """Turn the weight of a transposed convolution into that of a convolution over frames.

    Sample `f s + j` of a transposed convolution with stride s is
    `sum over t of W[:, :, t s + j].T @ x[f - t]`: a convolution of `taps / s` taps with
    `s * out` channels, those of one sample side by side.

    Args:
        weight: `(in, out, taps)`, taps a multiple of the stride.
        stride: samples per frame.

    Returns:
        `(stride * out, in, taps / stride)`.
    """
    inputs, outputs, taps = weight.shape
    split = weight.view(inputs, outputs, taps // stride, stride).flip(2)
    return channels_last(split.permute(3, 1, 0, 2).reshape(stride * outputs, inputs, -1))


class Kept:
    """What was made of a weight, kept until the weight changes."""

    def __init__(self) -> None:
        self._of: Tensor | None = None
        self._state: tuple[int, int] = (0, 0)
        self._made: Tensor | None = None

    def __call__(self, weight: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
        """`make(weight)`, or what it gave when the weight was the same."""
        state = (weight.data_ptr(), 0 if weight.is_inference() else weight._version)
        # The weight itself is held, so that its address is not given to another one.
        if self._made is None or self._of is not weight or self._state != state:
            self._made, self._of, self._state = make(weight.detach()), weight, state
        return self._made
