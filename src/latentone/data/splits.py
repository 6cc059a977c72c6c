"""Which files belong together, and which part each group falls into."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

__all__ = ["assign_splits", "name_group"]

NUMBER = re.compile(r"(?:[\s_.\-]+\(?\d+\)?|\(\d+\))$")
TAKE = re.compile(
    r"[\s_.\-]+(?:take|part|pt|seg|segment|chunk|slice|crop|excerpt)[\s_.\-]*\d+$", re.IGNORECASE
)


def name_group(path: str) -> str:
    """The group that a relative path's name suggests: its folder and stem without numbering.

    One trailing number after a separator goes, and any numbered take, part, segment, chunk, slice,
    crop or excerpt. A name that is nothing else is kept.

    >>> [name_group(f"a/{n}.wav") for n in ("song_01", "song-2", "song_take3_004", "kick808")]
    ['a/song', 'a/song', 'a/song', 'a/kick808']
    """
    file = PurePosixPath(path)
    stem = file.stem
    if not TAKE.search(stem):
        stem = NUMBER.sub("", stem) or stem
    while (shorter := TAKE.sub("", stem)) and shorter != stem:
        stem = shorter
    return (file.parent / stem).as_posix().casefold()


def assign_splits(
    groups: Iterable[str], *, valid_fraction: float, test_fraction: float, seed: int
) -> dict[str, str]:
    """Assign each group to train, valid or test by a hash of (seed, group).

    The hash is a place u in [0, 1): test lies below `test_fraction`, validation above
    `1 - valid_fraction`, training between. So a group's part does not depend on the other groups,
    and files that are added later move nothing. One exception keeps small folders usable: from
    three groups on, a part that would stay empty gets the group whose u is nearest to it, of those
    that are not alone in theirs; it returns there once another group falls into the empty one.

    With two groups one trains and one validates, with one group all of it trains. A part whose
    fraction is 0 stays empty.
    """
    if not (0 <= valid_fraction and 0 <= test_fraction and valid_fraction + test_fraction < 1):
        raise ValueError(
            "fractions must be 0 or more and leave something to train on, got "
            f"{valid_fraction=}, {test_fraction=}"
        )
    place = {group: _place(seed, group) for group in groups}
    order = sorted(place, key=lambda group: (place[group], group))
    low, high = test_fraction, 1 - valid_fraction
    parts = {g: "test" if u < low else "valid" if u >= high else "train" for g, u in place.items()}
    if len(order) < 3:
        parts = dict.fromkeys(order, "train")
        if len(order) == 2 and valid_fraction + test_fraction:
            parts[order[1]] = "valid" if valid_fraction else "test"
        return parts
    middle = (low + high) / 2
    nearest = {
        "test": (test_fraction, lambda group: place[group]),
        "valid": (valid_fraction, lambda group: -place[group]),
        "train": (1.0, lambda group: abs(place[group] - middle)),
    }
    for part, (fraction, distance) in nearest.items():
        if fraction and part not in parts.values():
            sizes = Counter(parts.values())
            spare = [group for group in order if sizes[parts[group]] > 1]
            parts[min(spare, key=distance)] = part
    return parts


def _place(seed: int, group: str) -> float:
    text = f"{seed}/{group}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:7]) / 2**56
