"""Windows: music longer than what a model was trained on, a piece at a time."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Window", "plan_windows"]


class Window(NamedTuple):
    """Frames `start` to `stop`, of which those before `fresh` come from earlier windows."""

    start: int
    fresh: int
    stop: int


def plan_windows(num_frames: int, size: int, overlap: int) -> list[Window]:
    """Cover `num_frames` frames; each window but the first begins with `overlap` frames again.

    >>> plan_windows(25, 10, 4)
    [Window(start=0, fresh=0, stop=10), Window(start=6, fresh=10, stop=16), \
Window(start=12, fresh=16, stop=22), Window(start=18, fresh=22, stop=25)]
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} frames does not fit in a window of {size}")
    windows = [Window(0, 0, min(size, num_frames))]
    while windows[-1].stop < num_frames:
        fresh = windows[-1].stop
        start = fresh - overlap
        windows.append(Window(start, fresh, min(start + size, num_frames)))
    return windows
