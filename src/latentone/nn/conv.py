"""Causal and centred convolutions in time, with exact lengths and explicit streaming state.

Both layers count in hops: `Conv1d` turns T samples into ceil(T / stride), `ConvTranspose1d` turns
F frames into F * stride. Padding and trimming follow SEANet (Tagliasacchi et al., 2020) as in
EnCodec (Defossez et al., 2022), so that its weights give its numbers.
"""

from __future__ import annotations

from math import sqrt
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import channels_last as last
from .weight_norm import WeightNorm

__all__ = ["Conv1d", "ConvTranspose1d", "Norm", "PadMode", "infers_on_cpu", "pad1d", "set_pad_mode"]

PadMode = Literal["constant", "reflect"]
Norm = Literal["none", "weight_norm", "time_group_norm"]


def pad1d(x: Tensor, left: int, right: int, mode: PadMode) -> Tensor:
    """Pad the last axis; reflection also works on inputs shorter than the padding.

    Such an input is first extended by zeros to the right, which are cut off again afterwards.
    """
    if left == 0 and right == 0:
        return x
    if mode == "constant":
        return _pad(x, left, right)
    missing = max(left, right) - x.shape[-1] + 1
    if missing <= 0:
        return _pad(x, left, right, mode)
    return _pad(_pad(x, 0, missing), left, right, mode)[..., :-missing]


def _pad(x: Tensor, left: int, right: int, mode: PadMode = "constant") -> Tensor:
    if x.dim() == 3 and infers_on_cpu(x):
        return last.pad(x, left, right, mode)
    return F.pad(x, (left, right), mode=mode)


def set_pad_mode(module: nn.Module, mode: PadMode) -> None:
    """Change how every convolution inside `module` pads, in place."""
    for child in module.modules():
        if isinstance(child, Conv1d):
            child.pad_mode = mode


def infers_on_cpu(x: Tensor) -> bool:
    """Whether `channels_last.py` may be taken: faster on a CPU, and not differentiated."""
    traced = torch.jit.is_tracing() or torch.compiler.is_compiling()
    return x.device.type == "cpu" and not torch.is_grad_enabled() and not traced


class _Convolution(nn.Module):
    """Weight, bias and normalisation, which both directions share."""

    num_states = 1

    def __init__(self, weight: Tensor, fan_in: int, out_channels: int, causal: bool, norm: Norm):
        super().__init__()
        nn.init.kaiming_uniform_(weight, a=sqrt(5))
        self.weight = WeightNorm(weight) if norm == "weight_norm" else nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(out_channels).uniform_(-1, 1) / sqrt(fan_in))
        self.norm = nn.GroupNorm(1, out_channels) if norm == "time_group_norm" else None
        self._kept: dict[torch.dtype, last.Kept] = {}
        self.causal = causal

    def effective_weight(self) -> Tensor:
        """The weight that the convolution uses."""
        return self.weight() if isinstance(self.weight, WeightNorm) else self.weight

    def _arrange(self, weight: Tensor) -> Tensor:
        """The weight as inference on a CPU reads it best."""
        return last.channels_last(weight)

    def _like(self, x: Tensor, weight: Tensor) -> Tensor:
        """The weight arranged for inference, in the precision of `x`; done once if it is fixed."""
        if isinstance(self.weight, WeightNorm) and self.weight.folded is None:
            return self._arrange(weight.to(x.dtype))
        kept = self._kept.setdefault(x.dtype, last.Kept())
        return kept(weight, lambda fixed: self._arrange(fixed.to(x.dtype)))

    def train(self, mode: bool = True) -> Self:
        self._kept.clear()
        return super().train(mode)

    def require_streamable(self) -> None:
        if not self.causal:
            raise ValueError("a centred convolution sees the future: only causal ones can stream")
        if self.norm is not None:
            raise ValueError("time_group_norm averages over all time: it cannot stream")


class Conv1d(_Convolution):
    """Convolution that pads so that T samples give ceil(T / stride).

    The total padding is `(kernel_size - 1) * dilation + 1 - stride`: all of it on the left when
    causal, else the larger half on the left. An incomplete last hop is completed on the right.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: taps.
        stride: samples per output.
        dilation: distance of the taps.
        causal: whether outputs depend on the past only.
        pad_mode: what stands beyond the ends; streaming starts from zeros whatever this says.
        norm: `weight_norm` on the weight, or `time_group_norm`, one group, on the output.

    Shape:
        - Input: `(B, in_channels, T)`; output: `(B, out_channels, ceil(T / stride))`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        causal: bool = False,
        pad_mode: PadMode = "constant",
        norm: Norm = "none",
    ) -> None:
        weight = torch.empty(out_channels, in_channels, kernel_size)
        super().__init__(weight, in_channels * kernel_size, out_channels, causal, norm)
        self.in_channels, self.stride, self.dilation = in_channels, stride, dilation
        self.padding = (kernel_size - 1) * dilation + 1 - stride
        self.pad_mode: PadMode = pad_mode
        if self.padding < 0:
            raise ValueError(f"stride {stride} skips samples: the kernel spans too few of them")

    def forward(self, x: Tensor) -> Tensor:
        right = 0 if self.causal else self.padding // 2
        left, right = self.padding - right, right + -x.shape[-1] % self.stride
        if self.pad_mode == "constant":
            # A convolution pads on both sides without a copy; what is too much is cut off again.
            few = infers_on_cpu(x) and right < left <= x.shape[-1] // 16
            if left == right or few:
                return self._convolve(x, left, -(-x.shape[-1] // self.stride))
        return self._convolve(pad1d(x, left, right, self.pad_mode))

    def _convolve(self, x: Tensor, padding: int = 0, length: int | None = None) -> Tensor:
        """Convolve with so many zeros on each side, and keep the first `length` outputs."""
        weight = self.effective_weight()
        if infers_on_cpu(x):
            weight, bias = self._like(x, weight), self.bias.to(x.dtype)
            y = last.conv1d(x, weight, bias, self.stride, self.dilation, padding)
        else:
            y = F.conv1d(x, weight, self.bias, self.stride, padding, self.dilation)
        y = y[..., :length]
        return y if self.norm is None else self.norm(y)

    def initial_state(self, batch: int) -> list[Tensor]:
        """The last `padding` samples, before the first step zeros `(B, in_channels, padding)`."""
        self.require_streamable()
        return [self.bias.new_zeros(batch, self.in_channels, self.padding)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Convolve `(B, in_channels, n * stride)` to `(B, out_channels, n)`."""
        if x.shape[-1] % self.stride:
            raise ValueError(f"a step takes a multiple of {self.stride}, got {x.shape[-1]}")
        if self.padding:
            x = last.join(state[0], x) if infers_on_cpu(x) else torch.cat([state[0], x], dim=-1)
        return self._convolve(x), [x[..., x.shape[-1] - self.padding :]]


class ConvTranspose1d(_Convolution):
    """Transposed convolution that turns F frames into exactly F * stride samples.

    The `kernel_size - stride` surplus samples are trimmed on the right when causal, else the
    larger half on the left.

    Shape:
        - Input: `(B, in_channels, F)`; output: `(B, out_channels, F * stride)`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        causal: bool = False,
        norm: Norm = "none",
    ) -> None:
        weight = torch.empty(in_channels, out_channels, kernel_size)
        super().__init__(weight, out_channels * kernel_size, out_channels, causal, norm)
        self.out_channels, self.kernel_size, self.stride = out_channels, kernel_size, stride
        self.surplus = kernel_size - stride
        if self.surplus < 0:
            raise ValueError(f"stride {stride} leaves gaps: the kernel has only {kernel_size} taps")

    def forward(self, x: Tensor) -> Tensor:
        y = self._spread(x, self.bias)
        y = y if self.norm is None else self.norm(y)
        left = 0 if self.causal else self.surplus - self.surplus // 2
        return y[..., left : left + x.shape[-1] * self.stride]

    def _arrange(self, weight: Tensor) -> Tensor:
        if self.kernel_size % self.stride:
            return weight
        return last.upsampling_weight(weight, self.stride)

    def _spread(self, x: Tensor, bias: Tensor) -> Tensor:
        """The whole convolution `(B, out_channels, (F - 1) * stride + kernel_size)`."""
        weight, stride, taps = self.effective_weight(), self.stride, self.kernel_size
        if not infers_on_cpu(x):
            return F.conv_transpose1d(x, weight, bias, stride=stride)
        if taps % stride:
            return F.conv_transpose1d(x, self._like(x, weight), bias.to(x.dtype), stride=stride)
        weight, bias = self._like(x, weight), bias.to(x.dtype).repeat(stride)
        y = last.conv1d(x, weight, bias, stride=1, dilation=1, padding=taps // stride - 1)
        # The outputs of a frame lie sample after sample in memory: apart, they are the samples.
        return y.transpose(1, 2).reshape(x.shape[0], -1, self.out_channels).transpose(1, 2)

    def initial_state(self, batch: int) -> list[Tensor]:
        """What earlier frames add to the next samples `(B, out_channels, surplus)`."""
        self.require_streamable()
        return [self.bias.new_zeros(batch, self.out_channels, self.surplus)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Convolve `(B, in_channels, n)` to `(B, out_channels, n * stride)`.

        The bias is added to finished samples only: overlapping frames would count it twice.
        """
        y = self._spread(x, torch.zeros_like(self.bias))
        if self.surplus:
            y[..., : self.surplus] += state[0]
        ready = x.shape[-1] * self.stride
        return y[..., :ready] + self.bias[:, None], [y[..., ready:]]
