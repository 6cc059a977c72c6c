"""Reading HiFi-GAN generators that others wrote.

Two layouts: the first release's (`generator_v1` or `g_02500000`, a state dict under `generator`,
with `config.json` beside it) and that of `SpeechT5HifiGan` in transformers.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ConfigError, load_json
from ..dsp.mel import MelSpec
from ..hub import CONFIG, read_weights
from ..networks.hifigan import HiFiGANConfig
from .mel_config import MelCodecConfig, speecht5_mel

__all__ = [
    "convert_transformers",
    "find_original",
    "is_transformers_layout",
    "read_original",
    "read_transformers",
]

_LAYER = re.compile(
    r"(?:(?P<end>conv_pre|conv_post)|(?:ups|upsampler)\.(?P<up>\d+)|"
    r"resblocks\.(?P<block>\d+)\.(?P<conv>convs[12]?\.\d+))\.(?P<parameter>.+)"
)
_FILE = re.compile(r"g(enerator)?_\w+")
_PARAMETERS = {
    "weight_g": "weight.g",
    "weight_v": "weight.v",
    "parametrizations.weight.original0": "weight.g",
    "parametrizations.weight.original1": "weight.v",
    "weight": "weight",
    "bias": "bias",
}


def find_original(path: Path) -> Path | None:
    """The generator's file that `path` is or, alone, holds; None where there is no HiFi-GAN.

    Raises:
        ValueError: the folder holds several generators.
    """
    folder = path if path.is_dir() else path.parent
    if not _is_original_config(folder / CONFIG):
        return None
    if path.is_file():
        return path
    found = sorted(p for p in folder.iterdir() if p.is_file() and _FILE.fullmatch(p.name))
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise ValueError(f"{folder} holds several generators, give the path of one: {names}")
    return found[0] if found else None


def is_transformers_layout(folder: Path) -> bool:
    """Whether the folder's `config.json` is that of a transformers HiFi-GAN."""
    if not (folder / CONFIG).is_file():
        return False
    data = load_json(folder / CONFIG)
    return isinstance(data, dict) and data.get("model_type") in ("speecht5_hifigan", "hifigan")


def read_original(path: Path) -> tuple[MelCodecConfig, dict[str, Tensor]]:
    """Config and weights of a file of the first release.

    Raises:
        ConfigError: `config.json` beside it lacks a setting.
        ValueError: the file holds more than tensors, or no generator.
    """
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} holds more than tensors, or is damaged. Unpickling anything but tensors could "
            "run code, so it is refused."
        ) from error
    weights = data.get("generator") if isinstance(data, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise ValueError(f"{path} must hold a state dict of tensors under `generator`")
    settings = path.parent / CONFIG
    mel, decoder = _original_config(load_json(settings), str(settings))
    return MelCodecConfig(mel=mel, decoder=decoder), _rename(weights, decoder)


def read_transformers(folder: Path) -> tuple[MelCodecConfig, dict[str, Tensor]]:
    """Config and weights of a folder in the transformers layout.

    Raises:
        ValueError: unknown weights, a pickle, or other mel spectrograms than SpeechT5's, which
            `MelCodec.from_transformers` must be told.
    """
    return convert_transformers(load_json(folder / CONFIG), read_weights(folder), folder / CONFIG)


def convert_transformers(
    data: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    path: str | Path,
    mel: MelSpec | None = None,
) -> tuple[MelCodecConfig, dict[str, Tensor]]:
    """Config and weights from those of a transformers `SpeechT5HifiGan`.

    Args:
        data: its config.
        weights: its state dict.
        path: where they are from, for messages.
        mel: what it was trained on; SpeechT5's when None.

    Raises:
        ValueError: unknown weights, or mel spectrograms that do not fit.
    """
    decoder = HiFiGANConfig(
        ratios=tuple(data.get("upsample_rates", (4, 4, 4, 4))),
        kernel_sizes=tuple(data.get("upsample_kernel_sizes", (8, 8, 8, 8))),
        num_filters=data.get("upsample_initial_channel", 512),
        residual_kernels=tuple(data.get("resblock_kernel_sizes", (3, 7, 11))),
        dilations=_nested(data.get("resblock_dilation_sizes", [[1, 3, 5]] * 3)),
        slope=data.get("leaky_relu_slope", 0.1),
        standardize=data.get("normalize_before", True),
    )
    spec = speecht5_mel() if mel is None else mel
    found = (data.get("sampling_rate", 16_000), data.get("model_in_dim", 80), decoder.hop_length)
    if found != (spec.sample_rate, spec.n_mels, spec.hop_length):
        raise ValueError(
            f"{path} is for {found[1]} features every {found[2]} samples at {found[0]} Hz, and "
            "does not tell how they are computed: give `mel` to MelCodec.from_transformers"
        )
    kept = {k: v for k, v in weights.items() if k not in ("mean", "scale")}
    state = _rename(kept, decoder)
    if decoder.standardize:
        state |= {f"decoder.{name}": weights[name] for name in ("mean", "scale")}
    return MelCodecConfig(mel=spec, decoder=decoder), state


def _is_original_config(path: Path) -> bool:
    if not path.is_file():
        return False
    data = load_json(path)
    return isinstance(data, dict) and {"resblock", "upsample_rates", "hop_size"} <= data.keys()


def _original_config(data: Mapping[str, Any], path: str) -> tuple[MelSpec, HiFiGANConfig]:
    try:
        mel = MelSpec(
            sample_rate=data["sampling_rate"],
            n_fft=data["n_fft"],
            hop_length=data["hop_size"],
            win_length=data["win_size"],
            n_mels=data["num_mels"],
            f_min=float(data["fmin"]),
            f_max=None if data["fmax"] is None else float(data["fmax"]),
            padding="same",
            pad_mode="reflect",
        )
        decoder = HiFiGANConfig(
            ratios=tuple(data["upsample_rates"]),
            kernel_sizes=tuple(data["upsample_kernel_sizes"]),
            num_filters=data["upsample_initial_channel"],
            residual_kernels=tuple(data["resblock_kernel_sizes"]),
            dilations=_nested(data["resblock_dilation_sizes"]),
            paired=str(data["resblock"]) == "1",
        )
    except KeyError as error:
        raise ConfigError(f"{path}: `{error.args[0]}` is missing") from error
    return mel, decoder


def _nested(rows: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _rename(weights: Mapping[str, Tensor], config: HiFiGANConfig) -> dict[str, Tensor]:
    """Our names; weights whose normalisation was folded away are split into norm and value.

    Both layouts number the residual blocks through all stages; ours have them inside.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        match = _LAYER.fullmatch(name)
        parameter = _PARAMETERS.get(match["parameter"]) if match else None
        if match is None or parameter is None:
            raise ValueError(f"`{name}` is no weight of a HiFi-GAN generator")
        if match["end"]:
            layer = match["end"]
        elif match["up"]:
            layer = f"stages.{match['up']}.up"
        else:
            stage, block = divmod(int(match["block"]), len(config.residual_kernels))
            layer = f"stages.{stage}.blocks.{block}.{match['conv']}"
        key = f"decoder.{layer}.{parameter}"
        if parameter == "weight":
            norm = torch.linalg.vector_norm(tensor, dim=(1, 2), keepdim=True)
            renamed |= {f"{key}.g": norm, f"{key}.v": tensor}
        else:
            renamed[key] = tensor
    return renamed
