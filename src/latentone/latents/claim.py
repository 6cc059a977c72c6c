"""Claims on shards: one process at a time, and none left behind by a process that died."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["claim"]


@contextmanager
def claim(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Try to hold the lock file `path`; yields whether it is held.

    The claim is a kernel lock (`flock`) on an open file, so it ends with its process however that
    dies: a lock file without a holder is free. The file itself says who is at work and goes when
    the claim ends.

    Args:
        path: the lock file.
        wait: block until it is free.

    Raises:
        OSError: the file system has no locks.
    """
    descriptor = _acquire(path, wait)
    if descriptor is None:
        yield False
        return
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{socket.gethostname()} process {os.getpid()}\n".encode())
        yield True
    finally:
        # Removed while still held: whoever waits on this file then finds it gone and starts over.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int | None:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        # Between open and flock the former holder may have removed this very file; a lock on a
        # file without a name keeps nobody out.
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)
