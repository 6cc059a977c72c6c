"""Codecs as `.pt2` files, which `torch.export.load` runs without latentone."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch

from ..atomic import atomic_file
from ..codecs.base import Codec
from .ends import both_ends, paths, require_equal
from .prepare import describe, recording

__all__ = ["export_pt2"]


def export_pt2(
    codec: Codec,
    path: str | Path,
    *,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Write encoder and decoder of a codec, each as an exported program.

    The encoder takes whole frames of audio and gives codes `(B, K, F)` of a discrete codec, else
    latents `(B, D, F)`; the decoder takes these. Both take any number of rows, and of frames from
    a smallest number on, which a wrong input is told. Noise of decoders is left out.

    Args:
        codec: in which mode and where, is all the same.
        path: `model.pt2` writes `model.encoder.pt2` and `model.decoder.pt2`, whole or not at all.
        on_step: called with steps done, and all steps.

    Returns:
        The paths of `encoder` and `decoder`.

    Raises:
        ValueError: one graph cannot hold the codec.
        RuntimeError: what was written does not give what the codec gives.
    """
    ends, targets = both_ends(codec, "scan"), paths(path)
    facts = json.dumps(describe(codec))
    with ExitStack() as written:
        for done, end in enumerate(ends, 1):
            with recording(f"the {end.name} of this {type(codec).__name__}"):
                program = end.export()
                aside = written.enter_context(atomic_file(targets[end.name]))
                torch.export.save(program, aside, extra_files={"latentone.json": facts})
                loaded = torch.export.load(aside).module()
            require_equal(end, loaded)
            if on_step is not None:
                on_step(done, 2)
    return targets
