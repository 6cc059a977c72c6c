"""A codec as an effect: every block of sound that goes in gives as many samples back, later."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import gcd

import torch
from torch import Tensor
from torch.nn import functional as F

from ..codecs.base import Codec
from ..codecs.streaming import stream_spec
from ..codecs.transfer import edit_latents
from ..nn.weight_norm import fold_weight_norm

__all__ = ["Controls", "LiveCodec"]


@dataclass(frozen=True, kw_only=True)
class Controls:
    """What can be turned while it plays."""

    bias: Mapping[int, float] = field(default_factory=dict)
    """Added to latent channels, by their index, from the next frame on."""
    scale: Mapping[int, float] = field(default_factory=dict)
    """Factors of latent channels, by their index; applied before the bias."""
    num_codebooks: int | None = None
    """Use only the first rows of a discrete codec; None uses all."""
    mix: float = 1.0
    """How much of the codec's sound is heard beside the input, which waits for it: 0 to 1."""
    gain_db: float = 0.0
    """Of the output, in decibels."""
    bypass: bool = False
    """Give the input, late but bit by bit; at once, without fading. The codec listens on."""

    def __post_init__(self) -> None:
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix must be 0 to 1, got {self.mix}")
        if not math.isfinite(self.gain_db) or self.gain_db > 60:
            raise ValueError(f"gain_db must be finite and at most 60, got {self.gain_db}")


class LiveCodec:
    """Runs a codec over blocks of any size, and gives as many samples back for each.

    Frames of h samples need h samples to be complete. In blocks that are a multiple of h nothing
    waits for that; where all are multiples of b, `h - gcd(b, h)` samples of silence come first, so
    that there is always enough to give back. A change of mix or gain is spread over one block,
    in a straight line.

    Args:
        codec: causal; put in eval mode, its weight norms are folded.
        block: what every block will be a multiple of, in samples; 1 allows any size.
        controls: at the start; assign to `controls` at any time, from any thread.

    Raises:
        ValueError: the codec cannot stream (the layer in the way is named), or a block below 1.
    """

    def __init__(self, codec: Codec, *, block: int = 1, controls: Controls | None = None) -> None:
        if block < 1:
            raise ValueError(f"a block must hold at least 1 sample, got {block}")
        self.spec = stream_spec(codec)
        self.codec, self.block = codec.eval(), block
        fold_weight_norm(codec)
        self._encoder, self._decoder = codec.encoder_stream(), codec.decoder_stream()
        self._like = next(iter([*codec.parameters(), *codec.buffers()]), torch.zeros(()))
        self._controls = self._checked(controls or Controls())
        self.waiting = self.spec.chunk - gcd(block, self.spec.chunk)
        """Samples that wait for a frame to become complete."""
        self.reset()

    @property
    def controls(self) -> Controls:
        """What holds from the next block on."""
        return self._controls

    @controls.setter
    def controls(self, new: Controls) -> None:
        self._controls = self._checked(new)

    @property
    def delay(self) -> int:
        """Samples by which the output is late, counted from the input at the same place."""
        return self.waiting + self.spec.delay

    @property
    def latency_ms(self) -> float:
        """From a sample's arrival to its sound in blocks of `block`, in ms, without computing."""
        return 1000 * (self.block + self.delay) / self.spec.sample_rate

    def completes(self, length: int) -> bool:
        """Whether so many samples more complete a frame, which is then computed."""
        return self._heard.shape[-1] + length >= self.spec.chunk

    @torch.inference_mode()
    def reset(self) -> None:
        """Forget all that was heard."""
        channels = self.codec.source.channels
        self._heard = torch.zeros(channels, 0)
        self._ready = torch.zeros(channels, self.waiting)
        self._dry = torch.zeros(channels, self.delay)
        self._encoding = self._encoder.initial_state(1)
        self._decoding = self._decoder.initial_state(1)
        self._levels = self._wanted(self._controls)

    @torch.inference_mode()
    def process(self, x: Tensor) -> Tensor:
        """Play one block.

        Args:
            x: `(C, n)` in [-1, 1] at the codec's rate, n a multiple of `block`.

        Returns:
            `(C, n)`, `delay` samples late.

        Raises:
            ValueError: other channels, or a length that was not agreed on.
        """
        channels, length = self.codec.source.channels, x.shape[-1]
        if x.dim() != 2 or len(x) != channels or length % self.block:
            raise ValueError(
                f"expected a block ({channels}, n), n a multiple of {self.block}, "
                f"got {tuple(x.shape)}"
            )
        controls = self._controls
        self._dry = torch.cat([self._dry, x], dim=-1)
        self._heard = torch.cat([self._heard, x], dim=-1)
        whole = self._heard.shape[-1] // self.spec.chunk * self.spec.chunk
        if whole:
            y = self._run(self._heard[None, :, :whole], controls)
            self._heard = self._heard[:, whole:]
            self._ready = torch.cat([self._ready, y], dim=-1)
        wet, self._ready = self._ready[:, :length], self._ready[:, length:]
        dry, self._dry = self._dry[:, :length], self._dry[:, length:]
        return self._blend(dry, wet, controls)

    def render(self, x: Tensor) -> Tensor:
        """Play a whole sound from silence on, block by block, as fast as it goes.

        Args:
            x: `(C, T)` in [-1, 1] at the codec's rate.

        Returns:
            `(C, T)`; the delay is taken out, so that it lies beside `x`.

        Raises:
            ValueError: other channels.
        """
        self.reset()
        length = x.shape[-1] + self.delay
        padded = F.pad(x, (0, self.delay + -length % self.block))
        played = [self.process(piece) for piece in padded.split(self.block, dim=-1)]
        return torch.cat(played, dim=-1)[:, self.delay : length]

    def _run(self, x: Tensor, controls: Controls) -> Tensor:
        latents, self._encoding = self._encoder.step(x.to(self._like), self._encoding)
        if self.codec.vocab:
            codes = self.codec.quantize(latents, controls.num_codebooks)
            latents = self.codec.dequantize(codes)
        if controls.bias or controls.scale:
            latents = edit_latents(latents, bias=controls.bias, scale=controls.scale)
        y, self._decoding = self._decoder.step(latents, self._decoding)
        return y[0].to(device="cpu", dtype=torch.float32)

    def _blend(self, dry: Tensor, wet: Tensor, controls: Controls) -> Tensor:
        before, self._levels = self._levels, self._wanted(controls)
        if controls.bypass:
            return dry.clone()
        (quieter, louder), (from_dry, from_wet) = self._levels, before
        if before == self._levels:
            return dry * quieter + wet * louder if quieter else wet * louder
        ramp = torch.arange(1, dry.shape[-1] + 1) / dry.shape[-1]
        dry = dry * (from_dry + (quieter - from_dry) * ramp)
        return dry + wet * (from_wet + (louder - from_wet) * ramp)

    def _wanted(self, controls: Controls) -> tuple[float, float]:
        """Factors of the input and of the codec's sound."""
        gain = 10 ** (controls.gain_db / 20)
        return gain * (1 - controls.mix), gain * controls.mix

    def _checked(self, controls: Controls) -> Controls:
        """Refuse here what would otherwise break in the middle of a sound."""
        edit_latents(
            torch.zeros(1, self.codec.latent_dim, 1), bias=controls.bias, scale=controls.scale
        )
        rows = len(self.codec.vocab)
        if controls.num_codebooks is not None and not 1 <= controls.num_codebooks <= rows:
            raise ValueError(
                f"num_codebooks must be 1 to {rows}, got {controls.num_codebooks}"
                if rows
                else f"{type(self.codec).__name__} is continuous: it has no codebooks"
            )
        return controls
