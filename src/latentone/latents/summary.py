"""What a latent store is, in numbers and in words."""

from __future__ import annotations

from typing import Any

from .statistics import DiscreteStatistics
from .store import LatentStore

__all__ = ["describe_store", "store_lines"]


def describe_store(store: LatentStore) -> dict[str, Any]:
    """Return what `latentone info` says of a store, as JSON values.

    Returns:
        `folder`, `kind`, `codec`, `items`, `hours`, `failures`, `splits` (items by name),
        `megabytes` on disk, and `streams`: for each its `spec` in words, `frames`, and either the
        range of `mean` and `std` over its dimensions, or `used` (share of the entries that occur)
        and `perplexity` of each code row.
    """
    description, counts = store.description, store.description.counts
    if counts is None:  # `LatentStore.open` refuses it
        raise ValueError(f"{store.folder} is unfinished")
    splits: dict[str, int] = {}
    for item in store.items():
        splits[item.split] = splits.get(item.split, 0) + 1
    size = sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())
    streams = {name: _describe_stream(store, name) for name in store.specs}
    return {
        "folder": str(store.folder),
        "kind": description.kind,
        "codec": description.codec.name,
        "sample_rate": description.codec.sample_rate,
        "items": counts.items,
        "hours": counts.seconds / 3600,
        "failures": counts.failures,
        "splits": splits,
        "megabytes": size / 1e6,
        "streams": streams,
    }


def _describe_stream(store: LatentStore, name: str) -> dict[str, Any]:
    counts, statistics = store.description.counts, store.statistics[name]
    about: dict[str, Any] = {"spec": store.specs[name].describe()}
    about["frames"] = counts.frames[name] if counts else 0
    if isinstance(statistics, DiscreteStatistics):
        return {**about, "used": statistics.used, "perplexity": statistics.perplexity}
    mean, std = statistics.mean, statistics.std
    return {**about, "mean": (min(mean), max(mean)), "std": (min(std), max(std))}


def store_lines(store: LatentStore) -> list[tuple[str, str]]:
    """Return the same as (what, value) lines for people."""
    about = describe_store(store)
    parts = ", ".join(f"{name} {count}" for name, count in sorted(about["splits"].items()))
    kind = "encoded on the fly (virtual)" if about["kind"] == "virtual" else "on disk"
    lines = [
        ("latents", f"{kind}, {about['megabytes']:.1f} MB"),
        ("codec", f"{about['codec']}, {about['sample_rate']} Hz"),
        ("items", f"{about['items']} ({parts}), {about['hours']:.2f} hours"),
    ]
    if about["failures"]:
        lines.append(("failures", f"{about['failures']} files, see failures.jsonl"))
    for name, stream in about["streams"].items():
        lines.append((f"stream {name}", f"{stream['spec']}, {stream['frames']} frames"))
        if "used" in stream:
            rows = zip(stream["used"], stream["perplexity"], strict=True)
            use = ", ".join(f"{share:.0%} ({perplexity:.0f})" for share, perplexity in rows)
            lines.append(("  entries used (perplexity)", use))
        else:
            (low, high), (narrow, wide) = stream["mean"], stream["std"]
            lines.append(("  mean, std by dimension", _ranges(low, high, narrow, wide)))
    return lines


def _ranges(low: float, high: float, narrow: float, wide: float) -> str:
    return f"{low:.3g} to {high:.3g}, {narrow:.3g} to {wide:.3g}"
