"""What is inside a codec and its discriminator at one moment: numbers that are no scalars.

`code_health`, `latent_health` and `score_health` give JSON values that `metrics.jsonl` keeps under
`health` and the report draws: codebook by codebook, dimension by dimension, score by score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..nn.bottlenecks import KLBottleneck, normal_kl
from ..nn.quantize import EMACodebook
from ..nn.quantizer import CodeUse
from .score_picture import score_shares

__all__ = ["code_health", "divergences", "latent_health", "score_health"]

BINS = 40


@torch.no_grad()
def code_health(codec: nn.Module) -> dict[str, list[float]]:
    """How each codebook of a codec is used, by its running use.

    Returns:
        `use`, the share of live codes, `perplexity`, as many evenly used codes, and `size`, an
        entry a codebook, in the order of the modules; nothing for a codec without codebooks.
    """
    use, perplexity, size = [], [], []
    for module in codec.modules():
        if isinstance(module, EMACodebook):
            use.append(1 - float(module.dead().float().mean()))
            perplexity.append(float(module.perplexity()))
            size.append(float(module.size))
        elif isinstance(module, CodeUse):
            use += [1 - float(gone.float().mean()) for gone in module.dead()]
            shares = [row / row.sum() for row in module.uses.split(module.vocab)]
            perplexity += [float(torch.special.entr(share).sum().exp()) for share in shares]
            size += [float(entries) for entries in module.vocab]
    return {"use": use, "perplexity": perplexity, "size": size} if use else {}


@contextmanager
def divergences(codec: nn.Module) -> Iterator[list[Tensor]]:
    """Gather what each KL bottleneck of a codec says while it runs inside the context.

    The list holds, an entry a pass, the divergence from the prior in nats per frame of each
    channel `(D,)`, averaged over batch and time: the addends of the penalty `kl`.
    """
    found: list[Tensor] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        assert isinstance(module, KLBottleneck)
        found.append(normal_kl(*module.distribution(inputs[0])).mean(dim=(0, 2)))

    hooks = [m.register_forward_hook(note) for m in codec.modules() if isinstance(m, KLBottleneck)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def latent_health(latents: Tensor, per_channel: Sequence[Tensor] = ()) -> dict[str, list[float]]:
    """Spread of each dimension of latents `(B, D, F)`, and what it says where that is known.

    Args:
        latents: without noise.
        per_channel: of `divergences`.

    Returns:
        `std` over batch and time, and `kl` in nats per frame where there is a KL bottleneck.
    """
    found = {"std": latents.float().std(dim=(0, 2), correction=0).tolist()}
    if per_channel:
        found["kl"] = torch.stack(list(per_channel)).mean(0).tolist()
    return found


@torch.no_grad()
def score_health(real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Any]:
    """Histograms of a discriminator's scores of real and of generated sound on one scale.

    Returns:
        `low` and `high`, the ends of the scale, and the shares of `real` and `fake` in 40 equal
        steps between them; every discriminator counts alike.
    """
    low, high, shares = score_shares(real, fake, BINS)
    return {"low": low, "high": high, "real": shares[0].tolist(), "fake": shares[1].tolist()}
