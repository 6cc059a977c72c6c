"""Make a listening test of folders of audio, one page without a server; analyse its results.

    latentone listen mushra originals codec_a codec_b -o test
    latentone listen ab ours=run/samples theirs=other/samples -o test
    latentone listen abx originals codec --repeats 4 -o test
    latentone listen pairs system_a system_b system_c -o test
    latentone listen questions generated --scale "How musical is it?|not at all|very" \\
        --question "What bothers you?" -o test
    latentone listen results test/*.json -o analysis
    latentone listen power

Sounds belong together by file name. Listeners open test/index.html and save a result at the end;
test/key.json says which sound was which and stays with you.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ._output import check_folder

if TYPE_CHECKING:
    from ..listening import Design, Question, Settings
    from ..listening.design import Kind
    from ..listening.draft import OnProgress

__all__ = ["Args", "parse", "run"]

NUMBER, WHOLE = tyro.conf.arg(metavar="FLOAT"), tyro.conf.arg(metavar="INT")
Folders = Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[NAME=]FOLDER")]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone listen WORD`; each word has a class of its own."""


@dataclass(frozen=True, kw_only=True)
class _Make(Args):
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The test's folder, a new one."""
    title: str = "Listening test"
    """What listeners read on top."""
    task: str = ""
    """What they are asked, instead of the usual question."""
    items: Annotated[int | None, WHOLE] = None
    """Take this many files of each folder, drawn by the seed, instead of all."""
    seconds: Annotated[float | None, NUMBER] = None
    """Take no more than this of each."""
    loudness: bool = True
    """Whether to bring all sounds to --lufs."""
    lufs: float = -23.0
    """The loudness."""
    seed: int = 0
    """Of what is drawn and of the ids; every listener's order has a seed of its own."""
    embed_mb: float = 80.0
    """Up to this many megabytes lie in the page itself, more in a folder beside it."""
    replace: bool = False
    """Overwrite another test in that folder."""


@dataclass(frozen=True, kw_only=True)
class _Repeated(_Make):
    repeats: int = 1
    """How often each listener meets each trial."""


@dataclass(frozen=True, kw_only=True)
class Mushra(_Repeated):
    """Rate each system from 0 to 100 against a reference (ITU-R BS.1534)."""

    reference: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="REFERENCE")]
    """Folder of originals."""
    systems: Folders
    """Folders of what systems made of them."""
    anchors: tuple[float, ...] = (3500.0, 7000.0)
    """Cutoffs of the low-passed anchors in Hz."""


@dataclass(frozen=True, kw_only=True)
class Ab(_Repeated):
    """Ask which of two is preferred."""

    systems: Folders
    """Two folders."""
    ties: bool = True
    """Whether "no difference" may be answered."""


@dataclass(frozen=True, kw_only=True)
class Abx(_Repeated):
    """Ask whether two can be told apart: which of them is X?"""

    systems: Folders
    """Two folders."""


@dataclass(frozen=True, kw_only=True)
class Pairs(_Repeated):
    """Ask which is preferred, for all pairs of systems."""

    systems: Folders
    """Two folders or more."""
    ties: bool = True
    """Whether "no difference" may be answered."""


@dataclass(frozen=True, kw_only=True)
class Questions(_Make):
    """Ask about each sound, in words or from 1 to 5."""

    systems: Folders
    """Folders; their files need no partners."""
    question: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A question to answer in words; may be given several times."""
    scale: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A question to answer from 1 to 5, as TEXT or TEXT|MEANING OF 1|MEANING OF 5."""


@dataclass(frozen=True, kw_only=True)
class Results(Args):
    """Turn listeners' results into numbers with intervals, and a page."""

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RESULT")]
    """Files that listeners saved, or their folder; key.json lies among or beside them."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("analysis")
    """Folder for results.json and results.html."""
    leave_out: bool = False
    """Go on without files that cannot be used."""
    seed: int = 0
    """Of the bootstrap."""


@dataclass(frozen=True, kw_only=True)
class Power(Args):
    """Print how many listeners a finding needs."""


Words = (
    Annotated[Mushra, tyro.conf.subcommand("mushra")]
    | Annotated[Ab, tyro.conf.subcommand("ab")]
    | Annotated[Abx, tyro.conf.subcommand("abx")]
    | Annotated[Pairs, tyro.conf.subcommand("pairs")]
    | Annotated[Questions, tyro.conf.subcommand("questions")]
    | Annotated[Results, tyro.conf.subcommand("results")]
    | Annotated[Power, tyro.conf.subcommand("power")]
)


def parse(argv: list[str]) -> Args:
    """Read the word that says what to do, and its flags."""
    return tyro.cli(Words, prog="latentone listen", description=__doc__, args=argv)


def run(args: Args) -> int:
    """Make a test, or analyse one."""
    if isinstance(args, Power):
        return _power()
    if isinstance(args, Results):
        return _results(args)
    if isinstance(args, Mushra | Ab | Abx | Pairs | Questions):
        return _make(args)
    raise ValueError("expected a word: mushra, ab, abx, pairs, questions, results or power")


def _make(args: Mushra | Ab | Abx | Pairs | Questions) -> int:
    from ..listening import build_mushra, build_pairs, build_questions, write_test
    from ..listening.folders import named_folders

    folders = named_folders(args.systems)
    check_folder(args.out, "--out")
    # The test is written beside that folder, and renamed when it is whole.
    check_folder(args.out.absolute().parent, "the folder around --out,")
    settings = _settings(args)
    with _Bar() as bar:
        if isinstance(args, Mushra):
            test = build_mushra(
                args.reference, folders, anchors=args.anchors, settings=settings, on_progress=bar
            )
        elif isinstance(args, Questions):
            asked = _questions(args)
            test = build_questions(folders, asked, settings=settings, on_progress=bar)
        else:
            kind: Kind = (
                "ab" if isinstance(args, Ab) else "abx" if isinstance(args, Abx) else "pairs"
            )
            test = build_pairs(folders, kind=kind, settings=settings, on_progress=bar)
    page = write_test(test, args.out, embed_mb=args.embed_mb, replace=args.replace)
    _show(test.design, page)
    return 0


def _settings(args: _Make) -> Settings:
    from ..listening import Settings

    return Settings(
        title=args.title,
        task=args.task,
        items=args.items,
        seconds=args.seconds,
        lufs=args.lufs if args.loudness else None,
        ties=getattr(args, "ties", True),
        repeats=getattr(args, "repeats", 1),
        seed=args.seed,
    )


def _questions(args: Questions) -> list[Question]:
    from ..listening import Question

    scales = []
    for text in args.scale:
        parts = [part.strip() for part in text.split("|")]
        if len(parts) not in (1, 3):
            raise ValueError(f"--scale takes TEXT or TEXT|MEANING OF 1|MEANING OF 5, got {text!r}")
        low, high = parts[1:] or ("", "")
        scales.append(Question(kind="scale", text=parts[0], low=low, high=high))
    return scales + [Question(text=text) for text in args.question]


class _Bar:
    """Progress over items."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self._task = self._progress.add_task("sounds", total=None)

    def __enter__(self) -> OnProgress:
        self._progress.start()
        return lambda done, total: self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def _show(design: Design, page: Path) -> None:
    pages = len(design.trials) * design.repeats
    print(f"{design.kind} test {design.id}: {pages} pages of {', '.join(design.conditions)}")
    for note in design.notes:
        print(f"note: {note}")
    size = sum(path.stat().st_size for path in page.parent.rglob("*") if path.is_file())
    beside = " and sounds/ beside it" if (page.parent / "sounds").exists() else ""
    print(f"wrote {page}{beside}, {size / 1e6:.1f} MB: give it to listeners")
    print(f"wrote {page.parent / 'key.json'}: keep it, it says which sound was which")


def _results(args: Results) -> int:
    import torch

    from ..listening import analyse, read_results, write_results

    check_folder(args.out, "--out")
    design, results, left_out = read_results(args.files, leave_out=args.leave_out)
    found = analyse(design, results, rng=torch.Generator().manual_seed(args.seed))
    found["notes"] += [f"left out: {problem}" for problem in left_out]
    page = write_results(found, args.out)
    _print(found)
    print(f"\nwrote {page} and {args.out / 'results.json'}")
    return 0


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..listening.summary import summary

    head, rows = summary(found)
    table = Table(*head, box=None)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    for who in found["listeners"]:
        for reason in who["left_out"]:
            console.print(f"- left out: {who['id']} {reason}", style="yellow", markup=False)
    for note in found["notes"]:
        console.print(f"- {note}", style="yellow", markup=False)


def _power() -> int:
    from ..listening.power import power_tables

    print(power_tables())
    return 0
