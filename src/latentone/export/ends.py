"""The two ends of a codec as graphs with one input and one output, for ONNX and `torch.export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim

from ..codecs.base import Codec
from ..nn.conv import Conv1d
from .prepare import (
    MOST_TIES,
    TOLERANCE,
    exportable,
    first_line,
    hop_length,
    require_exportable,
    set_noise,
)
from .recurrent import Way, replace_recurrent
from .steps import FlatStream

__all__ = ["End", "Run", "both_ends", "paths", "require_equal"]

Run = Callable[..., tuple[Tensor, ...]]

MOST = 2**31
"""Rows, and samples, at most: bounds are compared with one another, which takes finite ones."""


class End(NamedTuple):
    """One of the two, and what an exporter asks about it."""

    name: str
    """encoder or decoder."""
    module: nn.Module
    """To export; its recurrent layers may compute nothing outside of a graph."""
    truth: nn.Module
    """What it must be equal to."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    example: Callable[[int, int], tuple[Tensor, ...]]
    """Inputs of so many rows and frames."""
    sizes: tuple[dict[int, Any], ...]
    """Which axes of the inputs may have any size, and how they hang together."""
    smallest: int
    """Frames that an input must have at least."""

    def export(self) -> torch.export.ExportedProgram:
        """The graph, for any number of rows, and of frames from the smallest on."""
        # Of two rows and more frames than the smallest, so that no size is taken as fixed.
        arguments = self.example(2, self.smallest + 2)
        return torch.export.export(self.module, arguments, dynamic_shapes=self.sizes)


class _Encode(nn.Module):
    """Audio to codes of a discrete codec, else to latents; step by step with a state."""

    def __init__(self, codec: Codec, stream: bool) -> None:
        super().__init__()
        self.codec = codec
        self.stream = FlatStream(codec.encoder_stream()) if stream else None

    def forward(self, audio: Tensor, state: Tensor | None = None) -> tuple[Tensor, ...]:
        if self.stream is None or state is None:
            return (self._codes(self.codec.encode(audio)),)
        latents, state = self.stream.step(audio, state)
        return self._codes(latents), state

    def _codes(self, latents: Tensor) -> Tensor:
        return self.codec.quantize(latents) if self.codec.vocab else latents


class _Decode(nn.Module):
    """Codes of a discrete codec, else latents, to audio without chance."""

    def __init__(self, codec: Codec, stream: bool) -> None:
        super().__init__()
        self.codec = codec
        set_noise(codec, False)
        self.stream = FlatStream(codec.decoder_stream()) if stream else None

    def forward(self, latents: Tensor, state: Tensor | None = None) -> tuple[Tensor, ...]:
        latents = self.codec.dequantize(latents) if self.codec.vocab else latents
        if self.stream is None or state is None:
            return (self.codec.decode(latents),)
        return self.stream.step(latents, state)


def both_ends(codec: Codec, way: Way, *, stream: bool = False) -> list[End]:
    """Encoder and decoder of a codec.

    Args:
        codec: left as it is.
        way: in which its recurrent layers are written.
        stream: with state as a second input and output, which starts as zeros.

    Raises:
        ValueError: one graph cannot hold the codec, or it cannot stream.
    """
    require_exportable(codec)
    hop, channels = hop_length(codec), codec.source.channels
    smallest = 1 if stream else _smallest_frames(codec)
    rows, frames = Dim("batch", min=1, max=MOST), Dim("frames", min=smallest, max=MOST // hop)
    kind = "codes" if codec.vocab else "latents"
    ends = []
    for name, other in (("encoder", "decoder"), ("decoder", "encoder")):
        kind_of_end = _Encode if name == "encoder" else _Decode
        truth = kind_of_end(exportable(codec, without=other), stream).eval()
        made = exportable(codec, without=other)
        replace_recurrent(made, way)
        module = kind_of_end(made, stream).eval()

        def example(rows: int, frames: int, name: str = name, truth: Any = truth) -> Any:
            shape = (rows, channels, frames * hop)
            if name == "encoder":
                first = 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
            else:
                first = _latents(codec, rows, frames)
            return (first, truth.stream.initial_state(rows)) if stream else (first,)

        ends.append(
            End(
                name,
                module,
                truth,
                ("audio" if name == "encoder" else kind, *(["state"] if stream else [])),
                (kind if name == "encoder" else "audio", *(["next_state"] if stream else [])),
                example,
                (
                    {0: rows, 2: hop * frames if name == "encoder" else frames},
                    *([{0: rows}] if stream else []),
                ),
                smallest,
            )
        )
    return ends


def _latents(codec: Codec, rows: int, frames: int) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    if not codec.vocab:
        return torch.randn(rows, codec.latent_dim, frames, generator=rng)
    codes = [torch.randint(size, (rows, frames), generator=rng) for size in codec.vocab]
    return torch.stack(codes, dim=1)


def _smallest_frames(codec: Codec) -> int:
    """Frames that an exported graph needs at least.

    A graph of a single frame would be a special case of its own; and it mirrors its input only
    where there is as much input as it mirrors.
    """
    hop = hop_length(codec)
    mirrored = [
        module.padding
        for module in codec.modules()
        if isinstance(module, Conv1d) and module.pad_mode == "reflect"
    ]
    mel = getattr(codec.config, "mel", None)
    window = 0 if mel is None else -(-mel.n_fft // hop)
    return max([2, window, *(padding + 1 for padding in mirrored)])


def require_equal(end: End, run: Run) -> None:
    """Check what was written on other numbers of rows and frames than it was made with.

    Raises:
        RuntimeError: another result than the codec's own, or another shape.
    """
    for rows, frames in ((1, end.smallest), (3, end.smallest + 7)):
        arguments = end.example(rows, frames)
        with torch.no_grad():
            expected = end.truth(*arguments)
        try:
            given = run(*arguments)
        except (RuntimeError, AssertionError) as error:
            raise RuntimeError(
                f"the {end.name} that was written does not run on {frames} frames: "
                f"{first_line(error)}"
            ) from error
        for got, wanted in zip(given, expected, strict=True):
            if got.shape != wanted.shape:
                raise RuntimeError(
                    f"the {end.name} that was written gives {tuple(got.shape)} for {frames} "
                    f"frames, not {tuple(wanted.shape)}"
                )
            gap = (got - wanted).abs().double()
            allowed = TOLERANCE * wanted.abs().double().max() if wanted.numel() else 0.0
            if (gap > allowed).double().mean() > (MOST_TIES if end.outputs[0] == "codes" else 0):
                worst = gap.max().item()
                raise RuntimeError(
                    f"the {end.name} that was written differs from the codec by up to {worst:.1e}"
                )


def paths(path: str | Path) -> dict[str, Path]:
    """`model.encoder.onnx` and `model.decoder.onnx` of `model.onnx`."""
    path = Path(path)
    return {
        name: path.with_name(f"{path.stem}.{name}{path.suffix}") for name in ("encoder", "decoder")
    }
