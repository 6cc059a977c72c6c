"""Captions and facts beside audio files: `song.txt`, `song.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Sidecar", "read_sidecar"]

CAPTION_FIELDS = ("caption", "description")
GROUP_FIELDS = ("group", "source")


class Sidecar(NamedTuple):
    """What stands beside one audio file."""

    caption: str | None
    group: str | None
    """The source that the file was cut from, if its sidecar says."""
    metadata: dict[str, Any]
    """Numbers, strings, booleans and lists of strings (bpm, key, genre, instruments ...).

    Larger structures (notes, beats) stay in the file.
    """
    problems: list[tuple[Path, str]]
    """Sidecars, or fields of them, that cannot be used, with the reason."""


def read_sidecar(audio: Path) -> Sidecar:
    """Read what stands beside `audio`: `name.txt` and `name.json`, or `name.wav.json` and so on.

    A text file is the caption. A JSON object has `caption` (a string, or a list of which the first
    counts), `group` or `source`, and any other facts; its caption goes before the text file's. A
    `bpm` must be a positive number. What cannot be used is left out and listed in `problems`: a
    broken caption never costs the sound.
    """
    problems: list[tuple[Path, str]] = []
    fields: dict[str, Any] = {}
    for path in _beside(audio, ".json"):
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            problems.append((path, f"expected a JSON object, got {error}"))
            continue
        if not isinstance(data, dict):
            problems.append((path, f"expected a JSON object, got {type(data).__name__}"))
            continue
        fields.update(data)
        if "bpm" in data and not _positive_number(data["bpm"]):
            problems.append((path, f"expected `bpm` to be a positive number, got {data['bpm']!r}"))
            del fields["bpm"]
    caption = next((c for name in CAPTION_FIELDS if (c := _caption(fields.get(name)))), None)
    for path in _beside(audio, ".txt"):
        try:
            text = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            problems.append((path, f"expected UTF-8 text, got {error}"))
            continue
        caption = caption or text or None
    group = next((str(fields[name]) for name in GROUP_FIELDS if fields.get(name)), None)
    metadata = {
        key: value
        for key, value in fields.items()
        if key not in (*CAPTION_FIELDS, "group") and _is_fact(value)
    }
    return Sidecar(caption, group, metadata, problems)


def _beside(audio: Path, suffix: str) -> list[Path]:
    candidates = (audio.with_suffix(suffix), audio.with_name(audio.name + suffix))
    return [path for path in candidates if path.is_file()]


def _positive_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _caption(value: Any) -> str | None:
    if isinstance(value, list):
        value = next((v for v in value if isinstance(v, str) and v.strip()), None)
    return value.strip() or None if isinstance(value, str) else None


def _is_fact(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(v, str) for v in value)
    return isinstance(value, str | bool | int | float)
