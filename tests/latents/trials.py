"""Trials that need processes of their own: kills, races, full disks, peak memory.

Run as `python trials.py FOLDER MODE...`. One interpreter imports torch and forks a child for every
trial; nothing in it starts a thread before it forks. Prints a line a mode.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
from tiny_codec import RATE, TinyCodec, TinyConfig, contents, manifest_of, write_folder
from torch import Tensor

from latentone.latents import encode_folder

LENGTHS = [800, 800, 2000, 41, 9000, 1200, 1200]
LOG = "encoded.log"


class Slow(TinyCodec):
    """Takes its time, and notes each call in a log that all processes share."""

    pause = 0.0
    log: Path | None = None

    def streams(self, x: Tensor) -> dict[str, Tensor]:
        time.sleep(self.pause)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{tuple(x.shape)} {float(x.double().sum()):.9f}\n")
        return super().streams(x)


def codec(context: int | None = 1) -> Slow:
    torch.manual_seed(0)
    model = Slow(TinyConfig(vocab=(16, 300), context=context))
    return model.eval()


def encode(folder: Path, out: Path, model: Slow | None = None, **settings: object) -> None:
    defaults = {"shard_seconds": 0.3, "batch_seconds": 1.0, "name": "tiny"}
    encode_folder(model or codec(), manifest_of(folder), out, **{**defaults, **settings})


def child(work: Callable[[], None]) -> int:
    """Run `work` in a forked process and return its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(7)


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def same(out: Path, reference: dict[str, bytes], what: str) -> None:
    found = contents(out)
    if found != reference:
        differ = [n for n in {*found, *reference} if found.get(n) != reference.get(n)]
        raise AssertionError(f"{what}: these files differ: {sorted(differ)}")


def reference(folder: Path, lengths: Sequence[int] = LENGTHS) -> dict[str, bytes]:
    write_folder(folder / "audio", lengths)
    assert wait(child(lambda: encode(folder / "audio", folder / "reference"))) == 0
    return contents(folder / "reference")


def kill_at_event(number: int, out: Path) -> Callable[[], None]:
    """Kill this process just before its n-th touch of the store."""
    left = [number]

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        touches = event in ("open", "os.rename", "os.remove", "os.mkdir", "os.truncate")
        if touches and str(arguments[0]).startswith(str(out)):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return lambda: sys.addaudithook(hook)


def kills(folder: Path, stride: int) -> tuple[int, int]:
    """Die before every `stride`-th touch of the store, once each; then at random moments."""
    wanted = reference(folder)
    number = 1 - stride
    while True:
        number += stride
        out = folder / f"event{number}"

        def work(out: Path = out, number: int = number) -> None:
            kill_at_event(number, out)()
            encode(folder / "audio", out)

        if wait(child(work)) == 0:
            break
        assert wait(child(lambda out=out: encode(folder / "audio", out))) == 0
        same(out, wanted, f"killed at event {number}")
    chance, deaths = random.Random(0), 0
    model = codec()
    model.pause = 0.004
    for trial in range(1 if stride > 1 else 5):
        out, lives = folder / f"random{trial}", 0
        while True:
            pid = child(lambda out=out: encode(folder / "audio", out, model))
            time.sleep(chance.uniform(0, 0.03 * (lives + 2)))  # longer, so that it ends
            os.kill(pid, signal.SIGKILL)
            if wait(pid) == 0:
                break
            lives, deaths = lives + 1, deaths + 1
        same(out, wanted, f"killed at random, trial {trial}")
    return (number - 1) // stride, deaths


def races(folder: Path) -> int:
    """Several processes at once, one of them killed: the same store, every item encoded once."""
    wanted = reference(folder)
    model = codec()
    model.pause, model.log = 0.01, folder / LOG
    calls = None
    for name, places in {"one": [(0, 1)], "ranks": [(0, 2), (1, 2)], "free": [(0, 1)] * 3}.items():
        (folder / LOG).write_text("")
        out = folder / name

        def work(rank: int, world: int, out: Path = out) -> None:
            encode(folder / "audio", out, model, rank=rank, world=world)

        pids = [child(lambda place=place: work(*place)) for place in places]
        assert [wait(pid) for pid in pids] == [0] * len(pids)
        same(out, wanted, name)
        found = sorted((folder / LOG).read_text().splitlines())
        calls = calls or found
        if found != calls:
            raise AssertionError(f"{name}: {len(found)} calls of the codec instead of {len(calls)}")
    model.log = None
    for trial in range(3):
        out = folder / f"widow{trial}"
        first = child(lambda out=out: encode(folder / "audio", out, model))
        second = child(lambda out=out: encode(folder / "audio", out, model))
        time.sleep(0.05 * (trial + 1))
        os.kill(first, signal.SIGKILL)
        wait(first)
        assert wait(second) == 0
        same(out, wanted, f"other process killed, trial {trial}")
    return len(calls or [])


def full(folder: Path) -> list[str]:
    """A disk that takes no large file: earlier shards stay, and the command continues later."""
    wanted = reference(folder, [*LENGTHS, 60_000])
    out = folder / "full"

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
        encode(folder / "audio", out)

    assert wait(child(work)) == 7
    for name, data in contents(out).items():
        if name != "dataset.json" and wanted[name] != data:
            raise AssertionError(f"{name} is not what it should be")
    kept = sorted(contents(out))
    assert wait(child(lambda: encode(folder / "audio", out))) == 0
    same(out, wanted, "continued")
    return kept


def memory(folder: Path) -> dict[str, int]:
    """Peak memory in MB of 10 s and of 15 minutes, in pieces (context 1) and in one piece."""
    noise = np.random.default_rng(0).integers(-9000, 9000, RATE * 10, dtype=np.int16)
    for name, repeats in {"short": 1, "long": 90}.items():
        (folder / name).mkdir()
        with soundfile.SoundFile(folder / name / "a.wav", "w", RATE, 1, "PCM_16") as file:
            for _ in range(repeats):
                file.write(noise)
    peaks = {}
    for name, context in (("short", 1), ("long", 1), ("long", None)):
        out = folder / f"{name}{context}"
        path = folder / f"{out.name}.peak"

        def work(name: str = name, context: int | None = context, path: Path = path) -> None:
            encode(folder / name, folder / path.stem, codec(context), batch_seconds=5.0)
            path.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))

        assert wait(child(work)) == 0
        peaks[out.name] = int(path.read_text())
    return peaks


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.fsync = lambda descriptor: None  # against power cuts, which are not tried here
    modes: dict[str, Callable[[Path], object]] = {
        "kills": lambda folder: kills(folder, 23),
        "all_kills": lambda folder: kills(folder, 1),
        "races": races,
        "full": full,
        "memory": memory,
    }
    for mode in sys.argv[2:]:
        place = Path(sys.argv[1]) / mode
        place.mkdir()
        try:
            print(mode, modes[mode](place), sep="\t", flush=True)
        except Exception as error:
            print(mode, f"{type(error).__name__}: {error}", sep="\t", flush=True)
