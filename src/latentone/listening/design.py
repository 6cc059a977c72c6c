"""What a listening test asks, of which sounds, and which system made each of them.

The design is the test's key: listeners get a page that knows sounds by meaningless ids only, and
`key.json` stays with whoever evaluates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..config import ConfigError, from_dict, load_json, save_json, to_dict

__all__ = ["KINDS", "Design", "Kind", "Question", "Trial", "sound_id"]

Kind = Literal["mushra", "ab", "abx", "pairs", "questions"]

KINDS: dict[Kind, str] = {
    "mushra": "each sound rated from 0 to 100 against a reference (ITU-R BS.1534)",
    "ab": "which of two is preferred",
    "abx": "whether two can be told apart",
    "pairs": "which of two is preferred, for all pairs of systems",
    "questions": "open questions and scales from 1 to 5 about each sound",
}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about a sound."""

    text: str
    kind: Literal["open", "scale"] = "open"
    """Free text, or 1 to 5."""
    low: str = ""
    """What 1 means."""
    high: str = ""
    """What 5 means."""

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a question needs a text")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is on the page at one time."""

    id: str
    item: str
    """The file stem that its sounds share."""
    sounds: Mapping[str, str]
    """Id of each sound to judge -> its system."""
    reference: str = ""
    """Id of the open reference, or nothing."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """A whole test."""

    kind: Kind
    title: str
    task: str
    """What listeners are asked."""
    systems: tuple[str, ...]
    """Under test, in the order in which they are reported."""
    trials: tuple[Trial, ...]
    hidden: str = ""
    """Name of the hidden reference."""
    anchors: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    ties: bool = True
    """Whether "no difference" may be answered."""
    repeats: int = 1
    """How often a listener meets each trial."""
    sample_rate: int
    """Of all sounds, in Hz."""
    lufs: float | None
    """Loudness of all sounds; None leaves them as they were."""
    seed: int
    notes: tuple[str, ...] = ()
    """What whoever evaluates should know: what was left out, cut or silent."""
    software: str
    digests: Mapping[str, str]
    """Id of each sound -> hash of its samples."""
    id: str = ""
    """Hash of all the rest; results carry it."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """All that is judged: systems, then the hidden reference, then anchors."""
        hidden = (self.hidden,) if self.hidden else ()
        return (*self.systems, *hidden, *self.anchors)

    def identified(self) -> Design:
        """The same with its id filled in; who made it and what was noted do not count."""
        data = to_dict(replace(self, id="", software="", notes=()))
        digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
        return replace(self, id=digest[:12])

    def save(self, path: str | Path) -> None:
        """Write the key."""
        save_json(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Design:
        """Read a key.

        Raises:
            ConfigError: no key, or one that was changed since.
        """
        data = load_json(path)
        if not isinstance(data, dict) or data.get("type") != cls.__name__:
            raise ConfigError(f"{path} is no key of a listening test; expected its key.json")
        design = from_dict(cls, data)
        if design.identified().id != design.id:
            raise ConfigError(f"{path} does not fit its own id {design.id}: it was changed")
        return design


def sound_id(*parts: object) -> str:
    """Ten hexadecimal digits that say nothing to the eye; equal parts give equal ids."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.blake2s(text.encode(), digest_size=5).hexdigest()
