"""Reading DAC weights that others wrote.

Two layouts: that of `transformers` (`config.json` and safetensors, as descript/dac_44khz), whose
weight norm is folded or not, and the original `.pth` (`state_dict`, and `metadata` with the
constructor's arguments). Layer numbers are ours in the original, names stand for them in the other.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ConfigError, load_json
from ..hub import CONFIG, read_weights
from ..networks.dac import DACNetworkConfig
from .dac import DACConfig

__all__ = [
    "convert_transformers",
    "is_transformers_layout",
    "read_original",
    "read_tensors",
    "read_transformers",
    "rename_named",
    "rename_numbered",
    "split_folded",
]

NO_PICKLE = (pickle.UnpicklingError, LookupError, TypeError, ValueError, AttributeError)
"""What reading a file raises that is no pickle, or a damaged one."""
_NUMBERED = re.compile(r"(?P<path>(?:encoder|decoder)(?:\.(?:block|model|layers)\.\d+)+)\.(\w.*)")
_NAMED = re.compile(
    r"(encoder|decoder)\.(?:block\.(\d+)\.)?(?:res_unit(\d)\.)?(snake1|snake2|conv_t1|conv1|conv2)\.(.+)"
)
_CODEBOOK = re.compile(r"quantizer\.quantizers\.(\d+)\.(in_proj|out_proj|codebook)\.(.+)")
_PARAMETERS = {
    "weight_g": "weight.g",
    "weight_v": "weight.v",
    "parametrizations.weight.original0": "weight.g",
    "parametrizations.weight.original1": "weight.v",
}
_OF_UNIT = {"snake1": 0, "conv1": 1, "snake2": 2, "conv2": 3}
_OF_BLOCK = {"encoder": {"snake1": 3, "conv1": 4}, "decoder": {"snake1": 0, "conv_t1": 1}}
_FIRST_UNIT = {"encoder": 0, "decoder": 2}


def is_transformers_layout(folder: Path) -> bool:
    """Whether the folder's `config.json` is that of a transformers DAC."""
    if not (folder / CONFIG).is_file():
        return False
    data = load_json(folder / CONFIG)
    return isinstance(data, dict) and data.get("model_type") == "dac"


def read_transformers(folder: Path) -> tuple[DACConfig, dict[str, Tensor]]:
    """Config and weights of a folder in the transformers layout.

    Raises:
        ConfigError: a setting that this DAC does not have.
        ValueError: unknown weights, or a pickle.
    """
    return convert_transformers(load_json(folder / CONFIG), read_weights(folder), folder / CONFIG)


def convert_transformers(
    data: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
) -> tuple[DACConfig, dict[str, Tensor]]:
    """Config and weights from those of a transformers `DacModel`.

    Raises:
        ConfigError: a setting that this DAC does not have.
        ValueError: unknown weights.
    """
    strides = tuple(data.get("downsampling_ratios", (2, 4, 8, 8)))
    config = _config(
        str(path),
        strides=strides,
        upsampling=tuple(data.get("upsampling_ratios", strides[::-1])),
        encoder_width=data.get("encoder_hidden_size", 64),
        decoder_width=data.get("decoder_hidden_size", 1536),
        latent_dim=data.get("hidden_size"),
        num_codebooks=data.get("n_codebooks", 9),
        codebook_size=data.get("codebook_size", 1024),
        code_dim=data.get("codebook_dim", 8),
        dropout=data.get("quantizer_dropout", 0.0),
        sample_rate=data.get("sampling_rate", 16_000),
    )
    return config, _rename(weights, len(strides), rename_named)


def read_original(path: Path) -> tuple[DACConfig, dict[str, Tensor]]:
    """Config and weights of an original `.pth` file.

    Raises:
        ConfigError: a setting that this DAC does not have.
        ValueError: the file holds other objects than tensors and settings, or no DAC.
    """
    data = read_tensors(path)
    state = data.get("state_dict")
    metadata = data.get("metadata")
    given = metadata.get("kwargs") if isinstance(metadata, dict) else None
    if not isinstance(state, dict) or not isinstance(given, dict):
        raise ValueError(f"{path} must hold `state_dict` and `metadata.kwargs`, as a DAC's does")
    strides = tuple(given.get("encoder_rates", (2, 4, 8, 8)))
    config = _config(
        str(path),
        strides=strides,
        upsampling=tuple(given.get("decoder_rates", (8, 8, 4, 2))),
        encoder_width=given.get("encoder_dim", 64),
        decoder_width=given.get("decoder_dim", 1536),
        latent_dim=given.get("latent_dim"),
        num_codebooks=given.get("n_codebooks", 9),
        codebook_size=given.get("codebook_size", 1024),
        code_dim=given.get("codebook_dim", 8),
        dropout=given.get("quantizer_dropout", 0.0),
        sample_rate=given.get("sample_rate", 44_100),
    )
    return config, _rename(state, len(strides), rename_numbered)


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a dictionary of tensors and plain values that torch saved; nothing else is unpickled.

    Raises:
        ValueError: the file holds other objects, or is damaged.
    """
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (*NO_PICKLE, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} holds more than tensors, or is damaged. Unpickling anything but tensors could "
            "run code, so it is refused."
        ) from error
    if not isinstance(data, dict):
        raise ValueError(f"{path} must hold a dictionary, got {type(data).__name__}")
    return data


def rename_numbered(name: str, num_blocks: int) -> str | None:
    """Our name for a weight of encoder or decoder whose layers are numbered, else None."""
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return None
    path = re.sub(r"\.(block|model)\.", ".layers.", match["path"])
    return f"{path}.{_PARAMETERS.get(match[2], match[2])}"


def rename_named(name: str, num_blocks: int) -> str | None:
    """Our name for one whose layers have names, as in transformers and diffusers, else None."""
    match = _NAMED.fullmatch(name)
    if match is None:
        return None
    side, block, unit, layer, parameter = match.groups()
    if block is None:
        places: dict[str, int] = {"conv1": 0, "snake1": num_blocks + 1, "conv2": num_blocks + 2}
        inside = [places.get(layer)] if unit is None else [None]
    elif unit is None:
        inside = [int(block) + 1, _OF_BLOCK[side].get(layer)]
    else:
        inside = [int(block) + 1, _FIRST_UNIT[side] + int(unit) - 1, _OF_UNIT.get(layer)]
    if None in inside:
        return None
    path = ".".join(f"layers.{index}" for index in inside)
    return f"{side}.{path}.{_PARAMETERS.get(parameter, parameter)}"


def _rename(
    weights: Mapping[str, Any], num_blocks: int, rename: Callable[[str, int], str | None]
) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if match := _CODEBOOK.fullmatch(name):
            parameter = _PARAMETERS.get(match[3], match[3])
            layer = "entries" if match[2] == "codebook" else f"{match[2]}.{parameter}"
            ours: str | None = f"quantizer.codebooks.{match[1]}.{layer}"
        else:
            ours = rename(name, num_blocks)
        if ours is None or not isinstance(tensor, Tensor):
            raise ValueError(f"`{name}` is no weight of a DAC")
        renamed |= split_folded(ours, tensor)
    return renamed


def split_folded(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """A tensor under its name, or a weight without weight norm as norm and value."""
    if not name.endswith(".weight"):
        return {name: tensor}
    norm = torch.linalg.vector_norm(tensor, dim=(1, 2), keepdim=True)
    # A filter of zeros has no direction: any will do, its length stays 0.
    return {f"{name}.g": norm, f"{name}.v": torch.where(norm > 0, tensor, 1.0)}


def _config(
    path: str,
    *,
    strides: tuple[int, ...],
    upsampling: tuple[int, ...],
    encoder_width: int,
    decoder_width: int,
    latent_dim: int | None,
    num_codebooks: int,
    codebook_size: int,
    code_dim: int,
    dropout: float,
    sample_rate: int,
) -> DACConfig:
    """Our config; `decoder_width` is the one at the bottom, halved by each stride."""
    numbers = (*strides, encoder_width, decoder_width, num_codebooks, codebook_size, code_dim)
    if not all(type(number) is int for number in numbers):
        raise ConfigError(
            f"{path}: strides, widths and the codebooks' sizes must be whole numbers, the same for "
            f"all codebooks; got {numbers}"
        )
    if upsampling != strides[::-1]:
        raise ConfigError(
            f"{path}: the decoder's strides must be {strides[::-1]}, the encoder's backwards, "
            f"got {upsampling}"
        )
    growth = 2 ** len(strides)
    if decoder_width % growth:
        raise ConfigError(
            f"{path}: the decoder's width must be a multiple of {growth}, got {decoder_width}"
        )
    network = DACNetworkConfig(
        latent_dim=encoder_width * growth if latent_dim is None else latent_dim,
        encoder_width=encoder_width,
        decoder_width=decoder_width // growth,
        strides=strides,
        multiples=tuple(2 ** (i + 1) for i in range(len(strides))),
    )
    return DACConfig(
        sample_rate=sample_rate,
        network=network,
        num_codebooks=num_codebooks,
        codebook_size=codebook_size,
        code_dim=code_dim,
        quantizer_dropout=float(dropout),
    )
