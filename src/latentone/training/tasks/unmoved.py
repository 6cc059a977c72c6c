"""A pass through a codec in training that leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ...nn.quantizer import Quantizer

__all__ = ["unmoved"]


@contextmanager
def unmoved(codec: nn.Module) -> Iterator[None]:
    """Take back what a pass in training mode changes without a gradient.

    These are codebooks that follow running averages, start by k-means or restart their dead codes,
    the use of codes, and running statistics. All else that training mode does (draws of latents,
    of how many codebooks are heard) stays, so that a judge hears what it hears at other steps.
    Processes that go through it together stay equal.
    """
    saved = codec.state_dict(keep_vars=True)
    moving = {name: saved[name] for name, _ in codec.named_buffers() if name in saved}
    for name, module in codec.named_modules():
        parameters = module.named_parameters()
        if isinstance(module, Quantizer):
            moving |= {f"{name}.{key}": p for key, p in parameters}
    kept = [(tensor, tensor.detach().clone()) for tensor in moving.values()]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in kept:  # not by version: batch_norm does not tell what it changes
                tensor.copy_(before)
