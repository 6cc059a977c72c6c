"""Codecs as streams: which can, how late they are, and which layer is in the way of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lcm
from typing import TYPE_CHECKING

from torch import Tensor, nn

from ..nn.streaming import Streamable, obstacle

if TYPE_CHECKING:
    from .base import Codec

__all__ = ["Around", "StreamSpec", "part_stream", "refuse", "stream_spec"]

ADVICE = (
    "train one whose network is causal, such as `latentone train rave --size low_latency` or "
    "`latentone train encodec --size small`"
)


@dataclass(frozen=True, kw_only=True)
class StreamSpec:
    """How a codec streams, from sound to sound."""

    sample_rate: int
    """Samples per second."""
    chunk: int
    """Samples of the smallest block, which must be complete before anything comes out."""
    delay: int
    """Samples by which the output is late, counted from the input at the same place."""

    @property
    def latency_ms(self) -> float:
        """From a sample's arrival to its sound, in ms, on an infinitely fast computer."""
        return 1000 * (self.chunk + self.delay) / self.sample_rate

    def describe(self) -> str:
        """One line for people."""
        text = f"{self.latency_ms:.1f} ms and the time to compute, by {self.chunk} samples"
        return text if not self.delay else f"{text}, {self.delay} samples late"


class Around:
    """A stream between functions that are pointwise in time; without an inner one, only these.

    Args:
        inner: what holds the state, or None.
        before: changes its input.
        after: changes its output.
    """

    def __init__(
        self,
        inner: Streamable | None = None,
        *,
        before: Callable[[Tensor], Tensor] | None = None,
        after: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.inner, self.before, self.after = inner, before, after
        self.chunk = 1 if inner is None else inner.chunk
        self.latency = 0 if inner is None else inner.latency

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of the inner stream."""
        return [] if self.inner is None else self.inner.initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one chunk."""
        x = x if self.before is None else self.before(x)
        if self.inner is not None:
            x, state = self.inner.step(x, state)
        return x if self.after is None else self.after(x), state


def part_stream(codec: Codec, part: str) -> Streamable:
    """The module `part` of a codec, if it can stream.

    Raises:
        ValueError: it cannot; names the layer in the way, and what to do.
    """
    module = getattr(codec, part, None)
    if not isinstance(module, nn.Module):
        whole = codec.encode_obstacle if part == "encoder" else codec.decode_obstacle
        raise refuse(codec, whole or f"it has no {part} with a state")
    why = obstacle(module)
    if why is not None:
        raise refuse(codec, f"{part}.{why}")
    if not isinstance(module, Streamable):
        whole = codec.encode_obstacle if part == "encoder" else codec.decode_obstacle
        raise refuse(codec, whole or f"its {part} ({type(module).__name__}) has no step")
    return module


def refuse(codec: Codec, why: str) -> ValueError:
    """The error for a codec that cannot stream."""
    return ValueError(f"this {type(codec).__name__} cannot stream: {why}; {ADVICE}")


def stream_spec(codec: Codec) -> StreamSpec:
    """Smallest block and delay of a codec.

    Raises:
        ValueError: it cannot stream; names the layer in the way, and what to do.
    """
    encoder, decoder = codec.encoder_stream(), codec.decoder_stream()
    hop = codec.num_samples(2) - codec.num_samples(1)
    return StreamSpec(
        sample_rate=codec.source.sample_rate,
        chunk=lcm(encoder.chunk, decoder.chunk * hop),
        delay=encoder.latency * hop + decoder.latency,
    )
