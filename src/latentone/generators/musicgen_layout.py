"""Reading MusicGen folders in the layout of transformers (facebook/musicgen-small and the like).

Such a folder holds three models: a T5 text encoder, the decoder, and an EnCodec. Here the first
two become one `Autoregressive`; the audio encoder is handed out as it is, for the codec's own
reader, since a generator knows no codec.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..conditioning.t5 import BASE, T5Conditioner, T5Config
from ..config import ConfigError, load_json
from ..hub import CONFIG, WEIGHTS, read_weights, resolve_folder
from ..networks.transformer import TransformerConfig
from ..sampling.layouts import Delay
from ..spec import LatentSpec
from .autoregressive import Autoregressive, AutoregressiveConfig

__all__ = [
    "MusicGenFolder",
    "convert_musicgen",
    "decoder_config",
    "is_musicgen_layout",
    "load_musicgen_decoder",
    "read_musicgen",
]

INDEX = f"{WEIGHTS}.index.json"
LAYER = re.compile(r"decoder\.model\.decoder\.layers\.(\d+)\.(.+)")
NAMES = {
    "self_attn_layer_norm": "self_norm",
    "encoder_attn_layer_norm": "cross_norm",
    "final_layer_norm": "ffn_norm",
    "self_attn.out_proj": "self_attention.out",
    "encoder_attn.out_proj": "cross_attention.out",
    "encoder_attn.q_proj": "cross_attention.query",
    "fc1": "ffn_in",
    "fc2": "ffn_out",
}
FUSED = {
    "self_attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "cross_attention.key_value": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
}


class MusicGenFolder(NamedTuple):
    """What a folder holds, by part and with the names of transformers."""

    config: dict[str, Any]
    """The whole config.json."""
    audio_encoder: dict[str, Tensor]
    """Weights of the EnCodec."""
    text_encoder: dict[str, Tensor]
    """Weights of the T5 encoder."""
    decoder: dict[str, Tensor]
    """Weights of the decoder and of the projection of text."""


def is_musicgen_layout(folder: str | Path) -> bool:
    """Whether a folder holds a MusicGen as transformers writes it."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        return False
    data = load_json(path)
    return isinstance(data, dict) and data.get("model_type") == "musicgen"


def read_musicgen(name_or_folder: str | Path) -> MusicGenFolder:
    """Read config and weights, in one file or in shards.

    Raises:
        FileNotFoundError: no such folder, or a file of it is missing.
        ConfigError: its config is of another model.
        ValueError: weights that are no MusicGen's, or a pickle.
    """
    folder = resolve_folder(name_or_folder)
    if not is_musicgen_layout(folder):
        raise ConfigError(f"{folder / CONFIG} does not say `model_type`: musicgen")
    parts: dict[str, dict[str, Tensor]] = {"audio_encoder": {}, "text_encoder": {}, "decoder": {}}
    for name in _files(folder):
        for key, tensor in read_weights(folder, name).items():
            part, _, rest = key.partition(".")
            if part == "enc_to_dec_proj":
                part, rest = "decoder", key
            elif part == "decoder":
                rest = key
            if part not in parts:
                raise ValueError(f"{folder / name}: `{key}` is no weight of a MusicGen")
            parts[part][rest] = tensor
    return MusicGenFolder(load_json(folder / CONFIG), **parts)


def _files(folder: Path) -> list[str]:
    if (folder / INDEX).exists() and not (folder / WEIGHTS).exists():
        names = sorted(set(load_json(folder / INDEX)["weight_map"].values()))
        if any(Path(name).name != name for name in names):
            raise ValueError(f"{folder / INDEX} points outside of its folder")
        return names
    return [WEIGHTS]


def load_musicgen_decoder(
    name_or_folder: str | Path,
    *,
    latent: LatentSpec | None = None,
    parts: MusicGenFolder | None = None,
) -> Autoregressive:
    """Load decoder, text encoder and tokenizer as one generator, in eval mode and fp32.

    Args:
        name_or_folder: folder or Hub id.
        latent: the spec of the codec that will decode; without one, the rows that the config
            tells, under a fingerprint of the audio encoder's settings.
        parts: what `read_musicgen` gave, if it was already called.

    Raises:
        ImportError: transformers, which has the T5 encoder, is not installed.
        ValueError: weights or settings that do not fit.
    """
    folder = resolve_folder(name_or_folder)
    model = convert_musicgen(parts or read_musicgen(folder), latent=latent)
    _conditioner(model).load_tokenizer(folder)
    return model


def convert_musicgen(parts: MusicGenFolder, *, latent: LatentSpec | None = None) -> Autoregressive:
    """Turn the parts into a generator, all but the tokenizer, which is no weight.

    Raises:
        ImportError: transformers, which has the T5 encoder, is not installed.
        ValueError: weights or settings that do not fit.
    """
    config = decoder_config(parts.config, latent)
    model = Autoregressive(config)
    weights = _decoder_weights(parts.decoder, config)
    weights |= _text_weights(parts, _conditioner(model))
    own = model.state_dict()
    kept = {k: v for k, v in own.items() if k.startswith("transform.") or "tokenizer_json" in k}
    try:
        model.load_state_dict({**kept, **weights}, strict=True)
    except RuntimeError as error:
        raise ValueError(f"the MusicGen weights do not fit their config: {error}") from error
    return model.eval()


def _conditioner(model: Autoregressive) -> T5Conditioner:
    text = model.conditioners["text"]
    if not isinstance(text, T5Conditioner):
        raise TypeError(f"expected a T5 conditioner, got {type(text).__name__}")
    return text


def decoder_config(
    data: Mapping[str, Any], latent: LatentSpec | None = None
) -> AutoregressiveConfig:
    """Our config for a MusicGen `config.json`; fields left out have the small model's values.

    Raises:
        ConfigError: a setting that this model does not have.
        ValueError: `latent` has other rows than the decoder.
    """
    decoder, text = data.get("decoder") or {}, data.get("text_encoder") or {}
    for name, only in {"activation_function": "gelu", "scale_embedding": False}.items():
        if decoder.get(name, only) != only:
            raise ConfigError(f"`decoder.{name}` must be {only!r}, got {decoder[name]!r}")
    if text.get("model_type", "t5") != "t5":
        raise ConfigError(f"`text_encoder.model_type` must be 't5', got {text['model_type']!r}")
    rows, vocab = decoder.get("num_codebooks", 4), decoder.get("vocab_size", 2048)
    stereo = decoder.get("audio_channels", 1) == 2
    found = _latent(data.get("audio_encoder") or {}, rows, vocab)
    if latent is not None and (latent.kind, latent.vocab) != (found.kind, found.vocab):
        raise ValueError(
            f"the decoder writes {found.describe()}, the codec has {latent.describe()}"
        )
    dim = decoder.get("hidden_size", 1024)
    return AutoregressiveConfig(
        latent=latent or found,
        # stereo rows come as left, right, left, right, ...: both channels of a codebook together
        layout=Delay(delays=tuple(q // 2 for q in range(rows)) if stereo else ()),
        network=TransformerConfig(
            dim=dim,
            num_layers=decoder.get("num_hidden_layers", 24),
            num_heads=decoder.get("num_attention_heads", 16),
            ffn_dim=decoder.get("ffn_dim", 4096),
            dropout=float(decoder.get("dropout", 0.1)),
        ),
        conditioners={"text": T5Config(encoder={k: text.get(k, v) for k, v in BASE.items()})},
        window_frames=round(30 * (found.frame_rate or 50)),
    )


def _latent(audio: Mapping[str, Any], rows: int, vocab: int) -> LatentSpec:
    rate = audio.get("sampling_rate", 32000) / prod(audio.get("upsampling_ratios", (8, 5, 4, 4)))
    settings = json.dumps(dict(audio), sort_keys=True, default=str)
    return LatentSpec(
        kind="discrete",
        shape=(rows,),
        vocab=(vocab,) * rows,
        frame_rate=rate,
        fingerprint=hashlib.sha256(f"musicgen {settings}".encode()).hexdigest(),
    )


def _decoder_weights(found: dict[str, Tensor], config: AutoregressiveConfig) -> dict[str, Tensor]:
    rows = range(config.latent.dim if config.latent is not None else 0)
    found = {k: v for k, v in found.items() if not k.endswith("embed_positions.weights")}
    body = "decoder.model.decoder"
    weights = {
        "embedding.weight": [found.pop(f"{body}.embed_tokens.{q}.weight", None) for q in rows],
        "heads.weight": [found.pop(f"decoder.lm_heads.{q}.weight", None) for q in rows],
    }
    renamed = {name: _stacked(name, tensors) for name, tensors in weights.items()}
    for end in ("weight", "bias"):
        renamed[f"network.norm.{end}"] = _stacked("", [found.pop(f"{body}.layer_norm.{end}", None)])
    for layer in range(config.network.num_layers):
        for ours, theirs in FUSED.items():
            names = [f"{body}.layers.{layer}.{name}.weight" for name in theirs]
            key = f"network.blocks.{layer}.{ours}.weight"
            renamed[key] = _stacked(key, [found.pop(name, None) for name in names])
    dim, text_dim = config.network.dim, _text(config).encoder["d_model"]
    project = "conditioners.text.project"
    if "enc_to_dec_proj.weight" in found:
        renamed[f"{project}.weight"] = found.pop("enc_to_dec_proj.weight").float()
        renamed[f"{project}.bias"] = found.pop("enc_to_dec_proj.bias").float()
    elif dim == text_dim:  # equal widths are not projected there
        renamed[f"{project}.weight"] = torch.eye(dim)
        renamed[f"{project}.bias"] = torch.zeros(dim)
    # without text MusicGen attends to zeros
    renamed["conditioners.text.null"] = torch.zeros(dim)
    for name, tensor in found.items():
        match = LAYER.fullmatch(name)
        stem, _, end = (match[2] if match else "").rpartition(".")
        if match is None or stem not in NAMES:
            raise ValueError(f"`{name}` is no weight of a MusicGen decoder")
        renamed[f"network.blocks.{match[1]}.{NAMES[stem]}.{end}"] = tensor.float()
    return renamed


def _text(config: AutoregressiveConfig) -> T5Config:
    text = config.conditioners["text"]
    if not isinstance(text, T5Config):
        raise TypeError(f"expected a T5Config, got {type(text).__name__}")
    return text


def _stacked(name: str, tensors: list[Tensor | None]) -> Tensor:
    present = [tensor.float() for tensor in tensors if tensor is not None]
    if len(present) != len(tensors):
        raise ValueError(f"weights that make up `{name}` are missing from the MusicGen decoder")
    return torch.cat(present)


def _text_weights(parts: MusicGenFolder, text: T5Conditioner) -> dict[str, Tensor]:
    found = dict(parts.text_encoder)
    shared = found.get("shared.weight", found.get("encoder.embed_tokens.weight"))
    if shared is not None:  # one table under two names, of which a file may hold either
        found |= {"shared.weight": shared, "encoder.embed_tokens.weight": shared}
    wanted = text.encoder.state_dict()
    return {
        f"conditioners.text.encoder.{name}": tensor.float()
        for name, tensor in found.items()
        if name in wanted or not name.endswith("embed_tokens.weight")
    }
