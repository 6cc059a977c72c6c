"""Play a codec live: microphone to codec to loudspeaker, a few milliseconds later.

    latentone play run
    latentone play run --bias 0:1.5 --scale 3:0 --mix 0.7
    latentone play run --input voice.wav
    latentone play run --input voice.wav --output heard.wav
    latentone play run --benchmark
    latentone play --list-devices

Takes codecs that stream, which `latentone info` tells. --output and --benchmark need no sound
device: the same blocks go through, as fast as they can.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

if TYPE_CHECKING:
    from ..codecs.base import Codec
    from ..live import BlockTimes, Controls, LiveCodec
    from ..pipeline import Pipeline

__all__ = ["Args", "run", "table"]

WHOLE, NUMBER = tyro.conf.arg(metavar="INT"), tyro.conf.arg(metavar="FLOAT")
CHANNEL = tyro.conf.arg(metavar="DIM:VALUE")

SMALLEST = 64
"""Samples: smaller blocks spend their time on calls."""
MULTIPLES = (1, 2, 4, 8)
"""Blocks that a benchmark measures, in the one that is played if none is named."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone play`."""

    model: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="MODEL")] = None
    """Run folder, saved pipeline, codec folder, or Hub id."""
    input: Annotated[Path | None, tyro.conf.arg(aliases=["-i"], metavar="AUDIO")] = None
    """A sound instead of the microphone: any format and rate."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="AUDIO")] = None
    """Write what would be heard of --input to this file, without a sound device."""
    block: Annotated[int | None, WHOLE] = None
    """Samples that are played at a time; without it, the fewest that the codec takes, or 64."""
    bias: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, CHANNEL] = ()
    """Add VALUE to latent channel DIM (from 0); may be repeated."""
    scale: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, CHANNEL] = ()
    """Multiply latent channel DIM by VALUE, before the bias; may be repeated."""
    num_codebooks: Annotated[int | None, WHOLE] = None
    """Use only the first codebooks of a discrete codec; fewer is rougher."""
    denoise: Annotated[float | None, NUMBER] = None
    """How much noise to leave out, 0 to 1: for a SoundStream that was trained to."""
    mix: Annotated[float, NUMBER] = 1.0
    """How much of the codec's sound is heard beside the input: 0 to 1."""
    gain_db: Annotated[float, NUMBER] = 0.0
    """Of the output, in decibels."""
    seed: Annotated[int | None, WHOLE] = None
    """For decoders with chance in them: the same seed and block give the same sound."""
    device: str = "cpu"
    """Where the model computes: cpu, cuda, cuda:N or mps. Small blocks are fastest on cpu."""
    sound_device: Annotated[str | None, tyro.conf.arg(metavar="DEVICE")] = None
    """Number or name of the sound device, or two of them: MICROPHONE,LOUDSPEAKER."""
    list_devices: bool = False
    """Print the sound devices, and leave."""
    benchmark: bool = False
    """Measure how long blocks take on one thread; needs no sound device."""
    seconds: Annotated[float, NUMBER] = 10.0
    """Sound of the benchmark, for each size of block."""
    json: bool = False
    """Print the benchmark as JSON."""


def run(args: Args) -> int:
    """Play, render or measure."""
    if args.list_devices:
        from ..live import list_devices

        print(list_devices())
        return 0
    _check(args)
    import torch

    from ..live import Controls, LiveCodec
    from ._drawing import load_told
    from ._switches import set_denoise
    from .transfer import read_channels

    assert args.model is not None
    model = load_told(args.model, args.device)
    set_denoise(model.codec, args.denoise)
    controls = Controls(
        bias=read_channels("--bias", args.bias),
        scale=read_channels("--scale", args.scale),
        num_codebooks=args.num_codebooks,
        mix=args.mix,
        gain_db=args.gain_db,
    )
    if args.benchmark:
        return _benchmark(args, model, controls)
    block = args.block or _usual_block(model.codec)
    live = LiveCodec(model.codec, block=block, controls=controls)
    if args.seed is not None:
        torch.manual_seed(args.seed)
    if args.output is not None:
        _render(args, model, live)
    else:
        _play(args, model, live)
    return 0


def _check(args: Args) -> None:
    from ..audio import FORMATS

    if args.model is None:
        raise ValueError("name a MODEL to play, or ask for --list-devices")
    if args.block is not None and args.block < 1:
        raise ValueError(f"--block must be at least 1, got {args.block}")
    if args.json and not args.benchmark:
        raise ValueError("--json is the form of a --benchmark")
    if args.benchmark and (args.input is not None or args.output is not None):
        raise ValueError("--benchmark plays noise: leave out --input and --output")
    if args.output is None:
        return
    if args.input is None:
        raise ValueError("--output needs a sound; name it by --input")
    if args.output.suffix.lower() not in FORMATS:
        raise ValueError(f"{args.output}: expected a suffix of {sorted(FORMATS)}")
    if args.output.is_dir():
        raise ValueError(f"{args.output} is a folder; --output takes a file")


def _render(args: Args, model: Pipeline, live: LiveCodec) -> None:
    import time

    from ..audio import Audio
    from ._drawing import write

    assert args.input is not None and args.output is not None
    x = model.codec.source.load(args.input)
    start = time.perf_counter()
    y = live.render(x)
    taken = time.perf_counter() - start
    audio = Audio(y, model.sample_rate)
    print(f"{_latency(live)}; {audio.duration / taken:.3g} times real time")
    tags: dict[str, Any] = {
        "plays": args.input.name,
        "block": live.block,
        "bias": list(args.bias) or None,
        "scale": list(args.scale) or None,
        "mix": args.mix if args.mix != 1 else None,
        "gain_db": args.gain_db or None,
        "num_codebooks": args.num_codebooks,
        "denoise": args.denoise,
        "decoder_seed": args.seed,
    }
    write(args.output, audio, model, seed=args.seed, **tags)


def _device(named: str | None) -> int | str | tuple[int | str, int | str] | None:
    """One device, or one to hear with and one to play through."""
    if named is None:
        return None
    names = [int(name) if name.isdecimal() else name for name in map(str.strip, named.split(","))]
    if len(names) > 2 or "" in names:
        raise ValueError(f"expected one sound device or MICROPHONE,LOUDSPEAKER, got {named!r}")
    return names[0] if len(names) == 1 else (names[0], names[1])


def _play(args: Args, model: Pipeline, live: LiveCodec) -> None:
    import threading

    from ..live import HELP, Player

    sound = None if args.input is None else model.codec.source.load(args.input)
    player = Player(live, sound=sound, device=_device(args.sound_device))
    print(f"{_latency(live)}, {player.latency_ms:.1f} ms with one block to compute; Ctrl-C ends it")
    if sys.stdin is not None and sys.stdin.isatty():
        print(HELP)
        threading.Thread(target=_listen, args=(live, sys.stdin), daemon=True).start()
    try:
        player.run()
    finally:
        if player.underruns or player.dropped or player.glitches:
            print(
                f"{player.underruns} blocks came too late, {player.dropped} were dropped, the "
                f"device told of {player.glitches} gaps: try a larger --block"
            )


def _listen(live: LiveCodec, lines: Iterable[str]) -> None:
    """Turn controls by typed lines while it plays; a wrong line is told, and changes nothing."""
    from ..live import turn

    for line in lines:
        if line.strip():
            try:
                live.controls = turn(live.controls, line)
            except ValueError as error:
                print(error)


def _usual_block(codec: Codec) -> int:
    from ..codecs.streaming import stream_spec

    chunk = stream_spec(codec).chunk
    return chunk * -(-SMALLEST // chunk)


def _latency(live: LiveCodec) -> str:
    return f"blocks of {live.block} samples, {live.latency_ms:.1f} ms and the time to compute"


def _benchmark(args: Args, model: Pipeline, controls: Controls) -> int:
    from ..live import measure_blocks
    from ..processes import one_thread

    usual = _usual_block(model.codec)
    sizes = [args.block] if args.block else [usual * times for times in MULTIPLES]
    with one_thread():
        measured = [
            measure_blocks(model.codec, size, seconds=args.seconds, controls=controls)
            for size in sizes
        ]
    if args.json:
        computed = ("realtime", "latency_ms", "safe_latency_ms")
        rows = [asdict(m) | {name: getattr(m, name) for name in computed} for m in measured]
        print(json.dumps({"model": model.name, "threads": 1, "blocks": rows}, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=None, padding=(0, 2, 0, 0))
    header, rows_of_text = table(measured)
    for name in header:
        shown.add_column(name, justify="right")
    for row in rows_of_text:
        shown.add_row(*row)
    print(f"{model.name}: {args.seconds:g} s of noise for each size of block, on one thread")
    Console().print(shown, highlight=False, markup=False)
    print("latency: block, algorithm and the median time (in brackets: p99); a sound device adds")
    print("its own buffers")
    return 0


def table(measured: list[BlockTimes]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a table of benchmarks."""
    header = ["block", "lasts ms", "x real time", "mean ms", "median", "p99", "max", "jitter"]
    header += ["late", "latency ms"]
    rows = [
        [
            str(m.block),
            f"{m.block_ms:.2f}",
            f"{m.realtime:.2f}",
            *(f"{v:.2f}" for v in (m.mean_ms, m.median_ms, m.p99_ms, m.max_ms, m.jitter_ms)),
            f"{m.late:.1%}",
            f"{m.latency_ms:.1f} ({m.safe_latency_ms:.1f})",
        ]
        for m in measured
    ]
    return header, rows
