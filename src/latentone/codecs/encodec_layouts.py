"""Reading EnCodec weights that others wrote.

Two layouts: that of `transformers` (`config.json` and safetensors, as facebook/encodec_24khz,
_32khz and _48khz), and the original flat state dict (`encodec_24khz-d7cc33bc.th`, or a training
export that holds one under `best_state`). Layer numbers agree in all of them, names do not.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ConfigError, load_json
from ..hub import CONFIG, read_weights
from ..networks.seanet import SEANetConfig
from .encodec_config import (
    EnCodecConfig,
    encodec_16khz,
    encodec_24khz,
    encodec_32khz,
    encodec_48khz,
)

__all__ = [
    "convert_transformers",
    "is_transformers_layout",
    "read_original",
    "read_transformers",
]

_LAYER = re.compile(r"(encoder|decoder)\.(?:layers|model)\.(\d+\.(?:block\.\d+\.|shortcut\.)?)(.+)")
_WRAPPERS = re.compile(r"(?:conv\.|convtr\.|norm\.(?=norm\.))+")
_CODEBOOK = re.compile(r"quantizer\.(?:vq\.)?layers\.(\d+)\.(?:_codebook|codebook)\.(\w+)")
_PARAMETERS = {
    "weight_g": "weight.g",
    "weight_v": "weight.v",
    "parametrizations.weight.original0": "weight.g",
    "parametrizations.weight.original1": "weight.v",
}


def is_transformers_layout(folder: Path) -> bool:
    """Whether the folder's `config.json` is that of a transformers EnCodec."""
    if not (folder / CONFIG).is_file():
        return False
    data = load_json(folder / CONFIG)
    return isinstance(data, dict) and data.get("model_type") == "encodec"


def read_transformers(folder: Path) -> tuple[EnCodecConfig, dict[str, Tensor]]:
    """Config and weights of a folder in the transformers layout.

    Raises:
        ConfigError: a setting that this EnCodec does not have.
        ValueError: unknown weights, or a pickle.
    """
    return convert_transformers(load_json(folder / CONFIG), read_weights(folder), folder / CONFIG)


def convert_transformers(
    data: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path
) -> tuple[EnCodecConfig, dict[str, Tensor]]:
    """Config and weights from those of a transformers `EncodecModel`, which a MusicGen contains.

    Args:
        data: its config.
        weights: its state dict.
        path: where they are from, for messages.

    Raises:
        ConfigError: a setting that this EnCodec does not have.
        ValueError: unknown weights.
    """
    config = _config(data, str(path))
    return config, _rename(weights, normed=config.seanet.norm == "weight_norm")


def read_original(
    path: Path, config: EnCodecConfig | None = None
) -> tuple[EnCodecConfig, dict[str, Tensor]]:
    """Config and weights of an original `.th` file.

    The file holds no config: without one, it is that published config whose tensors have the
    same names and shapes (with reflect padding, which the published models use).

    Raises:
        ValueError: the file holds more than tensors, or fits no published config.
    """
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} holds more than tensors, or is damaged. Unpickling anything but tensors could "
            "run code, so it is refused."
        ) from error
    if isinstance(data, dict) and isinstance(data.get("best_state"), dict):
        data = data["best_state"]
    if not isinstance(data, dict) or not all(isinstance(v, Tensor) for v in data.values()):
        raise ValueError(f"{path} must hold a flat state dict of tensors")
    if config is None:
        published = (encodec_24khz, encodec_48khz, encodec_32khz, encodec_16khz)
        config = next((c for make in published if _fits(c := make("reflect"), data)), None)
    if config is None:
        raise ValueError(
            f"the tensors of {path} fit no published EnCodec: "
            "give the config to EnCodec.from_original"
        )
    return config, _rename(data, normed=config.seanet.norm == "weight_norm")


def _fits(config: EnCodecConfig, data: Mapping[str, Tensor]) -> bool:
    """Whether what tells the published configs apart is that of `config`."""
    seanet = config.seanet
    sizes = {name: tuple(tensor.shape) for name, tensor in data.items()}
    kernels = [
        shape[-1]
        for name, shape in sizes.items()
        if ".convtr.convtr.weight" in name and len(shape) == 3 and shape[-1] > 1
    ]
    found = (
        sizes.get("encoder.model.0.conv.conv.bias"),
        sizes.get("decoder.model.15.conv.conv.bias"),
        sizes.get(f"quantizer.vq.layers.{config.num_codebooks - 1}._codebook.embed"),
        "encoder.model.0.conv.norm.weight" in sizes,
        "encoder.model.1.shortcut.conv.conv.bias" in sizes,
        kernels,
    )
    return found == (
        (seanet.num_filters,),
        (seanet.channels,),
        (config.codebook_size, seanet.latent_dim),
        seanet.norm == "time_group_norm",
        seanet.conv_shortcut,
        [2 * ratio for ratio in seanet.ratios],
    )


def _rename(weights: Mapping[str, Tensor], *, normed: bool) -> dict[str, Tensor]:
    """Our names for either layout; with `normed`, plain weights are split into norm and value."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if match := _CODEBOOK.fullmatch(name):
            is_flag = match[2] == "inited"
            value = tensor.reshape(-1)[0].bool() if is_flag else tensor
            renamed[f"quantizer.codebooks.{match[1]}.{match[2]}"] = value
        elif match := _LAYER.fullmatch(name):
            parameter = _WRAPPERS.sub("", match[3], count=1) if "lstm" not in match[3] else match[3]
            parameter = _PARAMETERS.get(parameter, parameter)
            key = f"{match[1]}.layers.{match[2]}{parameter}"
            if normed and parameter == "weight":
                dims = tuple(range(1, tensor.dim()))
                norm = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
                renamed |= {f"{key}.g": norm, f"{key}.v": tensor}
            else:
                renamed[key] = tensor
        else:
            raise ValueError(f"`{name}` is no weight of an EnCodec")
    return renamed


def _config(data: Mapping[str, Any], path: str) -> EnCodecConfig:
    """Our config for a transformers one, whose missing fields have the 24 kHz model's values."""
    expected = {"trim_right_ratio": 1.0, "dilation_growth_rate": 2}
    if data.get("codebook_dim") is not None:
        expected["codebook_dim"] = data.get("hidden_size", 128)
    for name, value in expected.items():
        if data.get(name, value) != value:
            raise ConfigError(f"{path}: `{name}` must be {value}, got {data[name]!r}")
    seanet = SEANetConfig(
        channels=data.get("audio_channels", 1),
        latent_dim=data.get("hidden_size", 128),
        num_filters=data.get("num_filters", 32),
        ratios=tuple(data.get("upsampling_ratios", (8, 5, 4, 2))),
        num_residual_layers=data.get("num_residual_layers", 1),
        num_lstm_layers=data.get("num_lstm_layers", 2),
        kernel_size=data.get("kernel_size", 7),
        last_kernel_size=data.get("last_kernel_size", 7),
        residual_kernel_size=data.get("residual_kernel_size", 3),
        compress=data.get("compress", 2),
        conv_shortcut=data.get("use_conv_shortcut", True),
        causal=data.get("use_causal_conv", True),
        norm=data.get("norm_type", "weight_norm"),
        pad_mode=data.get("pad_mode", "reflect"),
    )
    config = EnCodecConfig(
        sample_rate=data.get("sampling_rate", 24_000),
        seanet=seanet,
        num_codebooks=1,
        codebook_size=data.get("codebook_size", 1024),
        segment_seconds=data.get("chunk_length_s"),
        overlap=data.get("overlap") or 0.0,
        normalize=data.get("normalize", False),
    )
    counts = _codebooks(config, data.get("target_bandwidths", (1.5, 3.0, 6.0, 12.0, 24.0)))
    return replace(config, num_codebooks=max(counts), codebook_choices=counts)


def _codebooks(config: EnCodecConfig, bandwidths: Iterable[float]) -> tuple[int, ...]:
    roomy = replace(config, num_codebooks=1024)
    return tuple(sorted({roomy.codebooks_for(bandwidth) for bandwidth in bandwidths}))
