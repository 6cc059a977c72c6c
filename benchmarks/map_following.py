"""Whether a generator that is steered by maps does what they say, from sound to sound.

    python benchmarks/map_following.py [--folder FOLDER]

Writes 300 files of four seconds (random pitches of one octave at random moments, one at a time),
trains a small VQGAN on them and a small transformer along their chroma and onset maps, and prints
two Markdown tables over the held-out files. The first has nats per code under the right maps, those
of another file, and none. The second measures the maps again in what is drawn: F1 of onsets within
a frame, and the share of frames with the same loudest pitch class, against the maps that were asked
for and against another file's. The bound is what the codec leaves of both in a reconstruction.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import latentone
from latentone.audio import Audio
from latentone.data import Draw
from latentone.latents import LatentCrops, LatentStore
from latentone.pipeline import Pipeline
from latentone.systems.vqgan_transformer import RECIPES
from latentone.training.recipe import Recipe
from latentone.training.system import train_system

RATE, SECONDS, FILES = 8000, 4, 300


def write_melodies(folder: Path) -> None:
    """Decaying notes of three partials, each of which ends the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(FILES):
        chance = random.Random(i)
        x, start = torch.zeros(SECONDS * RATE), chance.uniform(0, 0.4)
        while start < SECONDS - 0.1:
            hertz, first = 300 * 2 ** (chance.randrange(12) / 12), round(start * RATE)
            time = torch.arange(len(x) - first) / RATE
            partials = [torch.sin(2 * math.pi * hertz * k * time) / k for k in (1, 2, 3)]
            note = torch.stack(partials).sum(0) * torch.exp(-4 * time)
            x[first:] = x[first:] * torch.exp(-40 * time) + 0.3 * note
            start += chance.choice([0.2, 0.4, 0.6])
        Audio(x[None].clamp(-1, 1), RATE).save(folder / f"m{i:03d}.wav")


def recipe() -> Recipe:
    """`debug_map` with a wider transformer and enough steps to learn something."""
    base = RECIPES["debug_map"]()
    codec: Any = base.codec
    generator: Any = base.generator
    codec = replace(codec, train=replace(codec.train, steps=250, validate_every=250))
    model = generator.task.model
    network = replace(model.network, dim=64, num_heads=4, ffn_dim=128)
    model = replace(model, network=network, condition_dropout=0.1)
    task = replace(generator.task, model=model, learning_rate=3e-3)
    train = replace(generator.train, steps=600, batch_size=16, validate_every=100)
    return replace(base, codec=codec, generator=replace(generator, task=task, train=train))


@torch.inference_mode()
def foreseen(model: Any, store: LatentStore) -> None:
    """Print nats per code of excerpts of the training length."""
    items = []
    for split in ("valid", "test"):
        crops = LatentCrops(store, split, model.config.window_frames, model.conditioners)
        items += [crops[Draw(i, offset)] for i in range(len(crops)) for offset in (0.1, 0.4, 0.7)]
    batch = crops.collate(items)
    right = batch["conditions"]
    other = {n: {k: v.roll(7, 0) for k, v in prepared.items()} for n, prepared in right.items()}
    print("| maps | nats per code |\n|---|---|")
    for name, given in (("right", right), ("another file's", other), ("none", {})):
        loss = float(model.loss({**batch, "conditions": given})["loss"])
        print(f"| {name} | {loss:.3f} |")


@torch.inference_mode()
def followed(music: Pipeline, store: LatentStore) -> None:
    """Print how far maps that are measured in drawings agree with those that were asked for."""
    model: Any = music.generator
    ids = [item.id for split in ("valid", "test") for item in store.items(split)]
    maps = {name: [store.read(i, name) for i in ids] for name in ("chroma", "onset")}
    frames, count = maps["onset"][0].shape[1], len(ids)
    rng = torch.Generator().manual_seed(0)
    drawn = {"reconstructed": torch.stack([store.read(i) for i in ids])}
    for scale in (1.0, 3.0):
        sampled = model.sample(frames, maps, batch=count, guidance=scale, rng=rng)
        drawn[f"guidance {scale:g}"] = sampled.latents
    drawn["no maps"] = model.sample(frames, batch=count, rng=rng).latents
    print("\n| | onsets, own | onsets, another's | pitch class, own | pitch class, another's |")
    print("|---|---|---|---|---|")
    for name, codes in drawn.items():
        sounds = music.codec.decode_streams(
            {"acoustic": codes}, rng=torch.Generator().manual_seed(0)
        )
        scores: list[list[float]] = [[], [], [], []]
        for i, y in enumerate(sounds):
            heard = {n: model.conditioners[n].config.measure(Audio(y, RATE), frames) for n in maps}
            for j, place in enumerate((i, (i + 7) % count)):
                scores[j].append(onset_f1(heard["onset"], maps["onset"][place]))
                same = heard["chroma"].argmax(0) == maps["chroma"][place].argmax(0)
                scores[2 + j].append(float(same.float().mean()))
        means = " | ".join(f"{sum(row) / count:.2f}" for row in scores)
        print(f"| {name} | {means} |")


def onset_f1(found: Tensor, wanted: Tensor) -> float:
    """F1 of onsets `(1, F)` that have a partner within one frame."""
    precision, recall = (
        float((a * F.max_pool1d(b[None], 3, 1, 1)[0]).sum() / a.sum().clamp_min(1))
        for a, b in ((found, wanted), (wanted, found))
    )
    return 2 * precision * recall / max(precision + recall, 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="keeps the sounds and the run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        write_melodies(folder / "sounds")
        train_system(recipe(), folder / "sounds", folder / "run", device="cpu", progress=False)
        store = LatentStore.open(folder / "run" / "latents")
        music = latentone.load(folder / "run", device="cpu")
        foreseen(music.generator.eval(), store)
        followed(music, store)


if __name__ == "__main__":
    main()
