"""Decoding in bfloat16 on a CPU: the products at twice the rate and half the memory of fp32.

Only networks change their precision: filter banks, quantisers, recurrent layers, weights, files and
fingerprints stay as they are. It pays on processors that multiply bfloat16 (AVX512-BF16, AMX) and
needs no compiler. docs/speed.md says what it costs in sound.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..nn.conv import infers_on_cpu
from .base import Codec

__all__ = ["fast_mode"]


def fast_mode(codec: Codec, *, encoder: bool = False) -> list[Any]:
    """Let a codec decode in bfloat16 from now on, when it infers on a CPU.

    Training, other devices and `step` go on in fp32.

    Args:
        codec: changed in place.
        encoder: whether it encodes that way too. Its latents and codes then differ a little from
            those of its fingerprint: right for listening, wrong for a latent store.

    Returns:
        Handles; `handle.remove()` on each ends it.

    Raises:
        ValueError: the codec has no network that computes.
    """
    networks = codec.networks()
    parts = [networks[name] for name in ("decoder", "encoder")[: 1 + encoder] if name in networks]
    if not parts:
        raise ValueError(f"{type(codec).__name__} has no learned decoder to speed up")
    handles: list[Any] = []
    for part in parts:
        handles.append(part.register_forward_pre_hook(_lower))
        handles.append(part.register_forward_hook(_raise))
    return handles


def _lower(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    x = inputs[0]
    lower = infers_on_cpu(x) and x.dtype == torch.float32
    return (x.to(torch.bfloat16) if lower else x, *inputs[1:])


def _raise(_: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output.float() if inputs[0].dtype == torch.bfloat16 else output
