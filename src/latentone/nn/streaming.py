"""The streaming contract: state is data, `step` over chunks equals `forward` over the whole."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

__all__ = ["Streamable", "StreamingResidual", "StreamingSequential", "obstacle"]


@runtime_checkable
class Streamable(Protocol):
    """A causal module that can run chunk by chunk."""

    chunk: int
    """Smallest legal input of a step, and what every input must be a multiple of."""
    latency: int
    """Delay in output units."""

    def initial_state(self, batch: int) -> list[Tensor]:
        """State before the first step: a flat list of tensors."""
        ...

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Consume `(B, C, n * chunk)`; return what is ready and the next state."""
        ...


def obstacle(module: nn.Module) -> str | None:
    """The first layer that keeps `module` from streaming and why, such as `layers.0: a centred
    convolution ...`; None where no layer does."""
    for name, layer in module.named_modules():
        check = getattr(layer, "require_streamable", None)
        if check is not None:
            try:
                check()
            except ValueError as error:
                return f"{name}: {error}"
    return None


class StreamingSequential(nn.Sequential):
    """Layers in a row that run offline by `forward` and chunk by chunk by `step`.

    A layer without `step` must be pointwise in time (an activation): it is simply called. The
    state is the layers' states one after the other.
    """

    def initial_state(self, batch: int) -> list[Tensor]:
        """The states of all layers before the first sample."""
        return [tensor for layer in self._stateful() for tensor in layer.initial_state(batch)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one chunk through all layers.

        Raises:
            ValueError: `state` has more or fewer tensors than `initial_state` gives.
        """
        if len(state) != self.num_states:
            raise ValueError(f"expected a state of {self.num_states} tensors, got {len(state)}")
        after: list[Tensor] = []
        layer: Any
        for layer in self:
            if hasattr(type(layer), "step"):  # a module's own look-up is slow where it fails
                x, new = layer.step(x, state[len(after) : len(after) + layer.num_states])
                after += new
            else:
                x = layer(x)
        return x, after

    @cached_property
    def num_states(self) -> int:
        """Tensors in the state; counted once, since every step asks."""
        return sum(layer.num_states for layer in self._stateful())

    def _stateful(self) -> list[Any]:
        return [layer for layer in self if hasattr(type(layer), "step")]


class StreamingResidual(nn.Module):
    """`shortcut(x) + block(x)`, streaming if the block does.

    A subclass registers its layers by the names that published weights have, and gives both.
    """

    @property
    def residual(self) -> tuple[nn.Module | None, StreamingSequential]:
        """The shortcut, of one tap and so without a state, or None for `x`; and the block."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        shortcut, block = self.residual
        return (x if shortcut is None else shortcut(x)) + block(x)

    @property
    def num_states(self) -> int:
        """Tensors in the state."""
        return self.residual[1].num_states

    def initial_state(self, batch: int) -> list[Tensor]:
        """The state of the block."""
        return self.residual[1].initial_state(batch)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one chunk `(B, C, n)`."""
        shortcut, block = self.residual
        y, state = block.step(x, state)
        return (x if shortcut is None else shortcut(x)) + y, state
