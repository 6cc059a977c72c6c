"""Small codecs trained for an equal time on the same sounds, judged on the same held-out ones.

    latentone corpus --out DATA/pop909 --midi POP909 --seconds 12 --per-piece 2 --fluidsynth yes
    cp -r SONIC_PI DATA/sonic_pi
    python benchmarks/codec_table.py DATA --runs RUNS --minutes 16.5

Trains the `small` recipe of each system, one after the other, with nothing else running; what was
stopped goes on, and what is finished is not trained again. Then it puts its tables into
docs/codecs.md: what each costs, and for each folder of the data what comes back of held-out sounds,
beside Opus, MP3 and a mel spectrogram inverted by Griffin and Lim's search. All is compared as mono
at 44.1 kHz, so a codec pays for the treble that it leaves out; a second mel column is at 22.05 kHz.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log2
from pathlib import Path
from typing import Any

import torch
from harness import machine
from held_out import Excerpt, FileCodec, excerpts, mean_of_groups

from latentone.audio import Audio, save_audio
from latentone.codecs import Codec
from latentone.codecs.mel import MelCodec
from latentone.data import Manifest
from latentone.embeddings import LogMelStatistics, embed_files
from latentone.hub import build_model
from latentone.loading import load
from latentone.metrics.distribution import frechet_distance
from latentone.metrics.reconstruction import ReconstructionMetrics
from latentone.systems.mel import RECIPES as MEL

SYSTEMS = ("encodec", "soundstream", "dac", "rave", "oobleck", "hifigan")
RATE, COMMON = 44_100, 22_050
PAGE = Path(__file__).parent.parent / "docs" / "codecs.md"
MARKS = "<!-- codec_table.py -->", "<!-- end of codec_table.py -->"
METRICS = {
    "mel": "mel",
    "mel, 22 kHz": "mel, 22 kHz",
    "stft": "STFT",
    "si_sdr": "SI-SDR dB",
    "loudness": "loudness off, LU",
}


@dataclass
class Way:
    """A way through which sounds go."""

    name: str
    run: Callable[[Audio, int], tuple[Audio, float]]
    """A sound and its number to what comes back and the bits it took, 0 where it is not coded."""
    kept: str = ""
    """What a continuous codec keeps of a second."""
    costs: dict[str, str] = field(default_factory=dict)
    bits: float = 0.0
    seconds: float = 0.0

    @property
    def rate(self) -> str:
        """Over all that went through."""
        return self.kept or f"{self.bits / self.seconds / 1000:.2f} kbit/s"


def state_of(run: Path) -> dict[str, Any]:
    """What the training says of itself; nothing where there is none."""
    path = run / "codec" / "training" / "state.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def train(system: str, data: Path, run: Path, minutes: float) -> None:
    """Train a small recipe, go on with it, or leave it as it is when it is finished."""
    state = state_of(run)
    if state.get("status") == "finished":
        root = Path(Manifest.load(run / "manifest.json").root)
        told = state["stage"]["train"]["minutes"]
        if (told, root) != (minutes, data.resolve()):
            raise SystemExit(f"{run} was trained for {told} minutes on {root}: take another folder")
        took = state["seconds"] / 60
        if not 0.85 * minutes < took < 1.1 * minutes:
            raise SystemExit(f"{run} took {took:.1f} minutes: was it alone? Train it again")
        print(f"{run} is finished")
        return
    subprocess.run(
        [
            *(sys.executable, "-m", "latentone", "train", system, "--size", "small"),
            *("--data", str(data), "--out", str(run), "--minutes", str(minutes)),
        ],
        check=True,
    )


def through(codec: Codec, audio: Audio, seed: int) -> tuple[Audio, float]:
    """Encode and decode with all codebooks."""
    x, rng = audio.resample(codec.source.sample_rate).samples[None], torch.Generator()
    latents, bits = codec.encode(x), 0.0
    if codec.vocab:
        bits = latents.shape[-1] * sum(log2(entries) for entries in codec.vocab)
        latents = codec.dequantize(codec.quantize(latents))
    y = codec.decode(latents, gain=codec.gain(x), rng=rng.manual_seed(seed))
    return codec.source.render(y[0, :, : x.shape[-1]]).resample(audio.sample_rate), bits


def costs(codec: Codec, run: Path, seconds: float) -> dict[str, str]:
    """Parameters, and how many times faster than real time it encodes, decodes and learns."""
    x = 0.1 * torch.randn(1, 1, int(seconds * codec.source.sample_rate))
    latents = codec.encode(x)
    found = {"parameters": f"{sum(p.numel() for p in codec.parameters()) / 1e6:.2f} M"}
    for name, work in {
        "encode": lambda: codec.streams(x),
        "decode": lambda: codec.decode(latents),
    }.items():
        work()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        found[name] = f"{seconds / statistics.median(times):.1f}"
    if state := state_of(run):
        train = state["stage"]["train"]
        heard = state["step"] * train["batch_size"] * train["accumulate"] * train["crop_seconds"]
        found["steps"], found["minutes"] = f"{state['step']:,}", f"{state['seconds'] / 60:.1f}"
        found["training"] = f"{heard / state['seconds']:.2f}"
    return found


@torch.inference_mode()
def measure(ways: Sequence[Way], sounds: Sequence[Excerpt], work: Path) -> list[list[str]]:
    """A row of cells for each way; leaves what was heard in `work`, a folder a way."""
    meters = {rate: ReconstructionMetrics(rate) for rate in (RATE, COMMON)}
    files: dict[str, list[Path]] = defaultdict(list)

    def keep(name: str, index: int, sound: Audio) -> None:
        path = work / name.replace("/", "-").replace(" ", "_") / f"{index:03}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_audio(path, sound)
        files[name].append(path)

    for index, excerpt in enumerate(sounds):
        keep("original", index, excerpt.sound)
    embedding, rows = LogMelStatistics(), []
    reference = embed_files(embedding, files["original"]).vectors
    for way in ways:
        found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for index, excerpt in enumerate(sounds):
            y, bits = way.run(excerpt.sound, index)
            way.bits, way.seconds = way.bits + bits, way.seconds + excerpt.sound.duration
            length = min(y.samples.shape[1], excerpt.sound.samples.shape[1])
            heard = Audio(y.samples[:, :length].clamp(-1, 1), RATE)
            keep(way.name, index, heard)
            original = Audio(excerpt.sound.samples[:, :length], RATE)
            for name, value in scores(meters, original, heard).items():
                found[name][excerpt.group].append(value)
        vectors = embed_files(embedding, files[way.name]).vectors
        distance = f"{frechet_distance(reference, vectors).value:.1f}"
        rows.append([way.name, *(mean_of_groups(found[name]) for name in METRICS), distance])
        print(" | ".join(rows[-1]), flush=True)
    return rows


def scores(
    meters: dict[int, ReconstructionMetrics], original: Audio, heard: Audio
) -> dict[str, float]:
    """One pair: distances at the full rate, and mel distance and SI-SDR at the common one."""
    full = meters[RATE](original.samples, heard.samples)
    a, b = (sound.resample(COMMON).samples for sound in (original, heard))
    common = meters[COMMON](a, b)
    return {
        "mel": full["mel_distance"],
        "stft": full["stft_distance"],
        "loudness": abs(full["loudness_difference"]),
        "mel, 22 kHz": common["mel_distance"],
        "si_sdr": common["si_sdr"],
    }


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(header)} |", "|" + " --- |" * len(header)]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def codec_ways(systems: Sequence[str], runs: Path, seconds: float) -> list[Way]:
    """The trained codecs, and the search for phases."""
    mel = build_model(MEL["small"]().codec.task.model, MelCodec).eval()  # type: ignore[union-attr]
    codecs = {system: load(runs / system).codec for system in systems}
    ways = []
    for name, codec in {**codecs, "mel + Griffin-Lim": mel}.items():
        way = Way(name, lambda x, seed, codec=codec: through(codec, x, seed))
        with torch.inference_mode():
            way.costs = costs(codec, runs / name, seconds)
        if not codec.vocab:
            way.kept = f"{codec.frame_rate * codec.latent_dim:,.0f} numbers/s"
        ways.append(way)
    return ways


def file_ways() -> list[Way]:
    """Opus and MP3 at about the rates of the codecs, and above."""
    found = []
    for name, kind, subtype, rate, levels in (
        ("Opus", "OGG", "OPUS", 48_000, (1.0, 0.97, 0.9)),
        ("MP3", "MP3", "MPEG_LAYER_III", COMMON, (0.99, 0.95)),
    ):
        for level in levels:
            codec = FileCodec(format=kind, subtype=subtype, sample_rate=rate, level=level)
            title = f"{name}, level {level:g}"
            print(f"{title}: {codec.lag} samples late, {codec.header} bytes of header")
            found.append(Way(title, lambda x, _, codec=codec: codec(x)))
    return found


def write(page: Path, lines: Sequence[str]) -> None:
    """Put the tables between their marks; the prose around them stays."""
    begin, end = MARKS
    text = page.read_text(encoding="utf-8") if page.exists() else f"{begin}\n{end}\n"
    if begin not in text or end not in text:
        raise SystemExit(f"{page} has no {begin} and {end} to write between")
    made = f"{begin}\n\n" + "\n".join(lines) + f"\n\n{end}"
    page.write_text(
        re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: made, text, flags=re.DOTALL),
        encoding="utf-8",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=16.5)
    parser.add_argument("--systems", nargs="+", default=SYSTEMS)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a held-out excerpt")
    parser.add_argument("--items", type=int, default=40, help="most excerpts of each folder")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    for system in arguments.systems:
        train(system, arguments.data, arguments.runs / system, arguments.minutes)

    torch.manual_seed(0)
    torch.set_num_threads(2)
    manifest = Manifest.load(arguments.runs / arguments.systems[0] / "manifest.json")
    folders = excerpts(manifest, RATE, seconds=arguments.seconds, most=arguments.items)
    ways = [*codec_ways(arguments.systems, arguments.runs, arguments.seconds), *file_ways()]
    lines: list[str] = []
    for folder, sounds in folders.items():
        groups = len({excerpt.group for excerpt in sounds})
        rows = measure(ways, sounds, arguments.runs / "heard" / folder)
        head = ["codec", *METRICS.values(), "Frechet"]
        lines += [f"**{folder}**: {len(sounds)} held-out excerpts of {groups} groups.", ""]
        lines += [*markdown(head, rows), ""]
    names = ("parameters", "minutes", "steps", "training", "encode", "decode")
    rows = [[way.name, way.rate, *(way.costs.get(name, "") for name in names)] for way in ways]
    costs_head = ["codec", "kept", "parameters", "minutes", "steps", "trains", "encodes", "decodes"]
    lines = [
        f"`python benchmarks/codec_table.py DATA --runs RUNS --minutes {arguments.minutes:g}` on "
        f"{machine()}. Speeds are seconds of sound per second.",
        "",
        *markdown(costs_head, rows),
        "",
        *lines[:-1],
    ]
    print("\n".join(lines))
    write(arguments.page, lines)


if __name__ == "__main__":
    main()
