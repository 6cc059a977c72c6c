"""Random crops per second from a latent store, beside the same latents as one .npy file an item.

    python benchmarks/latent_store.py [--items 400] [--frames 3900] [--rounds 9]

Both hold 64 channels in float16 (3 minutes at 21.5 Hz by default) and give float32 crops of
`--crop` frames as `(rows, frames)` tensors; the peer maps a file for each crop, since a process
cannot keep so many open. Rounds alternate. Prints the median rates, and the median ratio with its
range over rounds. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latentone.latents import LatentStore, StoredItem
from latentone.latents.format import CodecSummary, Counts, Description, Plan, write_json
from latentone.latents.writer import ShardWriter
from latentone.spec import LatentSpec

DIM, RATE, SHARD = 64, 21.5, 100


def write_both(folder: Path, items: int, frames: int) -> LatentStore:
    """Write random latents as a store and as .npy files, and open the store."""
    spec = LatentSpec(kind="continuous", shape=(DIM,), frame_rate=RATE, fingerprint="random")
    shards = -(-items // SHARD)
    for shard in range(shards):
        with ShardWriter(folder, shard, {"acoustic": spec}) as writer:
            for index in range(shard * SHARD, min(items, (shard + 1) * SHARD)):
                z = torch.randn(DIM, frames).half()
                np.save(folder / f"{index}.frames.npy", z.T.contiguous().numpy())
                item = StoredItem(
                    id=str(index), path="", group="", split="train", duration=frames / RATE,
                    frames={},
                )  # fmt: skip
                writer.add(item, [{"acoustic": z}])
            writer.commit()
    counts = Counts(
        items=items, failures=0, seconds=items * frames / RATE, frames={"acoustic": items * frames}
    )
    description = Description(
        kind="sharded",
        codec=CodecSummary(model_type="", name="random", sample_rate=1, channels=1, config={}),
        streams={"acoustic": spec},
        plan=Plan(items=items, shards=shards, fingerprint="", storage="float16", precision="fp32"),
        counts=counts,
    )
    write_json(description, folder / "dataset.json")
    return LatentStore.open(folder)


def rate(read: Callable[[int, int], Tensor], draws: list[tuple[int, int]]) -> float:
    """Crops per second."""
    begin = time.perf_counter()
    for index, start in draws:
        read(index, start)
    return len(draws) / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--frames", type=int, default=3900)
    parser.add_argument("--crop", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--draws", type=int, default=3000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    chance = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = write_both(folder, args.items, args.frames)

        def ours(index: int, start: int) -> Tensor:
            return store.read(str(index), "acoustic", start, args.crop)

        def peer(index: int, start: int) -> Tensor:
            mapped = np.load(folder / f"{index}.frames.npy", mmap_mode="r")
            rows = mapped[start : start + args.crop]
            return torch.from_numpy(np.array(rows.T, dtype=np.float32, order="C", subok=False))

        last = args.frames - args.crop
        draws = [(chance.randrange(args.items), chance.randint(0, last)) for _ in range(args.draws)]
        if not all(torch.equal(ours(*d), peer(*d)) for d in draws[:50]):
            raise SystemExit("the two do not hold the same latents")
        rate(ours, draws), rate(peer, draws)  # warm the page cache
        pairs = [(rate(ours, draws), rate(peer, draws)) for _ in range(args.rounds)]
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    print(f"store  {statistics.median(mine for mine, _ in pairs):10,.0f} crops/s")
    print(f".npy   {statistics.median(theirs for _, theirs in pairs):10,.0f} crops/s")
    print(f"ratio  {statistics.median(ratios):10.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
