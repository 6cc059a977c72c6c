"""Reading the checkpoints of the published RAVE code, tensors only.

Their names follow the order of the layers, and so do ours: each part is matched in order, and every
shape is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.rave_v1 import EncoderV1
from .dac_layouts import read_tensors
from .rave import RAVE
from .rave_config import RAVEConfig

__all__ = ["convert_published", "fits", "read_published"]

WEIGHTS = (
    "weight_g",
    "weight_v",
    "weight",
    "bias",
    "alpha",
    "running_mean",
    "running_var",
    "num_batches_tracked",
)
"""Last parts of the names that are read; caches, statistics and counters are not."""


def read_published(path: str | Path, config: RAVEConfig) -> RAVE:
    """Build a codec from a `.ckpt` of the published code, in eval mode.

    Args:
        path: the file.
        config: what its `config.gin` says, such as `rave_v2()`; centred models only.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds more than tensors and plain values, or does not fit the config.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a RAVE checkpoint")
    state = read_tensors(path).get("state_dict")
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} has no `state_dict`: expected a checkpoint of a RAVE training")
    return convert_published(state, config, path)


def convert_published(state: Mapping[str, Tensor], config: RAVEConfig, path: str | Path) -> RAVE:
    """Build a codec from the state dict of the published model, in eval mode.

    Args:
        state: its tensors by name.
        config: what it was trained with.
        path: where they are from, for messages.

    Raises:
        ValueError: a discrete, causal or hybrid model, or tensors that do not fit the config.
    """
    if config.regularizer == "discrete" or config.network.causal or config.mel is not None:
        raise ValueError(
            f"{path}: discrete, causal and hybrid checkpoints of the published code cannot be "
            "read: their codebooks, padding and spectrograms are others"
        )
    model = RAVE(config).eval()
    for network, tensors, where in _parts(model, state, path):
        for target, tensor in _matched(network, tensors, where):
            target.copy_(tensor)
    return model


def fits(state: Mapping[str, Tensor], config: RAVEConfig) -> bool:
    """Whether the tensors have the sizes that a config asks for; no memory is taken for it."""
    with torch.device("meta"):
        model = RAVE(config)
    try:
        for part in _parts(model, state, "the checkpoint"):
            _matched(*part)
    except ValueError:
        return False
    return True


def _parts(
    model: RAVE, state: Mapping[str, Tensor], path: str | Path
) -> list[tuple[nn.Module, list[Tensor], str]]:
    """The networks, the tensors for each in order, and what to call it."""
    head = _tensors(state, "encoder.encoder.")
    if isinstance(model.encoder.network, EncoderV1) and head:
        count = model.encoder.bottleneck.expansion
        head = [*head[:-1], *head[-1].chunk(count)]  # one grouped convolution, for us one a group
    body = _tensors(state, "decoder.net.")
    heads = [_tensors(state, f"decoder.synth.branches.{n}.") for n in range(3)]
    heads += [_tensors(state, f"decoder.{name}_module.") for name in ("waveform", "noise")]
    tail = [tensor for part in heads for tensor in part]
    return [
        (model.encoder.network, head, f"the encoder in {path}"),
        (model.decoder.network, body + tail, f"the decoder in {path}"),
    ]


def _tensors(state: Mapping[str, Tensor], prefix: str) -> list[Tensor]:
    return [
        tensor
        for name, tensor in state.items()
        if name.startswith(prefix) and name.rsplit(".", 1)[-1] in WEIGHTS
    ]


def _matched(network: nn.Module, theirs: list[Tensor], where: str) -> list[tuple[Tensor, Tensor]]:
    """Each weight of a network and the tensor for it, in the order in which both were built."""
    ours = {
        name: value
        for name, value in network.state_dict().items()
        if not name.endswith(("statistics", "counts"))
    }
    if len(theirs) != len(ours):
        raise ValueError(f"{where} has {len(theirs)} tensors, the config asks for {len(ours)}")
    pairs = []
    for (name, target), tensor in zip(ours.items(), theirs, strict=True):
        if name.endswith("alpha"):
            tensor = tensor.reshape(1, -1, 1)
        if tensor.shape != target.shape:
            raise ValueError(
                f"{where} does not fit the config: {name} must be {tuple(target.shape)}, "
                f"got {tuple(tensor.shape)}"
            )
        pairs.append((target, tensor))
    return pairs
