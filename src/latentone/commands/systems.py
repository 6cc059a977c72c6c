"""List the named systems: what each trains, its paper, its sizes.

latentone systems
latentone systems musicgen

A codec is step 1, a generator step 3 (`latentone` explains the steps); an embedding makes no sound
and judges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Args", "run"]


@dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `latentone systems`."""

    name: tyro.conf.Positional[str | None] = None
    """One system, to read about it at length; without it, all are listed."""


def run(args: Args) -> int:
    """Print one card or the table of all."""
    from rich.console import Console
    from rich.table import Table

    from ._systems import load_card, system_names, trained_stages

    console = Console()
    if args.name is not None:
        _one(args.name, console)
        return 0
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name in system_names():
        card = load_card(name)
        trains, sizes = ", ".join(trained_stages(name)), ", ".join(card.sizes)
        paper = f"{card.authors} {card.year}: {card.paper}"
        table.add_row(name, f"{card.summary}\n{paper}\nTrains {trains}. Sizes: {sizes}")
    console.print(table)
    console.print(
        "`latentone systems NAME` tells what each size is, to the parameter.", markup=False
    )
    return 0


def _one(name: str, console: Console) -> None:
    """A card at length, with the exact size of every codec."""
    from rich.table import Table

    from ._systems import codec_parameters, load_card, load_recipe, trained_stages

    card = load_card(name)
    console.print(f"[bold]{card.title}[/] ({name})", highlight=False)
    console.print(f"{card.summary}\n", highlight=False, markup=False)
    paper = f"{card.authors}: {card.paper} ({card.year})"
    console.print(paper, highlight=False, markup=False, soft_wrap=True)
    console.print(f"trains: {', '.join(trained_stages(name))}\n", highlight=False, markup=False)
    counts = {size: codec_parameters(load_recipe(name, size)) for size in card.sizes}
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("--size", no_wrap=True)
    if any(count is not None for count in counts.values()):
        table.add_column("codec parameters", justify="right", no_wrap=True)
    table.add_column("")
    for size, text in card.sizes.items():
        count = [] if counts[size] is None else [f"{counts[size]:,}"]
        table.add_row(size, *count, text)
    console.print(table, highlight=False)
    console.print(f"\n  latentone train {name} --data FOLDER --out run", markup=False)
