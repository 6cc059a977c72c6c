"""Reading picture autoencoders that others wrote, in the layout of diffusers.

`AutoencoderKL` (the `vae/` of AudioLDM, AudioLDM 2 and MusicLDM, with `vocoder/` beside it) and
`VQModel`: `config.json` and `diffusion_pytorch_model.safetensors`. Pictures of three channels are
images and not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..config import ConfigError, load_json
from ..dsp.mel import MelSpec
from ..hub import CONFIG, read_weights
from ..networks.autoencoder_2d import Autoencoder2dConfig
from .autoencoder_config import GradientCodes
from .hifigan_layouts import is_transformers_layout
from .mel import MelCodec
from .mel_autoencoder import audioldm_mel
from .mel_vae import MelVAEConfig
from .oobleck_layouts import DIFFUSERS_WEIGHTS
from .vqgan import VQGANConfig

__all__ = [
    "convert_autoencoder_kl",
    "convert_vocoder",
    "convert_vq_model",
    "find_picture",
    "find_vocoder",
    "read_autoencoder_kl",
    "read_vq_model",
]

_PATTERNS = (
    (r"(?:down|up)_blocks\.(\d+)\.", r"levels.\1."),
    (r"mid_block\.resnets\.0\.", "middle.before."),
    (r"mid_block\.resnets\.1\.", "middle.behind."),
    (r"mid_block\.attentions\.0\.", "middle.attention."),
    (r"resnets\.", "blocks."),
    (r"(?:down|up)samplers\.0\.", "resize."),
    (r"conv_shortcut\.", "skip."),
    (r"conv_in\.", "first."),
    (r"conv_norm_out\.", "norm."),
    (r"conv_out\.", "last."),
    (r"group_norm\.", "norm."),
    (r"(?:to_q|query)\.", "query."),
    (r"(?:to_k|key)\.", "key."),
    (r"(?:to_v|value)\.", "value."),
    (r"(?:to_out\.0|proj_attn)\.", "out."),
    (r"^post_quant_conv\.", "decoder.project."),
    (r"^quant_conv\.", "encoder.project."),
)
"""What we call the parts of their names; older files have the second of two."""
_FIXED = {"act_fn": "silu", "use_quant_conv": True, "use_post_quant_conv": True}
_ENCODER = ("DownEncoderBlock2D", "AttnDownEncoderBlock2D")
_DECODER = ("UpDecoderBlock2D", "AttnUpDecoderBlock2D")


def find_picture(path: Path, name: str) -> Path | None:
    """The folder of the diffusers class `name` that `path` is or has as `vae` (or `vqvae`).

    None where there is none, or where it is for images.
    """
    for folder in (path, path / "vae", path / "vqvae"):
        if (folder / CONFIG).is_file():
            data = load_json(folder / CONFIG)
            if isinstance(data, dict) and data.get("_class_name") == name:
                return folder if data.get("in_channels", 3) == 1 else None
    return None


def find_vocoder(path: Path, mel: MelSpec) -> MelCodec | None:
    """The HiFi-GAN in `vocoder/` of a pipeline, for pictures of `mel`; None where there is none.

    Raises:
        ValueError: it is for other pictures, or does not fit its config.
    """
    folder = path / "vocoder"
    if not is_transformers_layout(folder):
        return None
    return convert_vocoder(load_json(folder / CONFIG), read_weights(folder), folder, mel)


def convert_vocoder(
    data: Mapping[str, Any], weights: Mapping[str, Tensor], path: str | Path, mel: MelSpec
) -> MelCodec:
    """A vocoder from the config and state dict of a transformers `SpeechT5HifiGan`.

    AudioLDM's has a step of 5 with 16 taps, which gives a sample more than five for each frame. A
    zero before the first tap leaves all samples as they are and cuts off the surplus.

    Raises:
        ValueError: it is for other mel spectrograms, or the weights do not fit.
    """
    ratios = data.get("upsample_rates", (4, 4, 4, 4))
    taps = list(data.get("upsample_kernel_sizes", (8, 8, 8, 8)))
    kept = dict(weights)
    for number, (ratio, count) in enumerate(zip(ratios, taps, strict=True)):
        if (count - ratio) % 2:
            taps[number] = count + 1
            for name, tensor in weights.items():
                if name.startswith(f"upsampler.{number}.") and tensor.shape[-1:] == (count,):
                    if tensor.dim() == 3:
                        kept[name] = F.pad(tensor, (1, 0))
    changed = {**data, "upsample_kernel_sizes": taps}
    return MelCodec.from_transformers(changed, kept, path, mel)


def read_autoencoder_kl(folder: Path) -> tuple[MelVAEConfig, dict[str, Tensor]]:
    """Config and weights of an `AutoencoderKL` folder.

    Raises:
        ConfigError: a setting that there is not here.
        ValueError: a pickle, or a damaged file.
    """
    weights = read_weights(folder, DIFFUSERS_WEIGHTS)
    return convert_autoencoder_kl(load_json(folder / CONFIG), weights, folder / CONFIG)


def convert_autoencoder_kl(
    data: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    path: str | Path,
    mel: MelSpec | None = None,
) -> tuple[MelVAEConfig, dict[str, Tensor]]:
    """Config and weights from those of a diffusers `AutoencoderKL`.

    Raises:
        ConfigError: a setting that there is not here.
    """
    network = _network(data, str(path), latent_channels=4, layers=1)
    config = MelVAEConfig(mel=mel or audioldm_mel(), network=network)
    return config, _rename(weights)


def read_vq_model(folder: Path) -> tuple[VQGANConfig, dict[str, Tensor]]:
    """Config and weights of a `VQModel` folder.

    Raises:
        ConfigError: a setting that there is not here.
        ValueError: a pickle, or a damaged file.
    """
    weights = read_weights(folder, DIFFUSERS_WEIGHTS)
    return convert_vq_model(load_json(folder / CONFIG), weights, folder / CONFIG)


def convert_vq_model(
    data: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    path: str | Path,
    mel: MelSpec | None = None,
) -> tuple[VQGANConfig, dict[str, Tensor]]:
    """Config and weights from those of a diffusers `VQModel`.

    Its codes count as used alike, and none is placed anew when training goes on.

    Raises:
        ConfigError: a setting that there is not here.
    """
    network = _network(data, str(path), latent_channels=3, layers=1)
    width = data.get("vq_embed_dim")
    if width not in (None, network.latent_channels) or data.get("norm_type", "group") != "group":
        raise ConfigError(
            f"{path}: `vq_embed_dim` must be {network.latent_channels}, as `latent_channels`, and "
            f"`norm_type` group, got {width} and {data.get('norm_type', 'group')!r}"
        )
    size = data.get("num_vq_embeddings", 256)
    config = VQGANConfig(
        mel=mel or audioldm_mel(), network=network, codes=GradientCodes(codebook_size=size)
    )
    kept = {k: v for k, v in weights.items() if k != "quantize.embedding.weight"}
    state = _rename(kept) | {
        "quantizer.pixels.codebooks.0": weights["quantize.embedding.weight"],
        "quantizer.pixels.use.uses": torch.full((size,), 1 / size),
        "quantizer.pixels.use.seen": torch.tensor(True),
    }
    return config, state


def _network(
    data: Mapping[str, Any], path: str, *, latent_channels: int, layers: int
) -> Autoencoder2dConfig:
    for name, value in {**_FIXED, "in_channels": 1, "out_channels": 1}.items():
        found = data.get(name, value if name in _FIXED else 3)
        if found != value:
            raise ConfigError(f"{path}: `{name}` must be {value}, got {found!r}")
    widths = tuple(data.get("block_out_channels", (64,)))
    plain = _blocks(len(widths), attention=False)
    attentive = _blocks(len(widths), attention=True)
    blocks = tuple(data.get("down_block_types", ())), tuple(data.get("up_block_types", ()))
    if blocks not in (plain, attentive):
        raise ConfigError(
            f"{path}: `down_block_types` must be {_ENCODER[0]}, the last one perhaps {_ENCODER[1]},"
            f" and `up_block_types` their mirror, got {blocks}"
        )
    if any(width % widths[0] for width in widths):
        raise ConfigError(f"{path}: `block_out_channels` must be multiples of the first: {widths}")
    return Autoencoder2dConfig(
        latent_channels=data.get("latent_channels", latent_channels),
        channels=widths[0],
        multiples=tuple(width // widths[0] for width in widths),
        num_residual_blocks=data.get("layers_per_block", layers),
        num_groups=data.get("norm_num_groups", 32),
        middle_attention=data.get("mid_block_add_attention", True),
        lowest_attention=blocks == attentive,
    )


def _blocks(levels: int, *, attention: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that diffusers has for the levels of both networks."""
    down, up = _ENCODER[attention], _DECODER[attention]
    return (_ENCODER[0],) * (levels - 1) + (down,), (up,) + (_DECODER[0],) * (levels - 1)


def _rename(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names; the scales of a 1 x 1 convolution that older files have become a matrix."""
    renamed = {}
    for name, tensor in weights.items():
        for pattern, ours in _PATTERNS:
            name = re.sub(pattern, ours, name)
        attends = ".attention." in name or ".attentions." in name
        renamed[name] = tensor[:, :, 0, 0] if attends and tensor.dim() == 4 else tensor
    return renamed
