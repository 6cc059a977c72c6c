"""What takes part in what: the inputs that outputs of RAVE's networks and filter bank depend on.

Batch normalisation and recurrent layers aside: these know of all sound, or of all before.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from ..dsp.pqmf import PQMF
from ..nn.conv import Conv1d, ConvTranspose1d
from .noise import NoiseBranch, SkippingConv1d
from .rave_layers import CentredConv1d, Residual
from .rave_mel import MelFront
from .rave_v1 import DecoderV1, Heads
from .rave_v2 import DecoderV2

__all__ = ["Span", "front_reach", "reach", "synthesis_reach"]

Span = tuple[int, int]
"""First and last index; an input may lie before the beginning, or behind the end."""


def reach(module: nn.Module, wanted: Span) -> Span:
    """The inputs that outputs of `module` depend on; layers that are not known are pointwise.

    Args:
        module: a network, or a layer of one.
        wanted: outputs.
    """
    first, last = wanted
    if isinstance(module, Conv1d):
        left, stride = _left(module), module.stride
        return first * stride - left, last * stride - left + module.padding + stride - 1
    if isinstance(module, ConvTranspose1d):
        # Before the trim, frame f adds to the outputs f stride ... f stride + kernel_size - 1.
        trim = 0 if module.causal else module.surplus - module.surplus // 2
        lowest = first + trim - module.kernel_size + 1
        return -(-lowest // module.stride), (last + trim) // module.stride
    if isinstance(module, SkippingConv1d):
        at = first * module.stride + module.first, last * module.stride + module.first
        return reach(module.conv, at)
    if isinstance(module, Residual):
        return _hull([wanted, reach(module.layers, wanted)])
    if isinstance(module, Heads):
        return _hull(reach(head, wanted) for head in module.heads)
    if isinstance(module, NoiseBranch):
        return reach(module.layers, (first // module.length, last // module.length))
    if isinstance(module, DecoderV1 | DecoderV2):
        ends = [module.wave, module.noise, getattr(module, "loudness", None)]
        return reach(module.body, _hull(reach(end, wanted) for end in ends if end is not None))
    if isinstance(module, nn.Sequential):
        for layer in reversed(list(module)):
            wanted = reach(layer, wanted)
    return wanted


def front_reach(front: PQMF | MelFront, wanted: Span) -> Span:
    """The samples that frames of what an encoder hears depend on: band values, or mel frames."""
    if isinstance(front, MelFront):
        # The Hann window begins with a zero.
        hop, before, behind = front.hop_length, front.before - 1, front.behind
    else:
        hop, (before, behind) = front.num_bands, _taps(front)
    return wanted[0] * hop - before, wanted[1] * hop + behind


def synthesis_reach(bank: PQMF, wanted: Span) -> Span:
    """The band values that samples depend on: those that hear them, since it is the transpose."""
    before, behind = _taps(bank)
    return -(-(wanted[0] - behind) // bank.num_bands), (wanted[1] + before) // bank.num_bands


def _taps(bank: PQMF) -> Span:
    """How many samples a band value hears before its own, and behind it."""
    return bank.inverse_latency, bank.num_taps - 1 - bank.inverse_latency


def _left(layer: Conv1d) -> int:
    """The padding before the first sample."""
    if isinstance(layer, CentredConv1d):
        return (layer.padding + layer.stride - 1) // 2
    return layer.padding - (0 if layer.causal else layer.padding // 2)


def _hull(spans: Iterable[Span]) -> Span:
    firsts, lasts = zip(*spans, strict=True)
    return min(firsts), max(lasts)
