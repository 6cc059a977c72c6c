"""What nn~ holds: methods with channels and ratios, attributes, and state between blocks.

This module is compiled by `torch.jit.script`, which reads its source and its annotations: plain
statements only, and no postponed annotations.
"""

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Model"]

BOOL = 0
"""How nn~ numbers the type of an attribute."""


class Model(nn.Module):
    """Traced steps and the state of their streams, reset to its start by the attribute `reset`.

    State is exchanged, never written into: a host calls in inference mode, whose tensors cannot be
    written to outside of it.

    Args:
        steps: traced `encode_step`, `decode_step` and `quiet_step`.
        starts: flat states `(1, N)` of encoder and decoder before the first block.
        channels: of the sound.
        dim: channels of latents, or rows of codes.
        hop_length: samples per frame.
        noise: whether there is noise to switch.
        sample_rate: for whom it may concern.
        latency: samples by which `forward` is late, if it gets whole frames.
        fingerprint: of the codec's latents.
    """

    encode_state: Tensor
    encode_start: Tensor
    decode_state: Tensor
    decode_start: Tensor
    waiting: Tensor
    ready: Tensor

    def __init__(
        self,
        steps: Any,
        starts: list[Tensor],
        *,
        channels: int,
        dim: int,
        hop_length: int,
        noise: bool,
        sample_rate: int,
        latency: int,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.hop_length, self.sample_rate, self.latency = hop_length, sample_rate, latency
        self.fingerprint = fingerprint
        self.noise, self.has_noise = noise, noise
        sound = [f"(signal) sound {i + 1}" for i in range(channels)]
        latents = [f"(signal) latent {i + 1}" for i in range(dim)]
        ends = {"sound": (channels, 1, sound), "latents": (dim, hop_length, latents)}
        for name, (source, target) in {
            "encode": ("sound", "latents"),
            "decode": ("latents", "sound"),
            "forward": ("sound", "sound"),
        }.items():
            inputs, outputs = ends[source], ends[target]
            self.register_buffer(f"{name}_params", torch.tensor([*inputs[:2], *outputs[:2]]))
            setattr(self, f"{name}_input_labels", inputs[2])
            setattr(self, f"{name}_output_labels", outputs[2])
        for name in ["reset", "noise"]:
            self.register_buffer(f"{name}_params", torch.tensor([BOOL]))
        for name, start in zip(["encode", "decode"], starts, strict=True):
            self.register_buffer(f"{name}_start", start)
            self.register_buffer(f"{name}_state", start.clone())
        self.register_buffer("waiting", torch.zeros(1, channels, 0))
        self.register_buffer("ready", torch.zeros(1, channels, 0))

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        """Latents `(B, dim, n / hop_length)` of the next samples `(B, channels, n)`."""
        if x.shape[2] % self.hop_length != 0:
            raise ValueError(
                f"encode takes a multiple of {self.hop_length} samples, got {x.shape[2]}"
            )
        if x.shape[2] == 0:
            raise ValueError("encode got no samples")
        state = self.encode_state
        if state.shape[0] != x.shape[0]:  # another number of rows: start anew
            state = self.encode_start.expand(x.shape[0], -1)
        y, state = self.steps.encode_step(x, state)
        self.encode_state = state
        return y

    @torch.jit.export
    def decode(self, x: Tensor) -> Tensor:
        """Samples `(B, channels, n * hop_length)` of the next frames `(B, dim, n)`."""
        state = self.decode_state
        if state.shape[0] != x.shape[0]:
            state = self.decode_start.expand(x.shape[0], -1)
        if self.noise:
            y, state = self.steps.decode_step(x, state)
        else:
            y, state = self.steps.quiet_step(x, state)
        self.decode_state = state
        return y

    def forward(self, x: Tensor) -> Tensor:
        """As many samples `(B, channels, n)` as come in.

        Blocks that are no whole number of frames wait for one another; `hop_length` samples of
        silence come first, so that there is always enough to give.
        """
        if self.ready.shape[0] != x.shape[0]:
            self.waiting = x[:, :, :0]
            self.ready = x[:, :, :0]
        if self.ready.shape[2] == 0:
            if x.shape[2] % self.hop_length == 0:
                return self.decode(self.encode(x))
            self.ready = torch.zeros([x.shape[0], x.shape[1], self.hop_length]).to(x)
        held = torch.cat([self.waiting, x], dim=2)
        whole = held.shape[2] // self.hop_length * self.hop_length
        ready = self.ready
        if whole > 0:
            ready = torch.cat([ready, self.decode(self.encode(held[:, :, :whole]))], dim=2)
        self.waiting = held[:, :, whole:].clone()
        self.ready = ready[:, :, x.shape[2] :].clone()
        return ready[:, :, : x.shape[2]]

    @torch.jit.export
    def get_methods(self) -> list[str]:
        return ["encode", "decode", "forward"]

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        if self.has_noise:
            return ["reset", "noise"]
        return ["reset"]

    @torch.jit.export
    def get_reset(self) -> list[bool]:
        return [False]

    @torch.jit.export
    def set_reset(self, value: bool) -> int:
        """Forget all that was heard, if `value`."""
        if value:
            self.encode_state = self.encode_start
            self.decode_state = self.decode_start
            self.waiting = self.waiting[:1, :, :0].clone()
            self.ready = self.ready[:1, :, :0].clone()
        return 0

    @torch.jit.export
    def get_noise(self) -> list[bool]:
        return [self.noise]

    @torch.jit.export
    def set_noise(self, value: bool) -> int:
        """Let the decoder's noise be heard, or not; -1 where there is none."""
        if not self.has_noise:
            return -1
        self.noise = value
        return 0
