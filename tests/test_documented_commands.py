"""Every command that README and docs tell people to type is one that the command line takes."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from latentone.cli import _parse, verbs
from latentone.commands import export

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINE = re.compile(r"^ {4}(latentone (?:[^\\\n]|\\\n)*)$", re.MULTILINE)
OPEN = re.compile(r" \| |\.\.\.|~\||\b(SIZE|SYSTEM)\b")
"""Forms with a choice or a blank in them, which nobody types as they are."""


def commands() -> list[str]:
    """All of them once, without what a second column says."""
    found = [line for page in PAGES for line in LINE.findall(page.read_text(encoding="utf-8"))]
    joined = [re.sub(r"\s*\\\n\s*", " ", line) for line in found]
    return sorted({re.split(r"\s{2,}", line)[0] for line in joined if not OPEN.search(line)})


@pytest.mark.parametrize("command", commands())
def test_it_is_taken(command: str) -> None:
    verb, *argv = shlex.split(command, comments=True)[1:]
    module = importlib.import_module(f"latentone.commands.{verbs()[verb].stem}")
    args = _parse(module, verb, argv)
    if module is export:
        assert isinstance(args, export.Args)
        export._check(args, args.out or Path(f"model{export.SUFFIXES[args.to]}"))


def test_many_are_found_and_wrong_ones_refused() -> None:
    assert len(commands()) > 60
    with pytest.raises(ValueError, match=r"ends in \.onnx"):
        test_it_is_taken("latentone export run --to onnx -o exported")
    with pytest.raises(SystemExit):
        test_it_is_taken("latentone play run --loud")
