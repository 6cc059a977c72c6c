"""Encoding long audio by SEANet in constant memory, equal to encoding it at once.

The convolutions before the LSTM see a finite stretch of audio: they run over windows that overlap
by that stretch. The LSTM goes on from its state. The convolution after it runs over windows of
its output again. This holds for causal and centred networks and either padding, since windows
begin and end where the recording does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import torch
from torch import Tensor, nn

from ..networks.seanet import ResidualUnit, SEANetEncoder
from ..nn.conv import Conv1d
from ..nn.lstm import ResidualLSTM

__all__ = ["encode_windows", "reach"]


def reach(layers: list[nn.Module]) -> int:
    """Input samples that an output of convolutions and residual units depends on."""
    samples, hop = 1, 1
    for layer in layers:
        inner = list(layer.block) if isinstance(layer, ResidualUnit) else [layer]
        for conv in inner:
            if isinstance(conv, Conv1d):
                samples += (conv.padding + conv.stride - 1) * hop
                hop *= conv.stride
    return samples


def encode_windows(
    encoder: SEANetEncoder,
    hop: int,
    read: Callable[[int, int], Tensor],
    num_samples: int,
    frames_at_once: int,
) -> Iterator[Tensor]:
    """Encode samples `(C, count)` that `read(start, count)` gives.

    Yields:
        Consecutive latents `(1, D, f)`; joined they are the encoding of the whole.
    """
    layers = list(encoder.layers)
    split = next((i for i, x in enumerate(layers) if isinstance(x, ResidualLSTM)), len(layers))
    pieces = _windows(layers[:split], hop, read, num_samples, frames_at_once)
    if split == len(layers):
        yield from pieces
    else:
        through = _recur(cast(ResidualLSTM, layers[split]), pieces)
        yield from _overlap(layers[split + 1 :], through, -(-num_samples // hop))


def _windows(
    layers: list[nn.Module],
    hop: int,
    read: Callable[[int, int], Tensor],
    num_samples: int,
    frames_at_once: int,
) -> Iterator[Tensor]:
    """Run convolutions over windows that reach beyond the wanted frames on both sides."""
    network, context = nn.Sequential(*layers), -(-reach(layers) // hop)
    total = -(-num_samples // hop)
    for start in range(0, total, frames_at_once):
        stop, first = min(start + frames_at_once, total), max(0, start - context)
        end = min(num_samples, (stop + context) * hop)
        window = network(read(first * hop, end - first * hop)[None])
        yield window[..., start - first : stop - first]


def _recur(lstm: ResidualLSTM, pieces: Iterator[Tensor]) -> Iterator[Tensor]:
    """Run the LSTM piece by piece."""
    state = lstm.initial_state(1)
    for piece in pieces:
        y, state = lstm.step(piece, state)
        yield y


def _overlap(layers: list[nn.Module], pieces: Iterator[Tensor], total: int) -> Iterator[Tensor]:
    """Run convolutions over consecutive pieces, `total` frames in all.

    `held` are the frames from `start` on that are still needed; `done` frames have been yielded.
    """
    network, context = nn.Sequential(*layers), reach(layers)
    held, start, done = next(pieces), 0, 0
    while done < total:
        end = start + held.shape[-1]
        ready = end if end == total else end - context
        if ready > done:
            whole = network(held.clone())  # activations work in place
            yield whole[..., done - start : ready - start]
            kept = max(start, ready - context)
            held, start, done = held[..., kept - start :], kept, ready
        if end < total:
            held = torch.cat([held, next(pieces)], dim=-1)
