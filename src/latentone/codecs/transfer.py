"""Timbre transfer: one sound through a codec that learned another, and what can be done between.

As players of RAVE do (Caillon and Esling, 2021): encode, move the latents, decode. The codec need
not be a RAVE: continuous latents and dequantised codes are moved alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..dsp.loudness import integrated_loudness
from .base import Codec

__all__ = [
    "blend",
    "blend_gains",
    "check_amounts",
    "check_codebooks",
    "edit_latents",
    "match_loudness",
    "repeat_to",
    "transfer",
]


@torch.no_grad()
def transfer(
    codec: Codec,
    x: Tensor,
    other: Tensor | None = None,
    *,
    amount: float = 0.0,
    mix: float = 0.0,
    bias: Mapping[int, float] | None = None,
    scale: Mapping[int, float] | None = None,
    num_codebooks: int | None = None,
    loudness: bool = True,
    rng: torch.Generator | None = None,
) -> Tensor:
    """Send a sound through a codec, blended with another, its latents moved.

    Args:
        codec: in eval mode; its latents are those of `encode`, or dequantised codes when it is
            discrete.
        x: the sound `(C, T)` at the codec's rate.
        other: another `(C, T')`, brought to the loudness of `x`; repeated from its beginning, or
            cut, to its length.
        amount: of the other's latents: 0 is `x`, 1 the other, between them interpolation,
            beyond them extrapolation away from one of the two.
        mix: of the other's sound before encoding, 0 to 1: the codec hears both at once.
        bias: added to latent channels, by their index.
        scale: factors of latent channels, by their index; applied before the bias.
        num_codebooks: use only the first rows of a discrete codec; None uses all.
        loudness: bring the result to the loudness of `x`; silence stays as it is.
        rng: decides the chance of decoders that have any.

    Returns:
        `(C, T)`, as long as `x`; peaks may exceed full scale.

    Raises:
        ValueError: another shape, an amount or a mix without another sound or out of range, or
            latent channels that the codec does not have.
    """
    rate = codec.source.sample_rate
    _check(codec, x, other, amount, mix)
    if other is not None:
        other = repeat_to(other, x.shape[-1])
        if loudness:
            other = match_loudness(other, x, rate)
    heard = x if other is None or not mix else blend(x, other, mix)
    latents, gain = _latents(codec, heard, num_codebooks), codec.gain(heard[None])
    if other is not None and amount:
        latents = blend(latents, _latents(codec, other, num_codebooks), amount)
        theirs = codec.gain(other[None])
        if gain is not None and theirs is not None:
            gain = blend_gains(gain, theirs, amount)
    latents = edit_latents(latents, bias=bias, scale=scale)
    y = codec.decode(latents, gain=gain, rng=rng)[0, :, : x.shape[-1]]
    return match_loudness(y, x, rate) if loudness else y


def blend(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """The point at `amount` on the line from `a` (0) to `b` (1), and beyond either."""
    return a if amount == 0 else b if amount == 1 else a + amount * (b - a)


def blend_gains(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """Positive gains as `blend` has them, on a line of decibels."""
    return blend(a.log(), b.log(), amount).exp()


def edit_latents(
    latents: Tensor,
    *,
    bias: Mapping[int, float] | None = None,
    scale: Mapping[int, float] | None = None,
) -> Tensor:
    """Scale latent channels and add to them: `scale[d] * latents[:, d] + bias[d]`.

    Shape:
        Latents and result `(B, D, F)`; channels that are not named stay as they are.

    Raises:
        ValueError: a channel that is not there, or a value that is not finite.
    """
    edited = latents.clone()
    dim = latents.shape[1]
    for name, values in (("scale", scale), ("bias", bias)):
        for channel, value in (values or {}).items():
            if not 0 <= channel < dim:
                raise ValueError(
                    f"{name} of the latent channel {channel}: the codec has 0 to {dim - 1}"
                )
            if not math.isfinite(value):
                raise ValueError(f"{name} of the latent channel {channel} is {value}: not finite")
            if name == "scale":
                edited[:, channel] *= value
            else:
                edited[:, channel] += value
    return edited


def match_loudness(y: Tensor, like: Tensor, sample_rate: int) -> Tensor:
    """Scale `y (C, T)` to the integrated loudness of `like`; where either is silent, not at all."""
    ours, wanted = (float(integrated_loudness(s, sample_rate)) for s in (y, like))
    if not (math.isfinite(ours) and math.isfinite(wanted)):
        return y
    return y * 10 ** ((wanted - ours) / 20)


def repeat_to(x: Tensor, length: int) -> Tensor:
    """Repeat `x (C, T)` from its beginning until it is `length` samples long, or cut it."""
    times = -(-length // x.shape[-1])
    return (x.repeat(1, times) if times > 1 else x)[:, :length]


def _latents(codec: Codec, x: Tensor, num_codebooks: int | None) -> Tensor:
    check_codebooks(codec, num_codebooks)
    latents = codec.encode(x[None])
    if not codec.vocab:
        return latents
    return codec.dequantize(codec.quantize(latents, num_codebooks))


def check_codebooks(codec: Codec, num_codebooks: int | None) -> None:
    """Refuse as many codebooks as a codec does not have; None, for all, always passes.

    Raises:
        ValueError: it does not have them, or none at all.
    """
    rows = len(codec.vocab)
    if num_codebooks is None or 1 <= num_codebooks <= rows:
        return
    if not rows:
        raise ValueError(f"{type(codec).__name__} is continuous: it has no codebooks")
    raise ValueError(f"num_codebooks must be 1 to {rows}, got {num_codebooks}")


def _check(codec: Codec, x: Tensor, other: Tensor | None, amount: float, mix: float) -> None:
    channels = codec.source.channels
    for sound in (x,) if other is None else (x, other):
        if sound.dim() != 2 or len(sound) != channels or not sound.shape[-1]:
            raise ValueError(
                f"expected sound ({channels}, T) with T at least 1, got {tuple(sound.shape)}"
            )
    check_amounts(other is not None, amount, mix)


def check_amounts(other: bool, amount: float, mix: float) -> None:
    """Refuse an amount and a mix out of range, or without another sound.

    Raises:
        ValueError: they are.
    """
    if not 0 <= mix <= 1 or not math.isfinite(amount):
        raise ValueError(f"expected a mix of 0 to 1 and a finite amount, got {mix} and {amount}")
    if not other and (amount or mix):
        raise ValueError("an amount and a mix need another sound, and there is none")
