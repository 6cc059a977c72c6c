"""Playing live: how late a codec is, and how long its blocks take on one core.

    python benchmarks/live.py

RAVE's low-latency recipe (44.1 kHz, 128 samples per frame) and EnCodec at 24 kHz, with random
weights, which take as long as trained ones. Noise goes block by block through the path that
`latentone play` takes, on one thread. A sound device adds its own buffers to the latency. Which
kind of layer the time goes to is measured in a second pass, each layer timed by itself.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from harness import command, machine, record
from torch import nn

from latentone.codecs import RAVE, EnCodec, encodec_24khz
from latentone.codecs.base import Codec
from latentone.codecs.rave_config import rave_low_latency
from latentone.commands.play import table
from latentone.dsp.pqmf import PQMF
from latentone.live import LiveCodec, measure_blocks
from latentone.nn.conv import Conv1d, ConvTranspose1d
from latentone.nn.lstm import ResidualLSTM
from latentone.processes import one_thread

CODECS: dict[str, tuple[Callable[[], Codec], tuple[int, ...]]] = {
    "RAVE low_latency": (lambda: RAVE(rave_low_latency()), (128, 256, 512)),
    "EnCodec 24 kHz": (lambda: EnCodec(encodec_24khz()), (320, 640, 1280)),
}
TIMED = (Conv1d, ConvTranspose1d, PQMF, ResidualLSTM)


def shares(codec: Codec, block: int, blocks: int = 200) -> list[list[str]]:
    """Milliseconds per block of each kind of layer, and of all that lies between them."""
    live = LiveCodec(codec, block=block)
    spent: dict[str, float] = defaultdict(float)

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = time.perf_counter()
            result = function(*args)
            spent[name] += time.perf_counter() - start
            return result

        return run

    replaced: list[tuple[nn.Module, str]] = []
    for layer in codec.modules():
        if isinstance(layer, TIMED):
            for verb in ("step", "inverse_step"):
                if hasattr(layer, verb) and (layer, verb) not in replaced:
                    setattr(layer, verb, timed(type(layer).__name__, getattr(layer, verb)))
                    replaced.append((layer, verb))
    x = 0.1 * torch.randn(codec.source.channels, block)
    for _ in range(50):
        live.process(x)
    spent.clear()
    start = time.perf_counter()
    for _ in range(blocks):
        live.process(x)
    whole = time.perf_counter() - start
    for layer, verb in replaced:
        delattr(layer, verb)
    counts: dict[str, int] = defaultdict(int)
    for layer, _ in replaced:
        counts[type(layer).__name__] += 1
    spent["activations, sums, Python"] = whole - sum(spent.values())
    return [
        [name, str(counts.get(name, "")), f"{1000 * t / blocks:.2f}", f"{t / whole:.0%}"]
        for name, t in sorted(spent.items(), key=lambda item: -item[1])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of sound, for each size")
    arguments = parser.parse_args()
    rows, header = [], []
    with one_thread():
        where = machine()
        for name, (build, blocks) in CODECS.items():
            torch.manual_seed(0)
            codec = build()
            measured = [measure_blocks(codec, b, seconds=arguments.seconds) for b in blocks]
            header, cells = table(measured)
            rows += [[name, *row] for row in cells]
        torch.manual_seed(0)
        kinds = shares(RAVE(rave_low_latency()), 128)
    told = f"{command()} on {where}"
    record(
        "Live",
        f"{told}; real time, block by block. Latency: block, algorithm and median time to "
        "compute (in brackets: p99).",
        ["codec", *header],
        rows,
    )
    record(
        "Live, where the time of RAVE low_latency goes",
        f"{told}; blocks of 128 samples, 2.90 ms.",
        ["layers", "how many", "ms per block", "share"],
        kinds,
    )


if __name__ == "__main__":
    main()
