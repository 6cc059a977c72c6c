"""The Python of the docs: what they import is there, and one page runs from top to bottom."""

from __future__ import annotations

import ast
import math
import re
from pathlib import Path

import pytest
import torch

from latentone.audio import Audio

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda p: p.stem)
def test_what_is_imported_is_there(page: Path) -> None:
    for block in blocks(page):
        tree = ast.parse(block)
        imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(page), "exec"), {})


@pytest.mark.slow
def test_recipes_of_your_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    time = torch.arange(12_000) / 8000
    for i in range(12):
        wave = 0.4 * torch.sin(2 * math.pi * 150 * (i + 1) * time)
        Audio(wave[None], 8000).save(tmp_path / "my_sounds" / f"tone{i}.wav")
    names: dict[str, object] = {}
    for block in blocks(ROOT / "docs" / "building.md"):
        exec(compile(block, "building.md", "exec"), names)
    assert (tmp_path / "run" / "codec" / "config.json").exists()
    assert torch.isfinite(names["y"]).all()  # type: ignore[arg-type]
