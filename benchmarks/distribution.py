"""Metrics of sets against sets, against prdc and a Frechet distance by scipy's matrix square root.

    python benchmarks/distribution.py [--items 10000] [--dims 128] [--repeats 5] [--threads 2]

Two sets of features in fp64, as both peers compute. The numbers are compared first. What has no
peer that installs here is timed alone; the last row asks for everything we have, and of the peers
for the five numbers that they have.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import resource
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import scipy.linalg
import torch
from harness import alternate, machine, record
from prdc import compute_prdc
from torch import Tensor

from latentone.metrics.distribution import (
    Score,
    bin_scores,
    frechet_distance,
    frechet_infinity,
    inception_score,
    kernel_distance,
    manifold_scores,
    neighbour_scores,
)

K = 5
PRDC = ("precision", "recall", "density", "coverage")


def features(items: int, dims: int, seed: int, noise: float) -> Tensor:
    """Twenty clusters of correlated features, and noise."""
    fixed = torch.Generator().manual_seed(0)
    centres = torch.randn(20, dims, generator=fixed, dtype=torch.float64)
    mix = torch.randn(dims, dims, generator=fixed, dtype=torch.float64) / dims**0.5
    rng = torch.Generator().manual_seed(seed)
    x = centres[torch.randint(20, (items,), generator=rng)]
    x = x + torch.randn(items, dims, generator=rng, dtype=torch.float64) @ mix
    return x + noise * torch.randn(items, dims, generator=rng, dtype=torch.float64)


def peer_frechet(reference: Tensor, generated: Tensor) -> float:
    x, y = reference.numpy(), generated.numpy()
    shift = x.mean(0) - y.mean(0)
    a, b = reference.T.cov().numpy(), generated.T.cov().numpy()
    return float(shift @ shift + (a + b - 2 * scipy.linalg.sqrtm(a @ b).real).trace())


def peer_manifold(reference: Tensor, generated: Tensor) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(reference.numpy(), generated.numpy(), nearest_k=K)
    return {name: float(value) for name, value in found.items()}


def peer_all(reference: Tensor, generated: Tensor) -> None:
    peer_frechet(reference, generated), peer_manifold(reference, generated)


def ours_all(reference: Tensor, generated: Tensor) -> None:
    frechet_distance(reference, generated)
    frechet_infinity(reference, generated)
    neighbour_scores(reference, generated, k=K)
    bin_scores(reference, generated)
    inception_score(generated.softmax(1))


def require_equal(sets: tuple[Tensor, Tensor]) -> None:
    """Stop unless both compute the same, and our one pass what two do."""
    expected = peer_manifold(*sets) | {"frechet": peer_frechet(*sets)}
    exact = kernel_distance(*sets, dtype=torch.float64)
    expected["kernel"] = exact.value
    ours: dict[str, Score] = {**neighbour_scores(*sets, k=K), "frechet": frechet_distance(*sets)}
    if {n: ours[n] for n in PRDC} != manifold_scores(*sets, k=K):
        raise SystemExit("nothing to compare: one pass differs from two")
    found = {name: score.value for name, score in ours.items()}
    for name, value in expected.items():
        print(f"{name}: ours {found[name]:.9g}, peer {value:.9g}")
        if abs(found[name] - value) > 1e-6 * max(1, abs(value)):
            raise SystemExit(f"nothing to compare: {name} differs")


def peak_mib() -> float:
    """Most memory that the process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(run: Callable[[], Any], repeats: int) -> str:
    """Median seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return f"{statistics.median(times):.3g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    sets = (
        features(arguments.items, arguments.dims, 1, 0.0),
        features(arguments.items, arguments.dims, 2, 0.2),
    )
    # A first small run loads libraries. Ours comes before the peers', since peaks never fall.
    few = features(200, arguments.dims, 3, 0.0), features(200, arguments.dims, 4, 0.0)
    ours_all(*few), peer_all(*few)
    before, memory = peak_mib(), []
    for run in (ours_all, peer_all):
        run(*sets)
        memory.append(f"{peak_mib() - before:.0f} MiB")
    require_equal(sets)

    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "Frechet": (partial(frechet_distance, *sets), partial(peer_frechet, *sets)),
        f"precision, recall, density, coverage, k = {K}": (
            partial(manifold_scores, *sets, k=K),
            partial(peer_manifold, *sets),
        ),
        "all of ours, all of the peers'": (partial(ours_all, *sets), partial(peer_all, *sets)),
    }
    rows = [
        alternate(*pair, repeats=arguments.repeats).row(name, arguments.items, "items/s")
        for name, pair in pairs.items()
    ]
    single: dict[str, Callable[[], Any]] = {
        "Frechet, infinity": partial(frechet_infinity, *sets),
        "kernel": partial(kernel_distance, *sets),
        "kernel, precision, recall, density, coverage": partial(neighbour_scores, *sets, k=K),
        "NDB and Jensen-Shannon, 100 bins": partial(bin_scores, *sets),
        "inception score": partial(inception_score, sets[1].softmax(1)),
    }
    rows[2:2] = [[name, alone(run, arguments.repeats), "none", ""] for name, run in single.items()]
    rows.append(["peak memory over the features, all", *memory, ""])
    command = f"{arguments.items} --dims {arguments.dims} --threads {arguments.threads}"
    record(
        f"Distribution metrics, {arguments.items} x {arguments.dims}, fp64",
        f"`python benchmarks/distribution.py --items {command}` on {machine()}; peers: "
        f"prdc {version('prdc')} (scikit-learn {version('scikit-learn')}), scipy "
        f"{version('scipy')} sqrtm. Medians of {arguments.repeats} runs.",
        ["what", "ours", "peer", "ours / peer (spread)"],
        rows,
    )


if __name__ == "__main__":
    main()
