"""Convolutions over long signals, window by window: overlap-save.

A convolution sees a finite stretch of its input, so a window that begins that much earlier and
ends that much later than what is wanted gives it exactly. Windows begin and end where the signal
does, so its edges are padded as ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import torch
from torch import Tensor, nn

from .conv import Conv1d, ConvTranspose1d, infers_on_cpu

__all__ = ["by_windows", "context", "overlap_save", "strides"]

WINDOW = 2**16
"""Samples of a window in which a CPU computes: larger ones spend their time on fresh memory, and
smaller ones on rearranging weights."""


def _convolutions(network: nn.Module) -> list[Conv1d | ConvTranspose1d]:
    return [m for m in network.modules() if isinstance(m, (Conv1d, ConvTranspose1d))]


def strides(network: nn.Module) -> tuple[int, int]:
    """By how much convolutions in a row go down in rate, and by how much up."""
    convolutions = _convolutions(network)
    down = prod(c.stride for c in convolutions if isinstance(c, Conv1d))
    return down, prod(c.stride for c in convolutions if isinstance(c, ConvTranspose1d))


def context(network: nn.Module) -> tuple[int, int]:
    """Frames before and behind a frame that it depends on.

    A frame is a position at the lowest rate: the output of a network that goes down, the input of
    one that goes up. Branches that run in parallel count one after the other, which is never too
    little; they must not change the rate.
    """
    down, up = strides(network)
    position, before, behind = up, 0, 0  # in samples at the highest rate
    for conv in _convolutions(network):
        if isinstance(conv, Conv1d):
            right = 0 if conv.causal else conv.padding // 2
            before += (conv.padding - right) * position
            mirrored = conv.pad_mode == "reflect"  # the first outputs see what lies ahead
            behind += (conv.padding - right if mirrored else right) * position
            position *= conv.stride
        else:
            left = 0 if conv.causal else conv.surplus - conv.surplus // 2
            before += -(-(conv.surplus - left) // conv.stride) * position
            behind += -(-left // conv.stride) * position
            position //= conv.stride
    return -(-before // (down * up)), -(-behind // (down * up))


def by_windows(network: nn.Module, x: Tensor) -> Tensor:
    """`network(x)`, window by window where that is faster on a CPU.

    Windows have `WINDOW` samples at the highest rate, or five times what a frame depends on.

    Args:
        network: as `overlap_save`.
        x: `(B, C, T)`.
    """
    whole: Tensor
    if not infers_on_cpu(x):  # first of all: what a graph records must not ask for lengths
        whole = network(x)
        return whole
    down, up = strides(network)
    frames = max(WINDOW // (down * up * len(x)), 5 * (1 + sum(context(network))))
    if down * up == 1 or x.shape[-1] <= frames * down:
        whole = network(x)
        return whole
    pieces = iter(x.split(frames * down, dim=-1))
    return torch.cat(list(overlap_save(network, pieces, x.shape[-1])), dim=-1)


def overlap_save(network: nn.Module, pieces: Iterator[Tensor], length: int) -> Iterator[Tensor]:
    """Run a network of convolutions over a signal that comes in pieces.

    Args:
        network: convolutions and what is pointwise in time, down in rate or up, not both.
        pieces: consecutive inputs `(B, C, n)`; each n but the last is a multiple of the stride
            by which the network goes down.
        length: of all pieces together.

    Yields:
        Consecutive outputs; joined they are the output for the whole signal.
    """
    down, up = strides(network)
    before, behind = context(network)
    held, start, done = next(pieces), 0, 0  # `held` begins at frame `start`; `done` are yielded
    while True:
        end = start * down + held.shape[-1]
        ready = -(-end // down) if end == length else end // down - behind
        if ready > done:
            whole = network(held.clone())  # activations work in place
            yield whole[..., (done - start) * up : (ready - start) * up]
            kept = max(start, ready - before)
            held, start, done = held[..., (kept - start) * down :], kept, ready
        if end == length:
            return
        held = torch.cat([held, next(pieces)], dim=-1)
