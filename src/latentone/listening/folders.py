"""Folders of audio whose files belong together by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..data.scan import find_audio

__all__ = ["match", "named_folders", "stems"]


def named_folders(texts: Sequence[str]) -> dict[str, Path]:
    """Folders by the name that their system is reported under.

    Args:
        texts: paths, or `NAME=PATH`. A path without a name is called as its last part, or as many
            parts as tell it from the others.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: one folder or one name twice.
    """
    given: list[tuple[str, Path]] = []
    for text in texts:
        name, equals, path = text.partition("=")
        split = bool(equals) and not Path(text).exists()
        given.append((name if split else "", Path(path if split else text)))
    for _, folder in given:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder; expected a folder of audio")
    real = [folder.resolve() for _, folder in given]
    for folder in real:
        if real.count(folder) > 1:
            raise ValueError(f"{folder} was given twice; expected a folder for each system")
    depths = [1] * len(given)
    while True:
        names = [
            name or "/".join(path.parts[-depth:])
            for (name, _), path, depth in zip(given, real, depths, strict=True)
        ]
        twice = [i for i, name in enumerate(names) if names.count(name) > 1 and not given[i][0]]
        if not twice:
            break
        for i in twice:
            depths[i] += 1
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two systems are called {name!r}; give them names: NAME=FOLDER")
    return dict(zip(names, (path for _, path in given), strict=True))


def stems(folder: Path) -> dict[str, Path]:
    """Audio files by their path inside `folder` without suffix.

    Raises:
        ValueError: no audio, or two files that differ by suffix alone.
    """
    found: dict[str, Path] = {}
    for path in find_audio(folder):
        stem = path.relative_to(folder).with_suffix("").as_posix()
        if stem in found:
            raise ValueError(
                f"{found[stem]} and {path} differ by suffix alone; a test needs one of them"
            )
        found[stem] = path
    return found


def match(folders: Mapping[str, Path]) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Items that every folder holds, and what has no partner.

    Args:
        folders: system -> folder.

    Returns:
        `{item: {system: path}}`, sorted, and a note for each item that some system lacks.

    Raises:
        ValueError: no item is in all folders.
    """
    files = {name: stems(folder) for name, folder in folders.items()}
    every = sorted({stem for known in files.values() for stem in known})
    items: dict[str, dict[str, Path]] = {}
    notes = []
    for stem in every:
        lacking = [name for name, known in files.items() if stem not in known]
        if lacking:
            notes.append(f"{stem} was left out: not in {', '.join(lacking)}")
        else:
            items[stem] = {name: known[stem] for name, known in files.items()}
    if not items:
        examples = ", ".join(f"{name}: {next(iter(known))}" for name, known in files.items())
        raise ValueError(
            "no file is in all folders: files belong together by their name without suffix, and "
            f"the first are {examples}"
        )
    return items, notes
