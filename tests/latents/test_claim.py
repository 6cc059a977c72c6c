from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from latentone.latents.claim import claim

HOLD = """
import runpy, sys
from pathlib import Path
claim = runpy.run_path(sys.argv[2])["claim"]  # without importing torch
with claim(Path(sys.argv[1])) as held:
    print(held, flush=True)
    sys.stdin.read()
"""


def test_one_holds_and_the_other_does_not(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    with claim(lock) as first, claim(lock) as second:
        assert (first, second) == (True, False)
        assert f"process {os.getpid()}" in lock.read_text()
    assert not lock.exists()
    with claim(lock) as again:
        assert again


def test_it_ends_with_an_error(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    try:
        with claim(lock):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    with claim(lock) as held:
        assert held


def test_the_claim_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "a.lock"
    command = [sys.executable, "-c", HOLD, str(lock), str(sys.modules[claim.__module__].__file__)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"True\n"
        with claim(lock) as held:
            assert not held
        holder.kill()
        holder.wait()
    assert lock.exists(), "it died without tidying up"
    with claim(lock) as held:
        assert held
    assert not lock.exists()
