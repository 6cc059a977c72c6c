"""What a training says while it runs: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

__all__ = ["TrainingProgress", "clock"]

LINE_SECONDS = 10.0
SHOWN_LOSSES = 4


def clock(seconds: float) -> str:
    """Write a duration: `0:07`, `12:05`, `3:04:09`."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


class TrainingProgress:
    """Shows step, rate, time left and losses; a context manager.

    Args:
        title: what is trained.
        total: optimiser steps in all.
        done: steps done before this process.
        shown: False keeps silent (other ranks, tests, `progress=False`).
        console: where to; the terminal's stderr by default.
    """

    def __init__(
        self,
        title: str,
        total: int,
        done: int = 0,
        *,
        shown: bool = True,
        console: Console | None = None,
    ) -> None:
        self.title, self.total, self.first, self.shown = title, total, done, shown
        self.console = console or Console(file=sys.stderr)
        self.live = shown and self.console.is_terminal
        self.started = self.last_line = time.monotonic()
        self.losses = ""
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}  {task.fields[left]}  {task.fields[losses]}"),
            console=self.console,
            disable=not self.live,
        )
        self.line = self.bar.add_task(
            title, total=total, completed=done, rate="", left="", losses=""
        )

    def __enter__(self) -> Self:
        if self.live:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live:
            self.bar.stop()

    def say(self, text: str) -> None:
        """Print one line above the bar; nothing for an empty text."""
        if self.shown and text:
            self.console.print(f"{self.title}: {text}", highlight=False, markup=False)

    def show(self, losses: Mapping[str, Any]) -> None:
        """Take the newest losses, to be shown with the steps that follow."""
        chosen = sorted(
            losses, key=lambda name: (name != "loss", "/" in name and "loss" not in name)
        )
        self.losses = "  ".join(
            f"{name} {float(losses[name]):.4g}" for name in chosen[:SHOWN_LOSSES]
        )

    def advance(self, step: int) -> None:
        """Report `step` optimiser steps done."""
        if not self.shown:
            return
        now = time.monotonic()
        rate = (step - self.first) / max(1e-9, now - self.started)
        speed = f"{rate:.2f} steps/s" if rate < 100 else f"{rate:.0f} steps/s"
        left = f"{clock((self.total - step) / rate)} left" if rate > 0 else ""
        if self.live:
            self.bar.update(self.line, completed=step, rate=speed, left=left, losses=self.losses)
        elif now - self.last_line >= LINE_SECONDS or step == self.total:
            self.last_line = now
            self.say(f"step {step}/{self.total}  {speed}  {left}  {self.losses}".rstrip())
