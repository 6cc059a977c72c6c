"""How much memory a training step takes, counted on one item before anything is trained.

Autograd hands everything that it keeps for a backward pass to a pair of hooks. Counting what is
alive between them, storage by storage, gives the peak of the activations of a real step on any
device, on the CPU as for an accelerator: what is kept does not depend on the device, but for
arithmetic in 16 bits, which keeps less. Weights, their gradients and Adam's two moments come on
top; temporaries inside one operation are not seen, and belong to the caller's margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .task import Batch, Task

__all__ = ["Footprint", "footprint", "kept_bytes", "state_bytes"]


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a training needs at least."""

    state_bytes: int
    """Weights, gradients, optimisers: whatever the batch."""
    item_bytes: int
    """What is kept of each item of a micro-batch until its backward pass."""

    def total(self, items: int) -> int:
        """Bytes of a micro-batch of so many items."""
        return self.state_bytes + items * self.item_bytes


def footprint(task: Task, batch: Batch, *, total_steps: int = 1) -> Footprint:
    """Count a step of a task on a batch of one item; the task's weights stay as they are.

    Args:
        task: on the CPU.
        batch: one item.
        total_steps: what the task takes for the length of the training.
    """
    counted = kept_bytes(task, lambda: task.step(batch, _Once(task, total_steps)))
    for module in task.modules.values():
        module.zero_grad(set_to_none=True)
    return Footprint(state_bytes=state_bytes(task), item_bytes=counted)


def state_bytes(task: Task) -> int:
    """Bytes of weights, of gradients and Adam's moments where something learns, and of buffers."""
    tensors = {id(t): t for m in task.modules.values() for t in (*m.parameters(), *m.buffers())}
    learning = {id(p) for m in task.modules.values() for p in m.parameters() if p.requires_grad}
    return sum(t.nbytes * (4 if key in learning else 1) for key, t in tensors.items())


def kept_bytes(task: Task, step: Callable[[], Any]) -> int:
    """The most that autograd keeps at a time while `step` runs, weights and buffers left out."""
    own = {_place(t) for m in task.modules.values() for t in (*m.parameters(), *m.buffers())}
    holders: Counter[int] = Counter()
    alive = peak = 0

    class Kept:
        """A tensor that autograd keeps; what autograd lets go of is collected at once."""

        def __init__(self, tensor: Tensor) -> None:
            nonlocal alive, peak
            self.tensor, self.place = tensor, _place(tensor)
            if self.place not in own:
                holders[self.place] += 1
                if holders[self.place] == 1:
                    alive += tensor.untyped_storage().nbytes()
                    peak = max(peak, alive)

        def __del__(self) -> None:
            nonlocal alive
            if self.place not in own:
                holders[self.place] -= 1
                if holders[self.place] == 0:
                    alive -= self.tensor.untyped_storage().nbytes()

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        step()
    return peak


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class _Once:
    """The trainer of a single step, after which no weight has moved."""

    rank, world = 0, 1

    def __init__(self, task: Task, total_steps: int) -> None:
        self.modules: dict[str, nn.Module] = task.modules
        self.step, self.total_steps = 0, total_steps
        self.device = torch.device("cpu")
        self.rng = torch.Generator().manual_seed(0)

    def module(self, name: str) -> nn.Module:
        return self.modules[name]

    def frozen(self, name: str) -> Callable[..., Any]:
        return partial(self._call, self.modules[name])

    def _call(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        learning = [p for p in module.parameters() if p.requires_grad]
        for parameter in learning:
            parameter.requires_grad_(False)
        try:
            return module(*args, **kwargs)
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def optimize(self, name: str) -> None:
        """Nothing: it is about the memory."""
