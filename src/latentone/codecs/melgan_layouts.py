"""Reading MelGAN generators that others wrote.

The layout of the first release (melgan-neurips): `best_netG.pt` or `linda_johnson.pt`, a bare state
dict of one sequence of layers. It counts paddings as layers of their own, where ours pad by
themselves. What the spectrograms are like, it does not say; `args.yml` beside it is a pickle of a
kind, and is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..dsp.mel import MelSpec
from ..networks.melgan import MelGANConfig
from .dac_layouts import read_tensors, split_folded
from .mel_config import MelCodecConfig, melgan_mel

__all__ = ["convert_melgan", "find_melgan", "read_melgan"]

FILES = ("best_netG.pt", "netG.pt")
_LAYER = re.compile(
    r"model\.(\d+)\.(?:(block)\.(\d+)|(shortcut)|)\.?(weight_g|weight_v|weight|bias)"
)
_PARAMETERS = {"weight_g": "weight.g", "weight_v": "weight.v"}
_OF_BLOCK = {"2": "block.1", "4": "block.3"}


def find_melgan(folder: Path) -> Path | None:
    """The generator's file in a folder that a training of the first release left, or None."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def read_melgan(path: Path, mel: MelSpec | None = None) -> tuple[MelCodecConfig, dict[str, Tensor]]:
    """Config and weights of a file; see `convert_melgan`.

    Raises:
        ValueError: the file holds more than tensors, or no generator of this layout.
    """
    return convert_melgan(read_tensors(path), path, mel)


def convert_melgan(
    weights: Mapping[str, Tensor], path: str | Path, mel: MelSpec | None = None
) -> tuple[MelCodecConfig, dict[str, Tensor]]:
    """Config and weights from the state dict of a generator.

    All sizes of the network follow from the tensors: a step up in rate is half its taps.

    Args:
        weights: the state dict.
        path: where it is from, for messages.
        mel: what it was trained on; that of the first release when None.

    Raises:
        ValueError: unknown weights, or mel spectrograms that do not fit.
    """
    values, units = {}, set()
    for name, tensor in weights.items():
        match = _LAYER.fullmatch(str(name))
        if match is None or not isinstance(tensor, Tensor):
            raise ValueError(f"{path}: `{name}` is no weight of a MelGAN generator")
        if match[4]:
            units.add(int(match[1]))
        elif not match[2] and match[5] in ("weight", "weight_v"):
            values[int(match[1])] = tensor
    places = sorted(values)
    if len(places) < 3 or places[0] != 1 or any(v.dim() != 3 for v in values.values()):
        raise ValueError(
            f"{path} holds no MelGAN generator: expected `model.1` and at least two more "
            f"convolutions, got {places}"
        )
    spec = melgan_mel() if mel is None else mel
    first, last = values[1], values[places[-1]]
    decoder = MelGANConfig(
        ratios=tuple(values[i].shape[2] // 2 for i in places[1:-1]),
        num_filters=last.shape[1],
        num_residual_layers=len(units) // (len(places) - 2),
    )
    if (first.shape[1], decoder.hop_length) != (spec.n_mels, spec.hop_length):
        raise ValueError(
            f"{path} is for {first.shape[1]} bands every {decoder.hop_length} samples, and does "
            f"not tell how they are computed; the spectrograms have {spec.n_mels} every "
            f"{spec.hop_length}: give `mel` to MelCodec.from_melgan"
        )
    state: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        state |= split_folded(_rename(name, places[-1]), tensor)
    return MelCodecConfig(mel=spec, decoder=decoder), state


def _rename(name: str, last: int) -> str:
    """Our name: one padding stands before all layers, and another before the last."""
    match = _LAYER.fullmatch(name)
    assert match is not None
    place = int(match[1]) - 1 - (int(match[1]) == last)
    inside = _OF_BLOCK.get(match[3], f"block.{match[3]}") if match[2] else match[4]
    parts = ["decoder", "layers", str(place), inside, _PARAMETERS.get(match[5], match[5])]
    return ".".join(part for part in parts if part)
