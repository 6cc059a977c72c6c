"""The command line's verbs, one file each.

A verb is a module with a docstring (its help text; the first line is its summary), a frozen
keyword-only dataclass `Args` whose documented fields are its flags, and `run(args) -> int`, the
exit code. A module may bring its own `parse(argv) -> Args`. None imports torch at its top, so
that help answers at once.
"""

from __future__ import annotations

__all__: list[str] = []
