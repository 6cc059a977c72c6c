"""What `latentone systems` says of a system; imports no torch, so that listing is quick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SystemCard"]


@dataclass(frozen=True, kw_only=True)
class SystemCard:
    """A named system in a few lines."""

    title: str
    """Name as its authors write it."""
    paper: str
    """Title of the paper and where to find it."""
    authors: str
    """First author et al., or all of a few."""
    year: int
    """Of the first publication."""
    summary: str
    """One sentence: what goes in, what comes out, how."""
    sizes: Mapping[str, str]
    """Names of its recipes and one line on each, smallest first."""
