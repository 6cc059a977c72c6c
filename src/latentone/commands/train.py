"""Train a system on a folder of audio: steps 1 to 3, or one of them.

    latentone train musicgen --data my_sounds --out run --minutes 30
    latentone train codec musicgen --data my_sounds --out run
    latentone train codec musicgen --data my_sounds --out tuned --from run
    latentone train generator musicgen --data my_sounds --out run
    latentone train musicgen --data my_sounds --out run --codec.train.batch-size 4
    latentone train dac --size 44khz --machine 8gb --data my_sounds --out run

Stop it at any time; the same command goes on from there, bit by bit as if it had never stopped.
`latentone train SYSTEM --help` lists all that a system's recipe can be told. In the end the run
folder holds codec/, latents/, generator/, samples/ and report.html.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

if TYPE_CHECKING:
    from ..latents import EncodeProgress
    from ..training.recipe import Recipe, Stage

__all__ = ["Args", "parse", "run"]

Step = Literal["codec", "encode", "generator"]
STEPS: tuple[Step, ...] = ("codec", "encode", "generator")

NUMBER, WHOLE = tyro.conf.arg(metavar="FLOAT"), tyro.conf.arg(metavar="INT")


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone train`."""

    system: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="[STEP] SYSTEM")]
    """A name that `latentone systems` lists; before it, codec, encode or generator trains only
    that step."""
    data: Path
    """The folder of audio, nested as you like, any format."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """The run folder: a new one, or one to continue."""
    size: str = "small"
    """Which recipe of the system: debug, small, paper, or a published size."""
    machine: Annotated[
        Literal["laptop", "8gb", "16gb", "24gb"] | None,
        tyro.conf.arg(metavar="{laptop,8gb,16gb,24gb}"),
    ] = None
    """Cut the recipe to a machine: a laptop without an accelerator, or an accelerator with so much
    memory. A batch that does not fit at once is accumulated from smaller ones (`batch-size` times
    `accumulate` stays, but on a laptop, which takes eight excerpts a step at most), excerpts are
    halved only where a single one does not fit, and accelerators compute in bf16. What a step
    needs is counted first, which takes some seconds; `--help` beside it shows what came out, and
    flags such as --codec.train.batch-size have the last word."""
    minutes: Annotated[float | None, NUMBER] = None
    """Training time in all, shared by the steps; encoding comes on top."""
    steps: Annotated[int | None, WHOLE] = None
    """Optimiser steps of each training, instead of minutes."""
    pretrained: Annotated[str | None, tyro.conf.arg(name="from", metavar="MODEL")] = None
    """Run, codec or generator to fine-tune, discriminator included."""
    with_codec: Annotated[str | None, tyro.conf.arg(metavar="MODEL")] = None
    """A codec to take as it is, instead of training one."""
    seed: Annotated[int | None, WHOLE] = None
    """Of weights and all chance in training; without it, the recipe's."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Annotated[Literal["fp32", "bf16"] | None, tyro.conf.arg(metavar="{fp32,bf16}")] = (
        None
    )
    """Arithmetic of training; without it, the recipe's."""
    report: bool = True
    """Whether to write report.html at the end."""
    only: tyro.conf.Suppress[Step | None] = None
    """The one step to do; set by the word before SYSTEM."""
    recipe: tyro.conf.Suppress[Any] = None
    """The recipe with all flags applied; set by `parse`."""


def parse(argv: list[str]) -> Args:
    """Read flags; those of the recipe depend on system and size, which are found first."""
    prog, only = "latentone train", None
    if argv and argv[0] in STEPS:
        only, argv = argv[0], argv[1:]
    if not argv or argv[0].startswith("-"):
        return tyro.cli(Args, prog=prog, description=__doc__, args=argv)

    from ._systems import load_recipe

    recipe = load_recipe(argv[0], _flag(argv, "--size") or Args.size)
    machine = _flag(argv, "--machine")
    if machine is not None:
        from ..training.machine import MachineName, fit_to_machine

        recipe = fit_to_machine(recipe, cast(MachineName, machine))
    fields: list[tuple[str, Any, Any]] = [
        ("split", type(recipe.data), dataclasses.field(default=recipe.data))
    ]
    for name in ("codec", "generator", "embedding"):
        stage = getattr(recipe, name)
        if stage is not None:
            fields.append((name, type(stage), dataclasses.field(default=stage)))
    combined = dataclasses.make_dataclass("Args", fields, bases=(Args,), frozen=True, kw_only=True)
    config = (tyro.conf.AvoidSubcommands,)
    args: Any = tyro.cli(combined, prog=prog, description=__doc__, args=argv, config=config)
    recipe = dataclasses.replace(
        recipe,
        data=args.split,
        codec=getattr(args, "codec", None),
        generator=getattr(args, "generator", None),
        embedding=getattr(args, "embedding", None),
    )
    return dataclasses.replace(args, only=only, recipe=_apply(recipe, args))


def _flag(argv: list[str], name: str) -> str | None:
    """The value of a flag that the others depend on."""
    for i, text in enumerate(argv):
        if text == name and i + 1 < len(argv):
            return argv[i + 1]
        if text.startswith(f"{name}="):
            return text.removeprefix(f"{name}=")
    return None


def _apply(recipe: Recipe, args: Args) -> Recipe:
    """The recipe under the short flags: --steps, --seed, --precision."""
    if args.steps is not None and args.minutes is not None:
        raise ValueError("give --minutes or --steps, not both")
    changes: dict[str, Any] = {}
    if args.steps is not None:
        changes |= {"steps": args.steps, "minutes": None}
    if args.seed is not None:
        changes["seed"] = args.seed
    if args.precision is not None:
        changes["precision"] = {"fp32": "32-true", "bf16": "bf16-mixed"}[args.precision]

    def changed(stage: Stage | None) -> Stage | None:
        if stage is None:
            return None
        return dataclasses.replace(stage, train=dataclasses.replace(stage.train, **changes))

    return dataclasses.replace(
        recipe,
        codec=changed(recipe.codec),
        generator=changed(recipe.generator),
        embedding=changed(recipe.embedding),
    )


def run(args: Args) -> int:
    """Train, then write the report."""
    import os

    if not args.data.is_dir():
        raise FileNotFoundError(f"{args.data} is no folder; --data takes a folder of audio")
    if args.recipe.embedding is not None:
        return _train_embedding(args)
    from ..training.system import train_system

    first = int(os.environ.get("RANK", "0")) == 0
    steps = STEPS if args.only is None else (args.only,)
    if args.with_codec is not None:
        if args.only == "codec":
            raise ValueError("--with-codec takes a codec as it is; `train codec` trains one")
        steps = tuple(step for step in steps if step != "codec")
    if first:
        _show(args.recipe)
    codec_from, generator_from = _origins(args)
    with _EncodeBar() as bar:
        train_system(
            args.recipe,
            args.data,
            args.out,
            steps=steps,
            minutes=args.minutes,
            device=args.device,
            codec_from=codec_from,
            generator_from=generator_from,
            on_event=lambda text: print(text, flush=True),
            on_encode=bar,
        )
    if first and args.report:
        from .report import report_on

        print(f"report: {report_on(args.out, device=args.device)}")
    return 0


def _train_embedding(args: Args) -> int:
    """Train what judges, and print how good it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from ..config import load_json
    from ..training.embedding_stage import train_embedding

    if args.only is not None or args.with_codec is not None:
        raise ValueError(f"{args.system} is an embedding: it has no codec and one step")
    _show(args.recipe)
    console = Console(stderr=True)
    columns = ("judge", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("judge", visible=False)
        train_embedding(
            args.recipe,
            args.data,
            args.out,
            minutes=args.minutes,
            device=args.device,
            embedding_from=args.pretrained,
            on_event=lambda text: print(text, flush=True),
            on_file=lambda done, total: bar.update(task, completed=done, total=total, visible=True),
        )
    if (args.out / "metrics.json").exists():
        found = load_json(args.out / "metrics.json")
        print(f"on {found['items']} held-out recordings ({found['split']}):")
        for name, figure in found["figures"].items():
            print(f"  {name}: {figure['value']:.4g} (of {figure['items']})")
        for name, share in found["commonest"].items():
            print(f"  {name}, always the commonest answer: {share:.4g}")
    return 0


class _EncodeBar:
    """The progress of step 2, shown only while it runs: trainings have bars of their own."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._show: Callable[[EncodeProgress], None] | None = None
        self._done = False

    def __enter__(self) -> _EncodeBar:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __call__(self, progress: EncodeProgress) -> None:
        if self._done:
            return
        if self._show is None:
            from .encode import EncodeBar

            self._show = self._stack.enter_context(EncodeBar())
        self._show(progress)
        if progress.items + progress.failures >= progress.total_items:
            self._stack.close()
            self._done = True


def _origins(args: Args) -> tuple[str | None, str | None]:
    """Where codec and generator come from: folders of a run, or models themselves."""
    if args.with_codec is not None:
        return _part(args.with_codec, "codec"), None
    if args.pretrained is None:
        return None, None
    if args.only == "generator":
        return None, _part(args.pretrained, "generator")
    if args.only is not None or not (Path(args.pretrained) / "generator").is_dir():
        return _part(args.pretrained, "codec"), None
    return _part(args.pretrained, "codec"), _part(args.pretrained, "generator")


def _part(model: str, name: str) -> str:
    inside = Path(model) / name
    return str(inside) if inside.is_dir() else model


def _show(recipe: Recipe) -> None:
    """Print the resolved recipe, a line a setting."""
    from ..config import to_dict

    print(f"recipe: {recipe.system}, size {recipe.size}")
    for line in _lines(to_dict(recipe), ""):
        print(f"  {line}")


def _lines(value: Any, path: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [
            line
            for key, inner in value.items()
            if key != "type"
            for line in _lines(inner, f"{path}.{key}" if path else key)
        ]
    return [f"{path} = {value}"]
