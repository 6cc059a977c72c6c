"""How good the trained embeddings are on music that no training saw.

    latentone corpus --out held/synth --minutes 12 --per-piece 1 --parts --seed 201 \\
        --fluidsynth no --sample-rate 24000 --channels 1
    latentone corpus --out held/recorded --minutes 12 --per-piece 1 --parts --seed 202 \\
        --fluidsynth yes --sample-rate 24000 --channels 1
    python benchmarks/embedding_quality.py classifier joint --data held/synth held/recorded

Prints a table in Markdown for each embedding: its figures on every folder, mixes and parts apart.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from latentone.commands._embedding import open_embedding
from latentone.data import Item, scan
from latentone.embeddings import Embedding, embed_files
from latentone.metrics.wholes import Whole, judge_heads, judge_texts


def figures(embedding: Embedding, items: Mapping[Path, Item]) -> dict[str, Whole]:
    """What the embedding is asked, answered on these files."""
    found = embed_files(embedding, list(items))
    captions = {path: item.caption for path, item in items.items() if item.caption}
    return judge_texts(embedding, found, captions) | judge_heads(embedding, found, items)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("embeddings", nargs="+", help="names or folders, as evaluate takes them")
    parser.add_argument("--data", nargs="+", type=Path, required=True, help="held-out corpora")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sets: dict[str, dict[Path, Item]] = {}
    for folder in arguments.data:
        manifest = scan(folder)
        for item in manifest.items:
            kind = "mixes" if item.metadata.get("role", "mix") == "mix" else "parts"
            sets.setdefault(f"{folder.name}, {kind}", {})[Path(manifest.root) / item.path] = item
    for name in arguments.embeddings:
        embedding = open_embedding(name)
        results = {title: figures(embedding, items) for title, items in sets.items()}
        print(f"\n{embedding.name}, fingerprint {embedding.fingerprint[:16]}\n")
        print(f"| figure | {' | '.join(f'{t} ({len(sets[t])})' for t in sets)} |")
        print("|" + " --- |" * (1 + len(sets)))
        for figure in dict.fromkeys(f for result in results.values() for f in result):
            cells = [
                f"{result[figure].value:.3g}" if figure in result else "-"
                for result in results.values()
            ]
            print(f"| {figure} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
