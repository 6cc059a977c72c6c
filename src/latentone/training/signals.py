"""Ctrl-C and SIGTERM end a training at the next step, with its checkpoint written."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Interrupted", "StopRequest"]


class Interrupted(KeyboardInterrupt):
    """A training that was asked to stop, and saved what it had."""


class StopRequest:
    """Notes the first SIGINT or SIGTERM instead of dying of it; a context manager.

    A second Ctrl-C raises KeyboardInterrupt at once. Outside the main thread, where Python allows
    no handlers, nothing is caught.
    """

    def __init__(self) -> None:
        self.name = ""
        self._before: dict[signal.Signals, Any] = {}

    def on_any_rank(self, fabric: Fabric) -> bool:
        """Whether any process was asked to stop; all of them get the same answer."""
        if fabric.world_size == 1:
            return bool(self.name)
        asked = torch.tensor(float(bool(self.name)), device=fabric.device)
        torch.distributed.all_reduce(asked)
        return bool(asked > 0)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
