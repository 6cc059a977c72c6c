"""What an exported codec promises: a host without latentone hears what the codec gives."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..codecs.base import Codec
from ..export import export_nn_tilde, export_onnx, export_pt2
from .promises import require

__all__ = ["verify_export"]

Target = Literal["nn~", "onnx", "onnx steps", "pt2"]


def verify_export(codec: Codec, targets: Sequence[Target] = ("nn~", "onnx", "pt2")) -> None:
    """Check that a codec can be written for other hosts, and is left as it was.

    Each exporter runs what it wrote, on other rows and frames than it recorded, and compares.

    Args:
        codec: in any mode.
        targets: what to write; `nn~` and `onnx steps` are for causal codecs.

    Raises:
        AssertionError: an export fails, differs, or changes the codec; the message names it.
    """
    before = codec.fingerprint(), codec.training
    for target in targets:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                if target == "nn~":
                    export_nn_tilde(codec, folder / "codec.ts")
                elif target == "pt2":
                    export_pt2(codec, folder / "codec.pt2")
                else:
                    export_onnx(codec, folder / "codec.onnx", stream=target == "onnx steps")
            except (ValueError, RuntimeError) as error:
                raise AssertionError(f"export to {target}: {error}") from error
            count = len(list(folder.iterdir()))
            require(count == (1 if target == "nn~" else 2), f"{target}: {count} files are there")
    require((codec.fingerprint(), codec.training) == before, "an export changed the codec")
