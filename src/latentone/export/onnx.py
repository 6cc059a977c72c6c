"""Codecs as ONNX files: encoder and decoder each, offline or step by step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import atomic_file
from ..codecs.base import Codec
from .ends import End, both_ends, paths, require_equal
from .prepare import describe, recording

__all__ = ["export_onnx"]


def export_onnx(
    codec: Codec,
    path: str | Path,
    *,
    stream: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> dict[str, Path]:
    """Write encoder and decoder of a codec, and try both in onnxruntime.

    The encoder takes whole frames of `audio (B, C, F * hop_length)` and gives `codes (B, K, F)`
    (int64) of a discrete codec, else `latents (B, D, F)`; the decoder takes these and gives
    `audio`. B and F may have any size, F from a smallest number on. Noise of decoders is left out.
    What the codec is stands in the files' metadata under `latentone.*`.

    Args:
        codec: in which mode and where, is all the same.
        path: `model.onnx` writes `model.encoder.onnx` and `model.decoder.onnx`, whole or not at
            all.
        stream: for causal codecs: a second input `state (B, N)`, zeros before the first step, and
            a second output `next_state`.
        on_step: called with steps done, and all steps.

    Returns:
        The paths of `encoder` and `decoder`.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is not installed.
        ValueError: one graph cannot hold the codec, or it cannot stream.
        RuntimeError: what was written does not give what the codec gives.
    """
    require_onnx()
    ends, targets = both_ends(codec, "onnx", stream=stream), paths(path)
    facts = describe(codec)
    with ExitStack() as written:
        for done, end in enumerate(ends, 1):
            with recording(f"the {end.name} of this {type(codec).__name__}"):
                program = _to_onnx(end)
            program.model.metadata_props.update(
                {**facts, "latentone.smallest_frames": str(end.smallest)}
            )
            aside = written.enter_context(atomic_file(targets[end.name]))
            program.save(str(aside))
            require_equal(end, _Session(aside, end))
            if on_step is not None:
                on_step(done, 2)
    return targets


def require_onnx() -> None:
    """Import what ONNX needs, first of all.

    Raises:
        ImportError: names what to install.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"ONNX needs {error.name}, which is not installed: pip install 'latentone[onnx]'"
        ) from error


def _to_onnx(end: End) -> Any:
    return torch.onnx.export(
        end.module,
        end.example(2, end.smallest + 2),
        input_names=list(end.inputs),
        output_names=list(end.outputs),
        dynamic_shapes=end.sizes,
        dynamo=True,
        verbose=False,
    )


class _Session:
    """A file, run by onnxruntime."""

    def __init__(self, path: Path, end: End) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.names = end.inputs

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        feed = {name: value.numpy() for name, value in zip(self.names, arguments, strict=True)}
        return tuple(map(torch.from_numpy, self.session.run(None, feed)))
