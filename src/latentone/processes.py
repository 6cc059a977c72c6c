"""Work on one thread, or in several processes: spawned, and none outlives the work."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["in_processes", "kept_threads", "one_thread"]

T = TypeVar("T")
R = TypeVar("R")


@contextmanager
def kept_threads() -> Iterator[None]:
    """Give this process back the threads it computed on, whatever a library sets meanwhile.

    numba, for one, starts its own pool and leaves OpenMP with as many threads as there are cores:
    what torch computes from then on is rounded otherwise, and competes with other processes.
    """
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread while it lasts."""
    import torch

    with kept_threads():
        torch.set_num_threads(1)
        yield


def in_processes(
    function: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    *,
    setup: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[R]:
    """Yield `function(item)` in the order of `items`, two items a worker ahead at most.

    However the loop over it ends, no process is left. The processes import the calling script,
    whose own work must therefore stand below `if __name__ == "__main__":`.

    Args:
        function: of a module, so that it can be sent.
        items: may be lazy.
        workers: processes, 1 or more.
        setup: called once in each process.
        arguments: of `setup`.

    Raises:
        RuntimeError: a process ended; what it may have worked on is named.
        Exception: what `function` raised.
    """
    others = set(multiprocessing.active_children())
    # Spawned, not forked: a forked child of a process with torch threads may hang. One BLAS
    # thread each, set before the child loads NumPy.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(setup, arguments),
    )
    source, waiting = iter(items), deque[tuple[T, Future[R]]]()
    try:
        for item in itertools.islice(source, 2 * workers):
            waiting.append((item, pool.submit(function, item)))
        while waiting:
            result = waiting[0][1].result()
            waiting.popleft()
            for item in itertools.islice(source, 1):
                waiting.append((item, pool.submit(function, item)))
            yield result
    except BrokenProcessPool as error:
        raise RuntimeError(
            f"a worker process ended at one of {', '.join(str(item) for item, _ in waiting)}. "
            "Killed, it usually had too little memory: use fewer workers. Ended at its start, it "
            "usually imported a script whose work does not stand below `if __name__ == "
            "'__main__':`"
        ) from error
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _begin(setup: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    torch.set_num_threads(1)
    if setup is not None:
        setup(*arguments)
