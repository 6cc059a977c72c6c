"""Small codecs trained for an equal time on the same sounds, judged on the same held-out ones.

    latentone corpus --out DATA/pop909 --midi POP909 --seconds 12 --per-piece 2
    cp -r SONIC_PI DATA/sonic_pi
    python benchmarks/codec_table.py DATA --runs RUNS --minutes 15

Trains the `small` recipe of each system, one after the other, with nothing else running; a run that
is there already is not trained again. Then writes docs/codecs.md: what comes back of held-out
sounds, beside Opus, MP3 and a mel spectrogram inverted by Griffin and Lim's search, with rates,
parameters and speeds. Everything is compared as mono at 44.1 kHz, so a codec pays for the treble
that it leaves out; the second mel column is at 22.05 kHz, which all of them reach.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log2
from pathlib import Path

import soundfile
import torch
from harness import machine

from latentone.audio import Audio, load_audio, save_audio
from latentone.codecs import Codec
from latentone.codecs.mel import MelCodec
from latentone.data import Item, Manifest
from latentone.embeddings import LogMelStatistics, embed_files
from latentone.hub import build_model
from latentone.loading import load
from latentone.metrics.distribution import frechet_distance
from latentone.metrics.reconstruction import ReconstructionMetrics
from latentone.systems.mel import RECIPES as MEL

SYSTEMS = ("encodec", "soundstream", "dac", "rave", "oobleck", "hifigan")
RATE, COMMON = 44_100, 22_050
PAGE = Path(__file__).parent.parent / "docs" / "codecs.md"
Heard = tuple[Audio, str, float | None]
"""What came back, in what it was kept, and kbit/s where that is a number of bits."""


@dataclass
class Row:
    """What was measured of one way through."""

    name: str
    run: Callable[[Audio], Heard]
    facts: dict[str, str] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rates: list[float] = field(default_factory=list)
    kept: str = ""


def train(system: str, data: Path, run: Path, minutes: float) -> None:
    """Train a small recipe, unless the run is there and finished."""
    if (run / "codec" / "config.json").exists():
        print(f"{run} is there")
        return
    subprocess.run(
        [
            *(sys.executable, "-m", "latentone", "train", system, "--size", "small"),
            *("--data", str(data), "--out", str(run), "--minutes", str(minutes)),
        ],
        check=True,
    )


def through(codec: Codec, audio: Audio) -> Heard:
    """Encode and decode with all codebooks."""
    x = audio.resample(codec.source.sample_rate).samples[None]
    latents = codec.encode(x)
    if not codec.vocab:
        kept = f"{codec.frame_rate * codec.latent_dim:,.0f} numbers/s"
        y = codec.decode(latents, gain=codec.gain(x))
        return codec.source.render(y[0, :, : x.shape[-1]]).resample(RATE), kept, None
    y = codec.decode(codec.dequantize(codec.quantize(latents)), gain=codec.gain(x))
    rate = codec.frame_rate * sum(log2(entries) for entries in codec.vocab) / 1000
    return codec.source.render(y[0, :, : x.shape[-1]]).resample(RATE), "codes", rate


def through_file(audio: Audio, rate: int, compression: float, **how: str) -> Heard:
    """Write and read a compressed file; `compression` 1 asks libsndfile for its lowest rate."""
    file = io.BytesIO()
    wide = audio.resample(rate).samples.T.numpy()
    soundfile.write(file, wide, rate, compression_level=compression, **how)
    bits = 8 * len(file.getvalue())
    file.seek(0)
    back, _ = soundfile.read(file, dtype="float32", always_2d=True)
    y = Audio(torch.from_numpy(back.T.copy()), rate).resample(RATE)
    return y, "a file", bits / 1000 / audio.duration


def facts(codec: Codec, run: Path | None, seconds: float) -> dict[str, str]:
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
    if run is not None:
        training = run / "codec" / "training"
        state = json.loads((training / "state.json").read_text(encoding="utf-8"))
        found["steps"] = f"{state['step']:,}"
        found["learning"] = f"{state['step'] / state['seconds']:.2f}"
    return found


def excerpts(data: Path, run: Path, seconds: float, most: int) -> list[tuple[str, str, Audio]]:
    """Folder, group and middle of held-out items, evenly drawn from each folder."""
    manifest = Manifest.load(run / "manifest.json")
    by_folder: dict[str, list[Item]] = defaultdict(list)
    for item in manifest.split("test"):
        if item.duration >= 0.5:
            by_folder[item.path.split("/")[0]].append(item)
    chosen = []
    for folder, items in sorted(by_folder.items()):
        for item in items[:: max(1, len(items) // most)][:most]:
            start = max(0.0, (item.duration - seconds) / 2)
            sound = load_audio(data / item.path, offset=start, duration=seconds)
            chosen.append((folder, item.group, sound.to_mono().resample(RATE)))
    return chosen


@torch.inference_mode()
def measure(rows: Sequence[Row], sounds: Sequence[tuple[str, str, Audio]], work: Path) -> None:
    """Fill the rows, and leave what was heard in `work`, a folder a row."""
    meters = {rate: ReconstructionMetrics(rate) for rate in (RATE, COMMON)}
    embedding = LogMelStatistics()
    files: dict[str, list[Path]] = defaultdict(list)
    for index, (_, _, sound) in enumerate(sounds):
        path = work / "original" / f"{index:03}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_audio(path, sound)
        files["original"].append(path)
    reference = embed_files(embedding, files["original"]).vectors
    for row in rows:
        groups: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for index, (folder, group, sound) in enumerate(sounds):
            heard, row.kept, rate = row.run(sound)
            row.rates += [] if rate is None else [rate]
            length = min(heard.samples.shape[1], sound.samples.shape[1])
            heard = Audio(heard.samples[:, :length].clamp(-1, 1), RATE)
            path = work / row.name.replace("/", "-") / f"{index:03}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_audio(path, heard)
            files[row.name].append(path)
            values = scores(meters, Audio(sound.samples[:, :length], RATE), heard)
            for name, value in values.items():
                groups[f"{folder}/{group}"][name].append(value)
        for values in groups.values():
            for name, found in values.items():
                row.scores[name].append(statistics.fmean(found))
        generated = embed_files(embedding, files[row.name]).vectors
        row.facts["frechet"] = f"{frechet_distance(reference, generated).value:.1f}"
        print(row.name, {k: f"{statistics.fmean(v):.2f}" for k, v in row.scores.items()})


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


HEADINGS = {
    "rate": "kept as",
    "parameters": "parameters",
    "mel": "mel",
    "mel, 22 kHz": "mel, 22 kHz",
    "stft": "STFT",
    "si_sdr": "SI-SDR dB",
    "loudness": "loudness off, LU",
    "frechet": "Frechet, log-mel",
    "encode": "encode, x real time",
    "decode": "decode, x real time",
    "steps": "steps",
    "learning": "steps/s",
}


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown: mean over groups of held-out recordings and its standard error."""
    lines = ["| system | " + " | ".join(HEADINGS.values()) + " |", "|" + " --- |" * 13]
    for row in rows:
        cells = [row.name]
        for key in HEADINGS:
            if key == "rate":
                rate = f"{statistics.fmean(row.rates):.2f} kbit/s" if row.rates else row.kept
                cells.append(rate)
            elif key in row.scores:
                values = row.scores[key]
                error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
                cells.append(f"{statistics.fmean(values):.2f} ± {error:.2f}")
            else:
                cells.append(row.facts.get(key, ""))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def anchors() -> list[Row]:
    """Opus and MP3 through libsndfile at several rates, and mel with Griffin-Lim."""
    rows = []
    for level in (1.0, 0.97, 0.9):
        rows.append(
            Row(
                f"Opus, level {level:g}",
                lambda x, level=level: through_file(x, 48_000, level, format="OGG", subtype="OPUS"),
            )
        )
    for level in (1.0, 0.8):
        rows.append(
            Row(
                f"MP3, level {level:g}",
                lambda x, level=level: through_file(
                    x, RATE, level, format="MP3", subtype="MPEG_LAYER_III"
                ),
            )
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--systems", nargs="+", default=SYSTEMS)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a held-out excerpt")
    parser.add_argument("--items", type=int, default=40, help="most excerpts of each folder")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    for system in arguments.systems:
        train(system, arguments.data, arguments.runs / system, arguments.minutes)

    torch.set_num_threads(2)
    first = arguments.runs / arguments.systems[0]
    sounds = excerpts(arguments.data, first, arguments.seconds, arguments.items)
    mel = build_model(MEL["small"]().codec.task.model, MelCodec).eval()  # type: ignore[union-attr]
    codecs = {"mel + Griffin-Lim": mel}
    for system in arguments.systems:
        codecs[f"{system} small"] = load(arguments.runs / system).codec
    rows = []
    for name, codec in codecs.items():
        run = arguments.runs / name.split()[0]
        row = Row(name, lambda x, codec=codec: through(codec, x))
        with torch.inference_mode():
            row.facts = facts(codec, run if run.exists() else None, arguments.seconds)
        rows.append(row)
    rows = [*rows[1:], rows[0], *anchors()]
    measure(rows, sounds, arguments.runs / "heard")
    groups = len({group for _, group, _ in sounds})
    head = [
        "# Small codecs, side by side",
        "",
        f"`python benchmarks/codec_table.py DATA --runs RUNS --minutes {arguments.minutes:g}` on "
        f"{machine()}: every `small` recipe was trained for {arguments.minutes:g} minutes, one "
        f"after the other, on the same recordings; {len(sounds)} held-out excerpts of {groups} "
        "groups.",
        "",
    ]
    text = "\n".join([*head, *table(rows)]) + "\n"
    print(text)
    arguments.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
