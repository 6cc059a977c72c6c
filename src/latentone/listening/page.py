"""The page that listeners open: one HTML file, or one with its sounds in a folder beside it."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..atomic import atomic_folder
from .design import Design
from .draft import Test
from .sounds import encode_flac

__all__ = ["EMBED_MB", "FORMAT", "RESULT", "write_test"]

FORMAT = "latentone listening test"
RESULT = "latentone listening result"
VERSION = 1

EMBED_MB = 80.0
"""Up to this size a page holds its sounds; browsers open larger ones slowly."""

SCRIPTS = ("logic.js", "player.js", "elements.js", "trials.js", "pages.js", "test.js")
OWN = {"index.html", "key.json", "sounds"}

Sources = dict[str, tuple[str, bytes]]


def write_test(
    test: Test, folder: str | Path, *, embed_mb: float = EMBED_MB, replace: bool = False
) -> Path:
    """Write `index.html` for listeners and `key.json` for whoever evaluates.

    Browsers let no page from disk read another file, yet run scripts beside it: what is too large
    to embed lies in `sounds/` as one script a sound, which hands over its base64.

    Args:
        test: design and sounds.
        folder: a new one, or one that holds this test and nothing else.
        embed_mb: largest page with sounds inside, in megabytes.
        replace: overwrite another test, whose results nobody can read without its key.

    Returns:
        The page.

    Raises:
        ValueError: the folder holds something else.
    """
    folder = Path(folder)
    _refuse_loss(folder, test.design, replace)
    sources = _sources(test)
    blobs = dict(sources.values())
    texts = {name: b64encode(data).decode() for name, data in sorted(blobs.items())}
    embedded = sum(map(len, texts.values())) <= embed_mb * 1e6
    with atomic_folder(folder) as partial:
        page = render(
            test.design,
            {key: name for key, (name, _) in sources.items()},
            texts if embedded else None,
        )
        (partial / "index.html").write_text(page, encoding="utf-8")
        test.design.save(partial / "key.json")
        if not embedded:
            (partial / "sounds").mkdir()
            for name, text in texts.items():
                path = partial / "sounds" / f"{name}.js"
                path.write_text(f'receiveSound("{name}","{text}");\n', encoding="utf-8")
    return folder / "index.html"


def _refuse_loss(folder: Path, design: Design, replace: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file; expected a folder to write the test to")
    others = sorted(path.name for path in folder.iterdir() if path.name not in OWN)
    if others:
        raise ValueError(
            f"{folder} holds {others[0]}, which is no part of a test; choose a folder of its own"
        )
    key = folder / "key.json"
    if key.exists() and not replace and Design.load(key).id != design.id:
        raise ValueError(
            f"{folder} holds another test, and its results need its key; choose another folder, "
            "or give --replace"
        )


def _sources(test: Test) -> Sources:
    """Id of a sound -> name and bytes of its file; equal sounds share one."""
    sources: Sources = {}
    for key, sound in test.sounds.items():
        seed = f"{test.design.seed} {test.design.digests[key]}".encode()
        name = hashlib.blake2s(seed, digest_size=6).hexdigest()
        sources[key] = name, encode_flac(sound)
    return sources


def page_data(design: Design, sources: Mapping[str, str]) -> dict[str, Any]:
    """What the page knows: no system, no item, no file name."""
    return {
        "format": RESULT,
        "version": VERSION,
        "software": design.software,
        "test": design.id,
        "kind": design.kind,
        "title": design.title,
        "task": design.task,
        "ties": design.ties,
        "repeats": design.repeats,
        "sampleRate": design.sample_rate,
        "lufs": design.lufs,
        "questions": [
            {"kind": q.kind, "text": q.text, "low": q.low, "high": q.high} for q in design.questions
        ],
        "trials": sorted(
            (
                {"id": t.id, "sounds": sorted(t.sounds), "reference": t.reference or None}
                for t in design.trials
            ),
            key=lambda trial: str(trial["id"]),
        ),
        "sources": dict(sorted(sources.items())),
    }


def render(design: Design, sources: Mapping[str, str], texts: Mapping[str, str] | None) -> str:
    """The page's text; `texts` are the sounds in base64, or None when they lie beside it."""
    here = files(__package__)
    style = (files("latentone.report") / "style.css").read_text(encoding="utf-8")
    style += (here / "page.css").read_text(encoding="utf-8")
    script = "\n".join((here / name).read_text(encoding="utf-8") for name in SCRIPTS)
    data = json.dumps(page_data(design, sources)).replace("<", "\\u003c")
    sounds = "".join(
        f'<script type="text/plain" id="sound-{name}">{text}</script>'
        for name, text in (texts or {}).items()
    )
    # With the sounds inside, the browser itself is told to load nothing from anywhere.
    policy = (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        if texts is not None
        else ""
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{policy}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(design.title)}</title><style>{style}</style></head>"
        '<body class="listening"><main id="page"><noscript>This test needs JavaScript.</noscript>'
        f"</main>{sounds}"
        f'<script type="application/json" id="test">{data}</script>'
        f"<script>{script}</script></body></html>\n"
    )
