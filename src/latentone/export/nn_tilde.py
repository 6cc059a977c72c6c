"""nn~ for Max/MSP and Pure Data: a TorchScript module that keeps its streams' state in buffers.

The contract is that of nn~'s hosts (`nn_tilde`, ACIDS, IRCAM): a method takes and gives tensors
`(B, channels, n)`; its buffer `<method>_params` holds channels and ratio of input and output, where
a ratio of r means one value for r samples of sound; attributes are set by `set_<name>`, which
returns 0, and read by `get_<name>`, which returns a list, with their types in `<name>_params`. A
host calls in inference mode, changes the number of rows as it likes, and gives blocks of a power of
two, or of the largest ratio.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic import atomic_file
from ..codecs.base import Codec
from ..codecs.latent_pca import with_noise
from ..codecs.streaming import stream_spec
from ..nn.transform import LatentTransform
from .nn_tilde_model import Model
from .prepare import (
    MOST_TIES,
    TOLERANCE,
    describe,
    exportable,
    has_chance,
    hop_length,
    recording,
    require_exportable,
    set_noise,
)
from .steps import FlatStream

__all__ = ["export_nn_tilde"]

BLOCK = 8192
"""Samples of the block with which nn~'s own tools try a method."""


def export_nn_tilde(
    codec: Codec,
    path: str | Path,
    *,
    transform: LatentTransform | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a codec that streams as a module with the methods `encode`, `decode` and `forward`.

    Codes of discrete codecs pass as floats, which `decode` rounds. `forward` also takes blocks
    that are no whole number of frames, and is then a frame later. Where decoding draws noise, the
    attribute `noise` switches it.

    Args:
        codec: causal; in which mode and where, is all the same.
        path: file to write, whole or not at all; by custom `.ts`.
        transform: what `LatentPCA.transform` gave, to play the kept directions alone; for
            continuous codecs.
        on_step: called with steps done, and all steps.

    Returns:
        The path.

    Raises:
        ValueError: the codec cannot stream, and which layer is in the way; or a transform that
            does not fit.
        RuntimeError: the written module does not give what the codec's own steps give.
    """
    require_exportable(codec)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        steps = _Steps(codec, transform)
        _tell(on_step, 1)
        model = _script(steps, codec)
        _tell(on_step, 2)
        _try(model, steps, hop_length(codec))
        _tell(on_step, 3)
    with atomic_file(path) as aside, recording("the module"):
        torch.jit.save(
            model, str(aside), _extra_files={"latentone.json": json.dumps(describe(codec))}
        )
    return Path(path)


class _Steps(nn.Module):
    """Both directions of a codec as functions of tensors alone; what is traced."""

    highest: Tensor

    def __init__(self, codec: Codec, transform: LatentTransform | None) -> None:
        super().__init__()
        self.codec = made = exportable(codec)
        self.dim = len(made.vocab) or made.latent_dim
        self.encoder, self.decoder = map(FlatStream, (made.encoder_stream(), made.decoder_stream()))
        self.noisy = has_chance(made)
        self.transform: LatentTransform | None = None
        if made.vocab:
            self.register_buffer("highest", torch.tensor(made.vocab)[:, None] - 1)
        if transform is not None:
            self.transform, self.dim = _checked(transform, made)
            self.noisy = self.noisy or self.dim < made.latent_dim

    def encode_step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        latents, state = self.encoder.step(x, state)
        if self.codec.vocab:
            latents = self.codec.quantize(latents).float()
        if self.transform is not None:
            latents = self.transform(latents)[:, : self.dim]
        return latents, state

    def decode_step(self, latents: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self._decode(latents, state, True)

    def quiet_step(self, latents: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return self._decode(latents, state, False)

    def _decode(self, latents: Tensor, state: Tensor, noisy: bool) -> tuple[Tensor, Tensor]:
        set_noise(self.codec, noisy)
        if self.codec.vocab:
            codes = torch.minimum(latents.round().long().clamp_min(0), self.highest)
            latents = self.codec.dequantize(codes)
        if self.transform is not None:
            latents = _turn_back(self.transform, latents, noisy)
        return self.decoder.step(latents, state)


def _turn_back(transform: LatentTransform, kept: Tensor, noisy: bool) -> Tensor:
    """Latents of the kept directions; the others are noise of the prior, or the mean."""
    dropped = len(transform.mean) - kept.shape[1]
    turned = torch.cat([kept, torch.zeros_like(kept[:, :1]).expand(-1, dropped, -1)], dim=1)
    if noisy:
        turned = with_noise(turned, transform.active)
    return (transform.rotation.T @ turned) * transform.std[:, None] + transform.mean[:, None]


def _checked(transform: LatentTransform, codec: Codec) -> tuple[LatentTransform, int]:
    if codec.vocab:
        raise ValueError("codes have no directions: a transform is for continuous codecs")
    if len(transform.mean) != codec.latent_dim:
        raise ValueError(
            f"expected a transform of {codec.latent_dim} latent channels, got one of "
            f"{len(transform.mean)}"
        )
    kept = int(transform.active.sum())
    if not kept or not bool(transform.active[:kept].all()):
        raise ValueError("the kept directions must come first, as `LatentPCA.transform` has them")
    return copy.deepcopy(transform).cpu().requires_grad_(False), kept


def _script(steps: _Steps, codec: Codec) -> Any:
    """Trace the steps, on two rows and two frames so that neither is taken as fixed; script what
    keeps their state."""
    hop, channels = hop_length(codec), codec.source.channels
    starts = [stream.initial_state(1) for stream in (steps.encoder, steps.decoder)]
    audio, latents = torch.zeros(2, channels, 2 * hop), torch.zeros(2, steps.dim, 2)
    states = [start.repeat(2, 1) for start in starts]
    examples = {
        "encode_step": (audio, states[0]),
        "decode_step": (latents, states[1]),
        "quiet_step": (latents, states[1]),
    }
    with recording(f"the steps of this {type(codec).__name__}"):
        traced = torch.jit.trace_module(steps.eval(), examples, check_trace=False)
        model = Model(
            traced,
            starts,
            channels=channels,
            dim=steps.dim,
            hop_length=hop,
            noise=steps.noisy,
            sample_rate=codec.source.sample_rate,
            latency=stream_spec(codec).delay,
            fingerprint=codec.latent.fingerprint,
        )
        return torch.jit.script(model.eval())


def _try(model: Any, steps: _Steps, hop: int) -> None:
    """Run blocks as nn~ does, of one row and of four, against the steps that were traced.

    Raises:
        RuntimeError: another result, or another shape.
    """
    rng = torch.Generator().manual_seed(0)
    for rows in (1, 4):
        states = [stream.initial_state(rows) for stream in (steps.encoder, steps.decoder)]
        model.set_noise(False)
        for frames in (max(1, BLOCK // hop), 1):
            shape = (rows, int(model.encode_params[0]), frames * hop)
            x = 0.1 * torch.randn(shape, generator=rng)
            latents, states[0] = steps.encode_step(x, states[0])
            y, states[1] = steps.quiet_step(latents, states[1])
            got_latents = model.encode(x)
            # Decoded from the same latents: a near tie among codes is no defect of the decoder.
            _require_equal(got_latents, latents, ties=bool(steps.codec.vocab))
            _require_equal(model.decode(latents), y)
        model.set_reset(True)
        model.set_noise(True)


def _require_equal(got: Tensor, expected: Tensor, *, ties: bool = False) -> None:
    if got.shape != expected.shape:
        raise RuntimeError(f"the module gives {tuple(got.shape)}, not {tuple(expected.shape)}")
    gap = (got - expected).abs()
    apart = (gap > TOLERANCE * expected.abs().max().clamp_min(1e-3)).float().mean()
    if apart > (MOST_TIES if ties else 0):
        raise RuntimeError(f"the module differs from the codec by up to {gap.max():.1e}")


def _tell(on_step: Callable[[int, int], None] | None, done: int) -> None:
    if on_step is not None:
        on_step(done, 3)
