"""The command line: finds the verbs in `commands/`, parses flags, turns errors into exit codes.

Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 130 interrupted.
"""

from __future__ import annotations

import ast
import difflib
import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from . import __version__

__all__ = ["main", "summaries", "verbs"]

INTRODUCTION = """\
Every generative system of musical sound is a representation and a model that generates in it:

  step 1   train a codec              audio -> latents -> audio
  step 2   compute the latents        a folder of audio -> a latent store
  step 3   train a generator          on the latents, with conditions
  step 4   generate and decode        conditions -> latents -> audio
"""

GROUPS = {
    "look around": ("systems", "info", "corpus"),
    "steps 1 to 3, learn from a folder of sound": ("train", "encode"),
    "step 4, make sound": ("generate", "continue", "reconstruct", "transfer", "play"),
    "keep it small": ("compress", "decompress"),
    "take it elsewhere": ("export",),
    "look back": ("report", "evaluate", "similar", "listen"),
}

EXAMPLES = """\
  latentone info my_sounds
  latentone train musicgen --data my_sounds --minutes 30 --out run
  latentone generate run --prompt "slow piano in a minor" --duration 8 -o out.wav
  latentone reconstruct run song.wav -o heard.wav
  latentone report run
"""


def verbs() -> dict[str, Path]:
    """Return the source file of every verb; `continue_.py` is the verb `continue`."""
    folder = Path(__file__).parent / "commands"
    files = sorted(p for p in folder.glob("*.py") if not p.name.startswith("_"))
    return {p.stem.rstrip("_").replace("_", "-"): p for p in files}


def summaries() -> dict[str, str]:
    """Return the first docstring line of every verb, read from the source without importing it."""
    return {name: _summary(path) for name, path in verbs().items()}


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].rstrip(".")


def _overview() -> str:
    known = summaries()
    placed = {verb for group in GROUPS.values() for verb in group}
    groups = {**GROUPS, "more": tuple(v for v in known if v not in placed)}
    lines = [f"latentone {__version__}: generative models of musical sound", "", INTRODUCTION]
    lines += ["usage: latentone VERB ...        (latentone VERB --help explains a verb)"]
    for title, names in groups.items():
        present = [name for name in names if name in known]
        if present:
            lines += ["", title] + [f"  {name:<13}{known[name]}" for name in present]
    lines += ["", "everywhere"]
    lines += ["  --version    print the version", "  --debug      show the traceback of an error"]
    return "\n".join([*lines, "", "examples", EXAMPLES.rstrip()])


def _parse(module: ModuleType, verb: str, argv: list[str]) -> object:
    if hasattr(module, "parse"):
        return module.parse(argv)
    import tyro

    return tyro.cli(module.Args, prog=f"latentone {verb}", description=module.__doc__, args=argv)


def _run(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"latentone {__version__}")
        return 0
    verb, known = argv[0], verbs()
    if verb not in known:
        near = difflib.get_close_matches(verb, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"verbs: {', '.join(known)}"
        raise ValueError(f"unknown verb {verb!r}; {hint}")
    module = importlib.import_module(f".commands.{known[verb].stem}", __package__)
    return int(module.run(_parse(module, verb, argv[1:])) or 0)


def _explain(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, KeyError):
        text = f"missing key {text}"
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Wrong requests (`ValueError`, missing files, missing extras) become one line on stderr and 2;
    failures of a run (`RuntimeError`, a full disk) one line and 1; anything else is a defect,
    named with its class and 1. `--debug` lets the traceback through.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [a for a in arguments if a != "--debug"]
    try:
        return _run(arguments)
    except KeyboardInterrupt as stop:
        why = f": {stop}" if str(stop) else ""
        print(f"\nlatentone: interrupted{why}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # silence the final flush
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
        if isinstance(error, ValueError | OSError | ImportError) and not full:
            print(f"latentone: {_explain(error)}", file=sys.stderr)
            return 2
        if isinstance(error, RuntimeError) or full:
            print(f"latentone: failed: {_explain(error)}", file=sys.stderr)
        else:
            name = type(error).__name__
            print(f"latentone: unexpected {name}: {_explain(error)}", file=sys.stderr)
        if not debug:
            print("latentone: repeat with --debug to see where", file=sys.stderr)
        return 1
