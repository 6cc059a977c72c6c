"""Reading Oobleck weights that others wrote.

Two layouts: that of `diffusers` (`config.json` and `diffusion_pytorch_model.safetensors`, as `vae/`
in stabilityai/stable-audio-open-1.0), and that of stable-audio-tools, a `.ckpt` or `.safetensors`
whose layers are numbered as ours, alone or inside a whole model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..config import ConfigError, load_json
from ..hub import CONFIG, read_weights
from ..networks.dac import DACNetworkConfig
from .dac_layouts import read_tensors, rename_named, rename_numbered, split_folded
from .oobleck import OobleckConfig

__all__ = [
    "convert_diffusers",
    "is_diffusers_layout",
    "is_stable_audio",
    "read_diffusers",
    "read_stable_audio",
]

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"
_INSIDE = re.compile(r"(?:pretransform\.model\.|autoencoder\.)?((?:encoder|decoder)\.layers\..+)")


def is_diffusers_layout(folder: Path) -> bool:
    """Whether the folder's `config.json` is that of a diffusers `AutoencoderOobleck`."""
    if not (folder / CONFIG).is_file():
        return False
    data = load_json(folder / CONFIG)
    return isinstance(data, dict) and data.get("_class_name") == "AutoencoderOobleck"


def read_diffusers(folder: Path) -> tuple[OobleckConfig, dict[str, Tensor]]:
    """Config and weights of a folder in the diffusers layout.

    Raises:
        ConfigError: a setting that this Oobleck does not have.
        ValueError: unknown weights, or a pickle.
    """
    weights = read_weights(folder, DIFFUSERS_WEIGHTS)
    return convert_diffusers(load_json(folder / CONFIG), weights, folder / CONFIG)


def convert_diffusers(
    data: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
) -> tuple[OobleckConfig, dict[str, Tensor]]:
    """Config and weights from those of a diffusers `AutoencoderOobleck`.

    Raises:
        ConfigError: a setting that this Oobleck does not have.
        ValueError: unknown weights.
    """
    strides = tuple(data.get("downsampling_ratios", (2, 4, 4, 8, 8)))
    width, latent_dim = data.get("encoder_hidden_size", 128), data.get("decoder_input_channels", 64)
    if width != 2 * latent_dim:
        raise ConfigError(
            f"{path}: `encoder_hidden_size` must be {2 * latent_dim}, twice the latents, "
            f"since the encoder's last layer is as wide as its first; got {width}"
        )
    network = _network(
        channels=data.get("audio_channels", 2),
        latent_dim=latent_dim,
        encoder_width=width,
        decoder_width=data.get("decoder_channels", 128),
        strides=strides,
        multiples=tuple(data.get("channel_multiples", (1, 2, 4, 8, 16))),
    )
    config = OobleckConfig(sample_rate=data.get("sampling_rate", 44_100), network=network)
    return config, _rename(weights, len(strides), rename_named)


def is_stable_audio(path: Path) -> bool:
    """Whether a `.ckpt` or `.safetensors` file holds tensors, and those of an Oobleck.

    A file that cannot be read without unpickling objects is not looked into: it is none.
    """
    if not path.is_file() or path.suffix not in (".ckpt", ".safetensors"):
        return False
    try:
        state = _state(path)
    except ValueError:
        return False
    return "encoder.layers.1.layers.0.layers.0.beta" in state


def read_stable_audio(path: Path, sample_rate: int) -> tuple[OobleckConfig, dict[str, Tensor]]:
    """Config and weights of a stable-audio-tools file.

    All sizes follow from the tensors: a stride is half the taps of the convolution that makes it.

    Raises:
        ValueError: the file holds more than tensors, or no Oobleck.
    """
    state = _rename(_state(path), 0, rename_numbered)
    try:
        first, last = state["encoder.layers.0.weight.v"], state["decoder.layers.0.weight.v"]
        blocks = sum(bool(re.fullmatch(r"encoder\.layers\.\d+\.layers\.4\.bias", k)) for k in state)
        downs = [state[f"encoder.layers.{i + 1}.layers.4.weight.v"] for i in range(blocks)]
        end = state[f"decoder.layers.{blocks + 2}.weight.v"]
    except KeyError as error:
        raise ValueError(f"{path} holds no Oobleck: it has no {error}") from error
    network = _network(
        channels=first.shape[1],
        latent_dim=last.shape[1],
        encoder_width=first.shape[0],
        decoder_width=end.shape[1],
        strides=tuple(down.shape[2] // 2 for down in downs),
        multiples=tuple(down.shape[0] // first.shape[0] for down in downs),
        final_bias=f"decoder.layers.{blocks + 2}.bias" in state,
    )
    return OobleckConfig(sample_rate=sample_rate, network=network), state


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of encoder and decoder, under their names without what stands before them."""
    if path.suffix == ".safetensors":
        found: Any = read_weights(path.parent, path.name)
    else:
        found = read_tensors(path)
        found = found.get("state_dict", found)
    if not isinstance(found, dict):
        raise ValueError(f"`state_dict` of {path} must be a dictionary")
    matches = {name: _INSIDE.fullmatch(str(name)) for name in found}
    state = {match[1]: found[name] for name, match in matches.items() if match}
    if not state or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ValueError(f"{path} holds no Oobleck: no tensors `encoder.layers...` are in it")
    return state


def _rename(
    weights: Mapping[str, Tensor], num_blocks: int, rename: Callable[[str, int], str | None]
) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        ours = rename(name, num_blocks)
        if ours is None:
            raise ValueError(f"`{name}` is no weight of an Oobleck")
        if ours.endswith((".alpha", ".beta")):
            tensor = tensor.view(1, -1, 1)
        renamed |= split_folded(ours, tensor)
    return renamed


def _network(**sizes: Any) -> DACNetworkConfig:
    settings = {"moments": 2, "activation": "snake_beta", "final_bias": False, "final_tanh": False}
    return DACNetworkConfig(**{**settings, **sizes})
