"""From a folder of audio, nested and of any format, to a manifest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from ..audio import AudioError, AudioInfo, audio_info
from .captions import Sidecar, read_sidecar
from .manifest import Failure, Item, Manifest
from .splits import assign_splits, name_group

__all__ = ["AUDIO_SUFFIXES", "find_audio", "scan"]

AUDIO_SUFFIXES = frozenset(
    ".wav .wave .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64".split()
)
FOREIGN_SUFFIXES = frozenset(".m4a .aac .mp4 .wma .ape .wv .mpc .ac3".split())
"""Audio that libsndfile does not decode: reported, so that nobody wonders where it went."""

GroupBy = Literal["auto", "file", "folder"]


def find_audio(folder: str | Path) -> list[Path]:
    """All files with an audio suffix below `folder`, sorted; hidden ones are left out.

    Links to folders are followed, each real folder once.

    Raises:
        FileNotFoundError: no such folder.
        NotADirectoryError: it is a file.
        ValueError: it holds no audio.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder} does not exist; expected a folder of audio")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder of audio")
    wanted = AUDIO_SUFFIXES | FOREIGN_SUFFIXES
    files = list(_walk(folder))
    found = sorted(path for path in files if path.suffix.lower() in wanted)
    if not found:
        raise ValueError(
            f"{folder} holds no audio: none of its {len(files)} files ends in "
            f"{' '.join(sorted(AUDIO_SUFFIXES))}"
        )
    return found


def scan(
    folder: str | Path,
    *,
    group_by: GroupBy = "auto",
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Read the headers and sidecars of all audio below `folder`, and split it by groups.

    What must not straddle the split is decided by `group_by`:

    - `auto`: `group` or `source` in the sidecar; else the folder and the name without its
      trailing take or segment number (`name_group`). If no sidecar says anything and names alone
      give fewer than three groups (`track_01` to `track_50`), the numbers count pieces, not
      takes, and every file is a group.
    - `file`: every file is a group.
    - `folder`: the files of one folder are a group.

    Args:
        folder: searched with all it contains.
        group_by: see above.
        valid_fraction: share of the groups held out for validation.
        test_fraction: share of the groups held out for the end.
        seed: of the split (see `assign_splits` for what keeps it stable).
        on_progress: called as `(files done, files in all)`.

    Returns:
        Items sorted by id. Unreadable files, and sidecars that cannot be used, are in `failures`.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no audio, or none that can be read.
    """
    if group_by not in ("auto", "file", "folder"):
        raise ValueError(f"group_by must be auto, file or folder, got {group_by!r}")
    root = Path(folder).resolve()
    paths = find_audio(root)
    read: dict[str, tuple[AudioInfo, Sidecar]] = {}
    failures: list[Failure] = []
    for done, path in enumerate(paths, 1):
        name = path.relative_to(root).as_posix()
        try:
            info, sidecar = _info(path), read_sidecar(path)
            read[name] = (info, sidecar)
            failures += [
                Failure(p.relative_to(root).as_posix(), why) for p, why in sidecar.problems
            ]
        except AudioError as error:
            failures.append(Failure(name, error.reason))
        except OSError as error:
            failures.append(Failure(name, str(error)))
        if on_progress is not None:
            on_progress(done, len(paths))
    if not read:
        raise ValueError(
            f"none of the {len(paths)} audio files in {root} can be read; the first: "
            f"{failures[0].path}: {failures[0].reason}"
        )
    groups = _groups({name: sidecar for name, (_, sidecar) in read.items()}, group_by)
    splits = assign_splits(
        set(groups.values()),
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    items = tuple(
        Item(
            id=name,
            path=name,
            group=groups[name],
            split=splits[groups[name]],
            duration=info.duration,
            sample_rate=info.sample_rate,
            channels=info.channels,
            caption=sidecar.caption,
            metadata=sidecar.metadata,
        )
        for name, (info, sidecar) in sorted(read.items())
    )
    return Manifest(root, items, tuple(failures))


def _info(path: Path) -> AudioInfo:
    if path.suffix.lower() in FOREIGN_SUFFIXES:
        raise AudioError(path, "a format that libsndfile reads", f"{path.suffix}; convert to FLAC")
    return audio_info(path)


def _groups(sidecars: dict[str, Sidecar], group_by: GroupBy) -> dict[str, str]:
    files = {name: name for name in sidecars}
    if group_by == "file":
        return files
    if group_by == "folder":
        return {name: Path(name).parent.as_posix() for name in sidecars}
    # "said:" keeps a sidecar's group apart from a name that happens to be equal.
    said = {name: f"said:{s.group}" for name, s in sidecars.items() if s.group is not None}
    named = {name: name_group(name) for name in sidecars}
    if not said and len(set(named.values())) < 3:
        return files
    return named | said


def _walk(folder: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        status = os.stat(where)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where) / name for name in files if not name.startswith("."))
