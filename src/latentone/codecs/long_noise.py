"""Noise that belongs to a place in a sound, so that windows that overlap hear the same."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["noise_at"]


def noise_at(rng: torch.Generator | None, per_frame: int) -> Callable[[int], torch.Generator]:
    """Return `at(frame)`: a generator that stands where `frame` begins to draw.

    Uniform numbers come one after the other from a CPU's generator, whatever is asked for at a
    time; so whoever draws `per_frame` of them for each frame in turn can be met at any frame.

    Args:
        rng: draws the noise; one on another device draws the seed of one on the CPU, and so does
            chance when None.
        per_frame: uniform numbers that a frame draws.

    Returns:
        A function of frames that never go back.
    """
    if rng is None or rng.device.type != "cpu":
        device = None if rng is None else rng.device
        seed = torch.randint(2**62, (), generator=rng, device=device)
        rng = torch.Generator().manual_seed(int(seed))
    generator, state, reached = rng, rng.get_state(), 0

    def at(frame: int) -> torch.Generator:
        nonlocal state, reached
        generator.set_state(state)
        torch.rand((frame - reached) * per_frame, generator=generator)
        state, reached = generator.get_state(), frame
        return generator

    return at
