"""The command line: what it prints, what it imports, how it ends."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

import latentone
from latentone import cli

ROOT = Path(__file__).parents[1]

QUICK = """
import contextlib, io, sys
from latentone.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:
        code = end.code
heavy = [name for name in ("torch", "numpy", "transformers", "matplotlib") if name in sys.modules]
print(code, len(out.getvalue()), *heavy)
"""


def quick(*argv: str) -> list[str]:
    """Exit code, characters printed, heavy modules imported."""
    done = subprocess.run(
        [sys.executable, "-c", QUICK, *argv],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "COLUMNS": "100"},
    )
    return done.stdout.split()


def test_help_imports_nothing_heavy() -> None:
    for argv in ([], ["--help"], ["--version"]):
        code, printed, *heavy = quick(*argv)
        assert (code, heavy) == ("0", [])
        assert int(printed) > 10


@pytest.mark.parametrize("verb", sorted(cli.verbs()))
def test_help_of_a_verb_imports_nothing_heavy(verb: str) -> None:
    code, printed, *heavy = quick(verb, "--help")
    assert (code, heavy) == ("0", [])
    assert int(printed) > 200


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, latentone; latentone.__version__; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    env = {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run(command, capture_output=True, text=True, env=env).stdout == "False\n"


def test_public_names_load_on_use() -> None:
    from latentone.pipeline import Pipeline

    assert latentone.Pipeline is Pipeline
    for name in latentone.__all__:
        assert getattr(latentone, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        latentone.nothing  # noqa: B018


def test_the_version_is_that_of_the_project() -> None:
    assert f'version = "{latentone.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    printed = capsys.readouterr().out
    for verb, summary in cli.summaries().items():
        assert f"  {verb} " in printed
        assert summary and summary in printed
    placed = [verb for group in cli.GROUPS.values() for verb in group]
    assert sorted(placed) == sorted(cli.verbs()), "a verb outside the groups lands under `more`"


def test_every_flag_is_explained() -> None:
    import dataclasses
    import importlib

    from tyro._docstrings import get_field_docstring

    for path in cli.verbs().values():
        args = importlib.import_module(f"latentone.commands.{path.stem}").Args
        for field in dataclasses.fields(args):
            assert get_field_docstring(args, field.name, ()), f"{path.stem}: {field.name}"


def test_an_unknown_verb_suggests_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["generat"]) == 2
    assert "did you mean `generate`?" in capsys.readouterr().err
    assert cli.main(["xyzzy"]) == 2
    assert "verbs: " in capsys.readouterr().err


def test_a_wrong_flag_is_refused() -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["generate", "run", "--durration", "3"])
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("expected\n a tone"), 2, "latentone: expected a tone\n"),
        (FileNotFoundError(2, "No such file", "x.wav"), 2, "x.wav"),
        (ModuleNotFoundError("pip install 'latentone[midi]'"), 2, "latentone[midi]"),
        (RuntimeError("loss is NaN at step 3"), 1, "failed: loss is NaN at step 3"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left"),
        (ZeroDivisionError("division by zero"), 1, "unexpected ZeroDivisionError"),
        (KeyError("name"), 1, "missing key 'name'"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(argv: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main(["generate"]) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    if isinstance(error, Exception):
        assert cli.main(["generate", "--debug"]) == code
        assert "Traceback" in capsys.readouterr().err


def test_python_m_is_the_same() -> None:
    command = [sys.executable, "-m", "latentone", "--version"]
    env = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    assert done.stdout == f"latentone {latentone.__version__}\n"
