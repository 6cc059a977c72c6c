"""How close a trained codec stays to held-out sounds, beside an untrained one and Opus.

    python benchmarks/codec_quality.py RUN [--seconds 10] [--items 60]

Reads the codec and the test items of a run folder, cuts the middle `--seconds` out of each item,
and prints a Markdown table for each top folder of the data: mean over groups (recordings, songs)
with its standard error. The untrained codec has the same config, random weights and codebooks that
k-means placed on training sounds. Opus is libopus through soundfile; its rate is measured on the
file that it wrote, without the header.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from math import log2
from pathlib import Path

import torch
from held_out import FileCodec
from torch import Tensor

from latentone.audio import Audio
from latentone.codecs import EnCodec
from latentone.data import Item, Manifest
from latentone.metrics.reconstruction import ReconstructionMetrics

COLUMNS = ("mel_distance", "mel_distance_encodec", "stft_distance", "si_sdr")
HEADINGS = "mel (DAC) | mel (EnCodec) | STFT | SI-SDR dB"
OPUS_RATE = 48_000
Heard = tuple[Tensor, float]
"""What came back `(1, T)`, and the kbit/s it took."""


def excerpt(root: Path, item: Item, codec: EnCodec, seconds: float) -> Tensor:
    """The middle of an item at the codec's rate, `(C, T)`."""
    offset = max(0.0, (item.duration - seconds) / 2)
    return codec.source.load(root / item.path, offset=offset, duration=seconds)


@torch.inference_mode()
def through_codec(codec: EnCodec, x: Tensor, num_codebooks: int) -> Heard:
    codes = codec.quantize(codec.encode(x[None]), num_codebooks)
    y = codec.decode(codec.dequantize(codes))[0, :, : x.shape[1]]
    return y, num_codebooks * codec.frame_rate * log2(codec.config.codebook_size) / 1000


def through_opus(sample_rate: int, x: Tensor, codec: FileCodec) -> Heard:
    """Through Opus, and the rate without the header of its file."""
    back, bits = codec(Audio(x, sample_rate))
    return back.samples[:, : x.shape[1]], bits / 1000 / (x.shape[1] / sample_rate)


def untrained(codec: EnCodec, sounds: Iterable[Tensor]) -> EnCodec:
    """The same config with fresh weights, its codebooks placed by one training pass."""
    torch.manual_seed(0)
    fresh = EnCodec(codec.config).train()
    length = codec.source.sample_rate
    crops = [x[:, at : at + length] for x in sounds for at in range(0, x.shape[1] - length, length)]
    with torch.no_grad():
        fresh.quantizer(fresh.encoder(torch.stack(crops)))
    return fresh.eval()


def table(
    rows: dict[str, Callable[[Tensor], Heard]],
    sounds: list[tuple[str, Tensor]],
    metrics: ReconstructionMetrics,
) -> list[str]:
    """One Markdown row a system: mean over groups and standard error."""
    lines = [f"| system | kbit/s | {HEADINGS} |", "|---|---|---|---|---|---|"]
    for name, run in rows.items():
        by_group: dict[str, list[dict[str, float]]] = defaultdict(list)
        rates = []
        for group, x in sounds:
            y, rate = run(x)
            by_group[group].append(metrics(x, y, torch.tensor(min(x.shape[1], y.shape[1]))))
            rates.append(rate)
        cells = []
        for column in COLUMNS:
            means = [statistics.fmean(m[column] for m in ms) for ms in by_group.values()]
            error = statistics.stdev(means) / len(means) ** 0.5 if len(means) > 1 else float("nan")
            cells.append(f"{statistics.fmean(means):.2f} ± {error:.2f}")
        lines.append(f"| {name} | {statistics.fmean(rates):.2f} | {' | '.join(cells)} |")
    return lines


@torch.inference_mode()
def codebook_use(codec: EnCodec, sounds: list[tuple[str, Tensor]]) -> str:
    """Share of the entries that occur, and perplexity, by code row."""
    counts = torch.zeros(codec.config.num_codebooks, codec.config.codebook_size)
    for _, x in sounds:
        codes = codec.quantize(codec.encode(x[None]))[0]
        counts += torch.stack([r.bincount(minlength=counts.shape[1]) for r in codes])
    p = counts / counts.sum(1, keepdim=True)
    perplexity = torch.exp(-(p * p.clamp_min(1e-12).log()).sum(1))
    use = (counts > 0).float().mean(1)
    return "; ".join(
        f"{u:.0%} used, perplexity {q:.0f}" for u, q in zip(use, perplexity, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--items", type=int, default=60, help="most items of each folder")
    arguments = parser.parse_args()

    manifest = Manifest.load(arguments.run / "manifest.json")
    root = Path(manifest.root)
    codec = EnCodec.from_pretrained(arguments.run / "codec")
    rate, k = codec.source.sample_rate, codec.config.num_codebooks
    metrics = ReconstructionMetrics(rate)
    parts: dict[str, list[Item]] = defaultdict(list)
    for item in manifest.split("test"):
        if item.duration >= 0.3:
            parts[item.path.split("/")[0]].append(item)
    training = [i for i in manifest.split("train") if i.duration > 3][:40]
    fresh = untrained(codec, [excerpt(root, i, codec, 3.0) for i in training])
    rows: dict[str, Callable[[Tensor], Heard]] = {
        f"ours, {n} of {k} codebooks": lambda x, n=n: through_codec(codec, x, n)  # type: ignore
        for n in sorted({1, 2, k})
    }
    rows[f"untrained, {k} codebooks"] = lambda x: through_codec(fresh, x, k)
    for name, level in (("lowest", 1.0), ("next", 0.97)):
        opus = FileCodec(format="OGG", subtype="OPUS", sample_rate=OPUS_RATE, level=level)
        rows[f"Opus, {name}"] = lambda x, opus=opus: through_opus(rate, x, opus)  # type: ignore

    for part, items in sorted(parts.items()):
        chosen = items[:: max(1, len(items) // arguments.items)][: arguments.items]
        sounds = [(i.group, excerpt(root, i, codec, arguments.seconds)) for i in chosen]
        groups = len({group for group, _ in sounds})
        print(f"\n**{part}**: {len(sounds)} held-out items of {groups} groups\n")
        print("\n".join(table(rows, sounds, metrics)))
        print(f"\nCodebooks, in order: {codebook_use(codec, sounds)}.")


if __name__ == "__main__":
    main()
