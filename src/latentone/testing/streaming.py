"""What every streaming module promises: state is data, chunks equal the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..nn.streaming import Streamable
from .promises import require, require_close

__all__ = ["verify_streaming"]


def verify_streaming(
    offline: Callable[[Tensor], Tensor],
    module: Streamable,
    x: Tensor,
    *,
    chunks: Sequence[int] = (1, 2, 3, 8, 64),
    tolerance: float = 1e-5,
) -> None:
    """Check that stepping over chunks equals one offline pass.

    Also: mixed chunk sizes, a state that is data (a step from the same state repeats, and leaves
    it untouched), and causality (the future does not change what is already out).

    Args:
        offline: the whole computation, `(B, C, T)` to `(B, D, F)`.
        module: what streams.
        x: input `(B, C, T)`; T is cut to whole chunks.
        chunks: chunk sizes to try, in units of `module.chunk`.
        tolerance: largest difference relative to the largest value.

    Raises:
        AssertionError: a promise is broken; the message names it.
    """
    require(isinstance(module, Streamable), "the module lacks chunk, latency, or step")
    units = x.shape[-1] // module.chunk
    require(units >= 2, f"the input holds {units} chunks, at least 2 are needed")
    x = x[..., : units * module.chunk]
    with torch.no_grad():
        expected = offline(x)
        expected = expected[..., : expected.shape[-1] - module.latency]
        mixed = [1 + (3 * i) % 5 for i in range(units)]
        for sizes in [[size] * units for size in chunks] + [mixed]:
            got = _stream(module, x, sizes)[..., module.latency :]
            require_close(got, expected, tolerance, f"chunks of {sizes[:5]}... differ from offline")
        _verify_state(module, x)
        half = units // 2 * module.chunk
        other = torch.cat([x[..., :half], torch.randn_like(x[..., half:])], dim=-1)
        past = _stream(module, x[..., :half], [1] * units)[..., module.latency :].shape[-1]
        require_close(
            offline(other)[..., :past], offline(x)[..., :past], tolerance, "the future leaks back"
        )


def _stream(module: Streamable, x: Tensor, sizes: Sequence[int]) -> Tensor:
    state, done, out = module.initial_state(x.shape[0]), 0, []
    for size in sizes:
        piece = x[..., done : done + size * module.chunk]
        if not piece.shape[-1]:
            break
        y, state = module.step(piece, state)
        out.append(y)
        done += piece.shape[-1]
    return torch.cat(out, dim=-1)


def _verify_state(module: Streamable, x: Tensor) -> None:
    first, second = x[..., : module.chunk], x[..., module.chunk : 2 * module.chunk]
    _, state = module.step(first, module.initial_state(x.shape[0]))
    kept = [tensor.clone() for tensor in state]
    once, after = module.step(second, state)
    module.step(first, after)
    again, _ = module.step(second, state)
    require(torch.equal(once, again), "a step from the same state gives another result")
    same = all(torch.equal(a, b) for a, b in zip(kept, state, strict=True))
    require(same, "a step changes the state it was given")
