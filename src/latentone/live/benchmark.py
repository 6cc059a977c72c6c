"""How long blocks take: the only question of live use that has to be measured."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from ..codecs.base import Codec
from .stream import Controls, LiveCodec

__all__ = ["BlockTimes", "measure_blocks"]


@dataclass(frozen=True, kw_only=True)
class BlockTimes:
    """Times of blocks of one size, in milliseconds."""

    block: int
    """Samples of a block."""
    block_ms: float
    """How long it sounds: the time there is."""
    blocks: int
    """How many were measured: those in which a frame became complete, so that it was computed."""
    mean_ms: float
    """Average time to compute a block, over all of them."""
    median_ms: float
    """Half take longer."""
    p99_ms: float
    """One in a hundred takes longer."""
    max_ms: float
    """The longest."""
    jitter_ms: float
    """Standard deviation."""
    late: float
    """Share of blocks, 0 to 1, that took longer than they sound."""
    delay_ms: float
    """Block and algorithm: what an infinitely fast computer would have."""

    @property
    def realtime(self) -> float:
        """How many times faster than it sounds."""
        return self.block_ms / self.mean_ms

    @property
    def latency_ms(self) -> float:
        """From a sample's arrival to its sound: block, algorithm and the usual time to compute."""
        return self.delay_ms + self.median_ms

    @property
    def safe_latency_ms(self) -> float:
        """The same with the time that 99 of 100 blocks keep to."""
        return self.delay_ms + self.p99_ms


def measure_blocks(
    codec: Codec,
    block: int,
    *,
    seconds: float = 10.0,
    warmup: int = 50,
    controls: Controls | None = None,
) -> BlockTimes:
    """Play noise block by block, as fast as it goes, and measure each block.

    Args:
        codec: causal.
        block: samples of a block.
        seconds: of sound to play.
        warmup: blocks that are not counted.
        controls: what is turned meanwhile; fewer codebooks take less time.

    Raises:
        ValueError: the codec cannot stream, or a length that holds no block.
    """
    live = LiveCodec(codec, block=block, controls=controls)
    rate = live.spec.sample_rate
    count = int(seconds * rate) // block
    if count < 1:
        raise ValueError(f"{seconds:g} s hold no block of {block} samples: measure longer")
    rng = torch.Generator().manual_seed(0)
    x = 0.1 * torch.randn(codec.source.channels, block, generator=rng)
    for _ in range(warmup):
        live.process(x)
    times = torch.empty(count, dtype=torch.float64)
    computed = torch.empty(count, dtype=torch.bool)
    for i in range(count):
        # What a block shorter than a frame only stores would hide what the others take.
        computed[i] = live.completes(block)
        start = time.perf_counter()
        live.process(x)
        times[i] = time.perf_counter() - start
    return summarise(1000 * times, computed, block=block, rate=rate, delay=live.delay)


def summarise(all_ms: Tensor, computed: Tensor, *, block: int, rate: int, delay: int) -> BlockTimes:
    """The statistics of measured times `(N,)`, of which some blocks computed a frame."""
    block_ms = 1000 * block / rate
    if not bool(computed.any()):
        raise ValueError("no frame became complete: measure longer")
    times_ms = all_ms[computed]
    return BlockTimes(
        block=block,
        block_ms=block_ms,
        blocks=len(times_ms),
        mean_ms=all_ms.mean().item(),
        median_ms=times_ms.quantile(0.5).item(),
        p99_ms=times_ms.quantile(0.99).item(),
        max_ms=times_ms.max().item(),
        jitter_ms=times_ms.std(correction=0).item(),
        late=(times_ms > block_ms).double().mean().item(),
        delay_ms=block_ms + 1000 * delay / rate,
    )
