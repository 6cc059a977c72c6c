"""Which of the published RAVEs a checkpoint is of.

A `.ckpt` says no settings, but the sizes of its tensors do, as long as exactly one named config has
them. What sizes do not tell, the sample rate and on which side layers pad, is read from the
`config.gin` that the published code leaves in the folder of the training; without this file they
are 44.1 kHz and both sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from .dac_layouts import read_tensors
from .rave import RAVE
from .rave_config import (
    RAVEConfig,
    rave_onnx,
    rave_raspberry,
    rave_v1,
    rave_v2,
    rave_v2_raw,
    rave_v2_small,
    rave_v3,
)
from .rave_layouts import convert_published, fits

__all__ = ["is_published", "published_config", "read_unconfigured"]

CONFIGS = {
    "rave_v1()": rave_v1,
    "rave_v2()": rave_v2,
    'rave_v2(regularizer="wasserstein")': lambda: rave_v2(regularizer="wasserstein"),
    'rave_v2(regularizer="spherical")': lambda: rave_v2(regularizer="spherical"),
    "rave_v2_small()": rave_v2_small,
    "rave_v2_raw()": rave_v2_raw,
    "rave_v3()": rave_v3,
    "rave_onnx()": rave_onnx,
    "rave_raspberry()": rave_raspberry,
}
"""Centred and continuous: what can be read."""
SETTINGS = "config.gin"
LEVELS = 3
"""Folders in which `SETTINGS` is looked for, from that of the checkpoint upwards: the published
code has it two above."""
_RATE = re.compile(r"^(?:\w+[./])*SAMPLING_RATE\s*=\s*(\d+)", re.MULTILINE)
_CAUSAL = re.compile(r"get_padding\.mode\s*=\s*[\"']causal[\"']")


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Whether these are the weights of a RAVE."""
    return any(name.startswith("encoder.encoder.") for name in state) and any(
        name.startswith("decoder.net.") for name in state
    )


def published_config(state: Mapping[str, Tensor], path: Path) -> RAVEConfig:
    """The one named config that tensors fit, at the sample rate of the training.

    Args:
        state: tensors by name; of `meta`, too.
        path: of the checkpoint, in whose neighbourhood `config.gin` is looked for.

    Raises:
        ValueError: none fits, or several do, or the training was causal.
    """
    found = [name for name, make in CONFIGS.items() if fits(state, make())]
    if len(found) != 1:
        fitting = " and ".join(found) or f"none of {', '.join(CONFIGS)}"
        raise ValueError(
            f"the tensors of {path} fit {fitting}; expected exactly one: give the config of its "
            "training to RAVE.from_original(path, config) (discrete and causal ones are not read)"
        )
    config = CONFIGS[found[0]]()
    folders = path.resolve().parents[:LEVELS]
    settings = next((f / SETTINGS for f in folders if (f / SETTINGS).is_file()), None)
    if settings is None:
        return config
    text = settings.read_text(encoding="utf-8", errors="replace")
    if _CAUSAL.search(text):
        raise ValueError(
            f"{path} is causal, says {settings}: causal checkpoints of the published code cannot "
            "be read, since their padding is another"
        )
    rate = _RATE.search(text)
    return config if rate is None else replace(config, sample_rate=int(rate[1]))


def read_unconfigured(path: Path) -> RAVE | None:
    """Build a codec from a `.ckpt` whose config its sizes tell; None for what is no RAVE.

    Raises:
        ValueError: it holds more than tensors and plain values, or not one config fits.
    """
    state = read_tensors(path).get("state_dict")
    if not isinstance(state, Mapping) or not is_published(state):
        return None
    return convert_published(state, published_config(state, path), path)
