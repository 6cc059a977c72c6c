"""Named systems, one short file each: `RECIPES` by size and a `CARD` for people.

The command line finds them by the names of their files.
"""

from __future__ import annotations

__all__: list[str] = []
