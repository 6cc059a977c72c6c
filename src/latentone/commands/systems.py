"""List the named systems: what each is, its paper, its sizes.

latentone systems
latentone systems musicgen
"""

from __future__ import annotations

from dataclasses import dataclass

import tyro

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

    from ._systems import load_card, system_names

    console = Console()
    if args.name is not None:
        card = load_card(args.name)
        console.print(f"[bold]{card.title}[/] ({args.name})", highlight=False)
        console.print(f"{card.summary}\n", highlight=False, markup=False)
        paper = f"{card.authors}: {card.paper} ({card.year})"
        console.print(paper, highlight=False, markup=False)
        console.print("\nsizes (--size)", highlight=False)
        for size, text in card.sizes.items():
            console.print(f"  {size:<10} {text}", highlight=False, markup=False)
        console.print(f"\n  latentone train {args.name} --data FOLDER --out run", markup=False)
        return 0
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="dim")
    for heading in ("name", "what it is", "paper", "sizes"):
        table.add_column(heading, no_wrap=heading == "name")
    for name in system_names():
        card = load_card(name)
        paper = f"{card.authors} {card.year}"
        table.add_row(f"[bold]{name}[/]", card.summary, paper, ", ".join(card.sizes))
    console.print(table)
    return 0
