"""How well a trained language model foresees held-out codes, beside counting.

    python benchmarks/generator_quality.py RUN [--items 48]

Prints a Markdown table of cross-entropies in nats per code, by codebook: mean over the test items
of a run, one excerpt of the training length each. *Uniform* knows nothing; *unigram* knows how
often each code of a codebook occurs in the training items; *bigram* also sees the code before it
in the same codebook (both interpolated with less context, by weights fitted on the validation
items). The model is given the right caption, another item's, and none.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentone.data import Draw
from latentone.generators.base import Generator
from latentone.latents import LatentCrops, LatentStore
from latentone.loading import import_models


class Counts:
    """Unigram and bigram probabilities of each codebook, from the codes `(K, F)` of many items."""

    def __init__(self, items: Iterator[Tensor], rows: int, size: int) -> None:
        self.single = torch.zeros(rows, size)
        self.pair = torch.zeros(rows, size * size)
        for codes in items:
            for k, row in enumerate(codes.long()):
                self.single[k] += row.bincount(minlength=size)
                index = row[:-1] * size + row[1:]
                self.pair[k].scatter_add_(0, index, torch.ones(len(index)))
        self.pair = self.pair.view(rows, size, size)
        self.size = size

    def chances(self, codes: Tensor) -> Tensor:
        """Probability of each code but the first: uniform, unigram, bigram `(3, K, F - 1)`."""
        rows = torch.arange(len(codes))[:, None]
        before, now = codes[:, :-1], codes[:, 1:]
        unigram = self.single[rows, now] / self.single.sum(1, keepdim=True)
        seen = self.pair[rows, before].sum(-1).clamp_min(1)
        bigram = self.pair[rows, before, now] / seen
        return torch.stack([torch.full_like(unigram, 1 / self.size), unigram, bigram])


def mixture(chances: list[Tensor]) -> Tensor:
    """Weights of a mixture `(n, K)` of chances `(n, K, F)` by expectation maximisation."""
    joined = torch.cat(chances, dim=-1)
    weights = torch.full(joined.shape[:2], 1 / len(joined))
    for _ in range(100):
        shares = weights[..., None] * joined
        weights = (shares / shares.sum(0)).mean(-1)
    return weights


def nats(weights: Tensor, chances: list[Tensor]) -> Tensor:
    """Cross-entropy by codebook `(K,)`, mean over items."""
    each = [-(weights[..., None] * c).sum(0).log().mean(-1) for c in chances]
    return torch.stack(each).mean(0)


@torch.inference_mode()
def foresee(model: Generator, crops: LatentCrops, batch: dict[str, Any]) -> Tensor:
    out = model.loss(batch)  # type: ignore[attr-defined]
    return torch.stack([out[f"ce/{k}"] for k in range(batch["codes"].shape[1])])


def line(name: str, values: Tensor) -> str:
    cells = " | ".join(f"{v:.2f}" for v in values.tolist())
    return f"| {name} | {values.mean():.2f} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--items", type=int, default=48)
    arguments = parser.parse_args()

    import_models()
    model = Generator.from_pretrained(arguments.run / "generator").eval()
    store = LatentStore.open(arguments.run / "latents")
    rows, size = store.specs["acoustic"].shape[0], max(store.specs["acoustic"].vocab or ())
    frames = model.config.window_frames
    sets = {
        split: LatentCrops(
            store,
            split,
            frames,
            model.conditioners,
            fields=dict.fromkeys(model.conditioners, "caption"),
        )
        for split in ("train", "valid", "test")
    }
    counts = Counts(
        (store.read(i.id, "acoustic", 0, i.frames["acoustic"]) for i in store.items("train")),
        rows,
        size,
    )
    codes = {
        split: [
            crops[Draw(i, 0.5)]["codes"].long()
            for i in range(0, len(crops), max(1, len(crops) // arguments.items))
        ]
        for split, crops in sets.items()
    }
    chances = {split: [counts.chances(z) for z in codes[split]] for split in ("valid", "test")}
    print(f"\n{len(codes['test'])} held-out excerpts of {frames} frames, nats per code\n")
    print("| | mean | " + " | ".join(f"codebook {k + 1}" for k in range(rows)) + " |")
    print("|---|---|" + "---|" * rows)
    print(line("uniform", torch.full((rows,), log(size))))
    for name, n in (("unigram", 2), ("bigram", 3)):
        weights = mixture([c[:n] for c in chances["valid"]])
        print(line(name, nats(weights, [c[:n] for c in chances["test"]])))

    crops = sets["test"]
    chosen = range(0, len(crops), max(1, len(crops) // arguments.items))
    results: dict[str, list[Tensor]] = {"right caption": [], "another's": [], "none": []}
    for i in chosen:
        other = (i + len(crops) // 2) % len(crops)
        own = crops.collate([crops[Draw(i, 0.5)]])
        wrong = {**own, "conditions": crops.collate([crops[Draw(other, 0.5)]])["conditions"]}
        none = {k: v for k, v in own.items() if k != "conditions"}
        for name, batch in zip(results, (own, wrong, none), strict=True):
            results[name].append(foresee(model, crops, batch))
    for name, values in results.items():
        print(line(f"`{arguments.run.name}`, {name}", torch.stack(values).mean(0)))


if __name__ == "__main__":
    main()
