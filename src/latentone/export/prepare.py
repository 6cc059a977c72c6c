"""What every export does first: a copy of the codec that is one plain computation.

Tracing and exporting record what runs with gradients enabled: the ways that are only faster on a
CPU without them (`nn/channels_last.py`) decide by lengths, and would fix those.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .. import __version__
from ..codecs.base import Codec
from ..codecs.mel import GriffinLimDecoder
from ..codecs.streaming import stream_spec
from ..networks.noise import NoiseBranch
from ..nn.weight_norm import WeightNorm

__all__ = [
    "MOST_TIES",
    "TOLERANCE",
    "describe",
    "exportable",
    "first_line",
    "has_chance",
    "hop_length",
    "recording",
    "require_exportable",
    "set_noise",
]


TOLERANCE = 1e-4
"""Of what is written, relative to the largest value of the codec's own output."""
MOST_TIES = 0.02
"""Share of codes that may differ: near ties fall either way."""


def exportable(codec: Codec, *, without: str | None = None) -> Codec:
    """A copy in eval mode on the CPU whose weights are what the layers multiply by.

    Args:
        codec: left as it is.
        without: a part that the copy lacks, since an export keeps all weights that it can see;
            distances, which only training needs, it lacks anyway.
    """
    made = copy.deepcopy(codec).cpu().float().eval()
    for name in {without, "distance"} & set(dict(made.named_children())):
        delattr(made, str(name))
    for module in list(made.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, WeightNorm):
                weight = child().detach().clone()
                delattr(module, name)
                module.register_parameter(name, nn.Parameter(weight))
    return made.requires_grad_(False)


def hop_length(codec: Codec) -> int:
    """Samples that one more frame decodes to."""
    return codec.num_samples(2) - codec.num_samples(1)


def has_chance(codec: Codec) -> bool:
    """Whether decoding draws noise: a noise branch, or noise channels beside the latents."""
    decoder = getattr(codec, "decoder", None)
    branch = any(isinstance(module, NoiseBranch) for module in codec.modules())
    return branch or getattr(decoder, "noise_channels", 0) > 0


def set_noise(codec: Codec, noisy: bool) -> None:
    """Switch the noise of a decoder, where it has some."""
    decoder: Any = getattr(codec, "decoder", None)
    if hasattr(decoder, "noisy"):
        decoder.noisy = noisy


def require_exportable(codec: Codec) -> None:
    """Refuse what one graph cannot hold.

    Raises:
        ValueError: names what is in the way, and what to do.
    """
    more = sorted(set(codec.stream_specs()) - {"acoustic"})
    kind = type(codec).__name__
    if more:
        raise ValueError(
            f"this {kind} writes {', '.join(more)} beside its codes, segment by segment, which a "
            "file of one input and one output cannot carry; export one without normalisation and "
            "segments, such as EnCodec's 24khz recipe"
        )
    if any(isinstance(module, GriffinLimDecoder) for module in codec.modules()):
        raise ValueError(
            "Griffin-Lim searches for phases and is no network to export; train a vocoder, such as "
            "`latentone train hifigan`, and export that"
        )
    if not codec.networks():
        raise ValueError(
            f"{kind} has no network to export: what it computes is a formula (docs/systems)"
        )


def describe(codec: Codec) -> dict[str, str]:
    """What an exported file says of itself, under `latentone.*`."""
    spec = codec.latent
    facts: dict[str, object] = {
        "version": __version__,
        "codec": type(codec).__name__,
        "sample_rate": codec.source.sample_rate,
        "channels": codec.source.channels,
        "hop_length": hop_length(codec),
        "frame_rate": codec.frame_rate,
        "latents": spec.kind,
        "latent_dim": codec.latent_dim,
        "vocab": list(spec.vocab),
        "fingerprint": spec.fingerprint,
    }
    try:
        facts["delay_samples"] = stream_spec(codec).delay
    except ValueError:
        facts["delay_samples"] = None  # it cannot stream
    return {f"latentone.{name}": _text(value) for name, value in facts.items()}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@contextmanager
def recording(what: str) -> Iterator[None]:
    """Record with gradients enabled, without the tracers' remarks on what they take as fixed.

    Args:
        what: is recorded, for messages.

    Raises:
        RuntimeError: PyTorch cannot; the first line of its reasons.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, AssertionError) as error:
        raise RuntimeError(
            f"PyTorch cannot write {what} as one graph: {first_line(error)}"
        ) from error
    finally:
        logging.disable(level)


def first_line(error: Exception) -> str:
    """What an error says first, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip() or type(error).__name__
    return text.splitlines()[0]
