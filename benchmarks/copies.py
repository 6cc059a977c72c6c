"""What the copying report catches: stretches of a folder's sounds, damaged, against their sources.

    latentone corpus --out corpus --minutes 4
    python benchmarks/copies.py corpus

Prints the best correlation of every sound with one of another track, and that of damaged stretches
with their own source: worst to best over the sounds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import soxr
import torch
from torch import Tensor

from latentone.audio import Audio, load_audio
from latentone.data import scan
from latentone.metrics.excerpts import best_match, coarse_scores, trace

SECONDS, PLACE = 6.0, 0.37
"""Length of a stretch, and where it is cut: this share of what could lie before it."""


def noisy(x: Tensor, snr_db: float) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x + noise * (x.norm() / noise.norm() * 10 ** (-snr_db / 20))


def shifted(x: Tensor, rate: int, semitones: float) -> Tensor:
    """Played faster: pitch and speed change together."""
    y = soxr.resample(x.T.numpy(), rate, round(rate * 2 ** (-semitones / 12)))
    return torch.from_numpy(y).T.contiguous()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sounds", type=int, default=7, help="how many are damaged")
    args = parser.parse_args()
    manifest = scan(args.folder)
    items = manifest.items
    sounds = [load_audio(manifest.root / item.path) for item in items]
    traces = [trace(sound) for sound in sounds]
    same = torch.tensor([[a.group == b.group for b in items] for a in items])
    coarse = coarse_scores(traces, traces).masked_fill(same, -1)
    best = [
        [best_match(traces[i], traces[j]) for j in row.topk(5).indices.tolist() if not same[i, j]]
        for i, row in enumerate(coarse)
    ]
    mel = max(m.mel for found in best for m in found)
    classes = max(m.chroma for found in best for m in found)
    print(f"{len(items)} sounds, another track at best: mel {mel:.3f}, pitch classes {classes:.3f}")

    chosen = [i for i, sound in enumerate(sounds) if sound.duration > SECONDS + 1]
    chosen = chosen[:: max(1, -(-len(chosen) // args.sounds))]
    changes: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
        "cut": lambda x, _, rate: x,
        "gain of -20 dB": lambda x, _, rate: 0.1 * x,
        "noise at 20 dB": lambda x, _, rate: noisy(x, 20),
        "noise at 10 dB": lambda x, _, rate: noisy(x, 10),
        "noise at 0 dB": lambda x, _, rate: noisy(x, 0),
        "quarter semitone up": lambda x, _, rate: shifted(x, rate, 0.25),
        "semitone up": lambda x, _, rate: shifted(x, rate, 1),
        "backwards": lambda x, _, rate: x.flip(1),
        "another mixed in": lambda x, y, rate: x / x.norm() + y / y.norm(),
    }
    print(
        "| done to the copy | mel correlation, worst to best | pitch classes |\n| --- | --- | --- |"
    )
    for name, change in changes.items():
        found = []
        for i in chosen:
            rate = sounds[i].sample_rate
            size = round(SECONDS * rate)
            start = int(PLACE * (sounds[i].samples.shape[1] - size))
            x = sounds[i].samples[:, start : start + size]
            j = next(k for k in chosen[::-1] if items[k].group != items[i].group)
            y = sounds[j].samples[:, :size]
            found.append(best_match(trace(Audio(change(x, y, rate), rate)), traces[i]))
        ranges = [
            f"{min(v):.3f} to {max(v):.3f}"
            for v in ([m.mel for m in found], [m.chroma for m in found])
        ]
        print(f"| {name} | {ranges[0]} | {ranges[1]} |", flush=True)


if __name__ == "__main__":
    main()
