"""The list of what a folder holds: items with groups, splits and facts, and what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..config import ConfigError, from_dict, load_json, save_json

__all__ = ["SPLITS", "Failure", "Item", "Manifest"]

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One audio file."""

    id: str
    """Its path below the root, with forward slashes: unique, and the same on every machine."""
    path: str
    """Relative to the manifest's root."""
    group: str
    """The source it comes from; groups never straddle the split."""
    split: str
    """train, valid or test."""
    duration: float
    """Seconds."""
    sample_rate: int
    """Of the file, in Hz."""
    channels: int
    """Of the file."""
    caption: str | None = None
    """Words about it, from its sidecar."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Other facts from its sidecar: bpm, key, genre, instrument ..."""


@dataclass(frozen=True)
class Failure:
    """A file that is left out."""

    path: str
    """Relative to the root."""
    reason: str


@dataclass(frozen=True)
class Manifest:
    """A folder of audio, read once: every later step works from this list."""

    root: Path
    """The folder, absolute."""
    items: tuple[Item, ...]
    failures: tuple[Failure, ...] = ()
    """Unreadable audio, and sidecars that cannot be used."""

    def split(self, name: str) -> list[Item]:
        """The items of `train`, `valid` or `test`; may be empty with fewer than three groups."""
        if name not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {name!r}")
        return [item for item in self.items if item.split == name]

    @property
    def duration(self) -> float:
        """Seconds in all."""
        return sum(item.duration for item in self.items)

    def save(self, path: str | Path) -> None:
        """Write JSON, whole or not at all."""
        save_json(self, path)

    @classmethod
    def load(cls, path: str | Path, *, root: str | Path | None = None) -> Self:
        """Read a manifest.

        Args:
            path: what `save` wrote.
            root: where the folder stands now, if it was moved.

        Raises:
            FileNotFoundError: no such file.
            ConfigError: no manifest; the field's path is named.
        """
        data = load_json(path)
        if root is not None and isinstance(data, dict):
            data["root"] = str(root)
        manifest = from_dict(cls, data, "manifest")
        wrong = [item for item in manifest.items if item.split not in SPLITS]
        if wrong:
            raise ConfigError(
                f"{path}: the split of {wrong[0].id} must be one of {SPLITS}, got "
                f"{wrong[0].split!r}"
            )
        return manifest
