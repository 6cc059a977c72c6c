"""The trainer as a task sees it: wrapped modules, backward, optimise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from .chance import seed_everything
from .health import Diagnosis
from .task import Batch, Optimization, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["FabricRun", "TrainingDiverged"]


class TrainingDiverged(RuntimeError):
    """A loss or gradient that is no finite number: `diagnosis`, `step`, and the `ids` at hand."""

    def __init__(self, diagnosis: Diagnosis, step: int, ids: list[str]) -> None:
        super().__init__(f"{diagnosis}.")
        self.diagnosis = diagnosis
        self.step = step
        self.ids = ids

    def advise(self, text: str) -> None:
        """Add what is left and how to go on."""
        self.args = (f"{self} {text}",)


class FabricRun:
    """Implements `task.Run` on Lightning Fabric; the loop in `fit.py` drives it.

    Args:
        fabric: launched.
        task: its modules are moved to the device and wrapped.
        seed: of all chance in the training.
        accumulate: micro-batches of one optimiser step.
    """

    step: int
    total_steps: int
    rank: int
    world: int
    rng: torch.Generator
    device: torch.device

    def __init__(self, fabric: Fabric, task: Task, *, seed: int, accumulate: int) -> None:
        self.fabric = fabric
        self.step, self.total_steps = 0, 0
        self.rank, self.world, self.device = fabric.global_rank, fabric.world_size, fabric.device
        self.seed, self.accumulate = seed, accumulate
        self.rng = torch.Generator(device=self.device)
        self.scalars: dict[str, Tensor | float] = {}
        self._bare = task.modules
        self._wrapped: dict[str, Any] = {
            name: self._setup(module) for name, module in task.modules.items()
        }
        self._evaluating = False
        self._last_micro = True
        self._batch: Batch = {}
        self._losses: list[tuple[Tensor, list[str]]] = []
        self.optimizations: dict[str, Optimization] = task.optimizers()
        for name, optimization in self.optimizations.items():
            if optimization.module not in task.modules:
                raise ValueError(
                    f"optimiser {name!r} owns module {optimization.module!r}, which the task "
                    f"does not have; its modules: {sorted(task.modules)}"
                )
            for group in optimization.optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self._steppers: dict[str, Any] = {
            name: fabric.setup_optimizers(o.optimizer) for name, o in self.optimizations.items()
        }

    def _setup(self, module: nn.Module) -> nn.Module:
        if self.world > 1 and not any(p.requires_grad for p in module.parameters()):
            return self.fabric.to_device(module)  # DDP refuses a module with nothing to average
        return self.fabric.setup_module(module)

    # What a task calls

    def module(self, name: str) -> nn.Module:
        """See `task.Run.module`."""
        return self._bare[name] if self._evaluating else self._wrapped[name]

    def frozen(self, name: str) -> Callable[..., Any]:
        """See `task.Run.frozen`."""
        return partial(self._call_frozen, self._bare[name])

    def _call_frozen(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        learning = [p for p in module.parameters() if p.requires_grad]
        try:
            for parameter in learning:
                parameter.requires_grad_(False)
            with self.fabric.autocast():
                return module(*args, **kwargs)
        finally:
            for parameter in learning:
                parameter.requires_grad_(True)

    def backward(self, loss: Tensor) -> None:
        """See `task.Run.backward`."""
        self._losses.append((loss.detach(), list(self._batch.get("ids", []))))
        # A loss of inf can have finite gradients, and then only this rank would know. Multiplied
        # by nan, its gradients are nan, and after the reduction every rank stops at this step.
        finite = torch.where(torch.isfinite(loss.detach()), 1.0, torch.nan)
        self.fabric.backward(loss * finite / self.accumulate)

    def optimize(self, name: str) -> None:
        """See `task.Run.optimize`."""
        if not self._last_micro:
            return
        _, _, clip, schedule = self.optimizations[name]
        optimizer = self.optimizations[name].optimizer
        parameters = [
            p for group in optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
        if not torch.isfinite(norm):
            self._diverged(name)
        if clip is not None:
            clip_grads_with_norm_(parameters, clip, norm)
        factor = 1.0 if schedule is None else float(schedule(self.step, self.total_steps))
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        self._steppers[name].step()
        optimizer.zero_grad()
        self.scalars[f"grad_norm/{name}"] = norm
        self.scalars[f"lr/{name}"] = optimizer.param_groups[0]["lr"]

    def _diverged(self, name: str) -> None:
        bad = [(loss, ids) for loss, ids in self._losses if not torch.isfinite(loss)]
        loss_only = [float(loss) for loss, _ in bad]
        ids = [i for _, items in (bad or self._losses) for i in items]
        if self.world > 1:
            everyone: list[Any] = [None] * self.world
            torch.distributed.all_gather_object(everyone, (loss_only, ids))
            loss_only = [value for values, _ in everyone for value in values]
            guilty = [e for e in everyone if e[0]] or everyone
            ids = [i for _, items in guilty for i in items]
        ids = list(dict.fromkeys(ids))
        what = f"a loss of {loss_only[0]}" if loss_only else "gradients that are not finite"
        sign = (
            f"step {self.step} gave {what}, optimiser {name!r}, on the items "
            f"{', '.join(ids) or 'without ids'}"
        )
        raise TrainingDiverged(Diagnosis("nan", sign), self.step, ids)

    # What the loop calls

    @contextmanager
    def micro_step(self, micro: int, batch: Batch) -> Iterator[None]:
        """Surround `task.step` on micro-batch `micro` of an optimiser step."""
        self._seed(self.step, micro, self.rank)
        self._last_micro = micro == self.accumulate - 1
        self._batch = batch
        if micro == 0:
            self._losses.clear()
        with ExitStack() as stack:
            if self.world > 1 and not self._last_micro:
                for name, wrapped in self._wrapped.items():
                    if wrapped is not self._bare[name]:
                        stack.enter_context(self.fabric.no_backward_sync(wrapped))
            yield

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Surround validation and preview: eval mode, no gradients, bare modules."""
        self._evaluating = True
        for module in self._bare.values():
            module.eval()
        try:
            with torch.no_grad(), self.fabric.autocast():
                yield
        finally:
            self._evaluating = False
            for module in self._bare.values():
                module.train()

    def seed_validation(self, batch: int) -> None:
        """Give validation batch `batch` the same chance every time."""
        self._seed(-1, batch, self.rank)

    def _seed(self, *numbers: int) -> None:
        self.rng.manual_seed(seed_everything(self.seed, *numbers))
