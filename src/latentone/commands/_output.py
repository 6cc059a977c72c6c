"""Whether a folder can be written to, found out before the work whose result it takes."""

from __future__ import annotations

import tempfile
from pathlib import Path

__all__ = ["check_folder"]


def check_folder(folder: Path, flag: str) -> None:
    """Make a folder and a file in it, and take away again what was made.

    Args:
        folder: where results will be written; may exist already.
        flag: what the user named it by, such as `--out`.

    Raises:
        ValueError: nothing can be written there; says why, and what to do.
    """
    made: list[Path] = []
    try:
        for missing in [f for f in (folder, *folder.parents) if not f.exists()][::-1]:
            missing.mkdir(exist_ok=True)
            made.append(missing)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = error.strerror or str(error)
        if isinstance(error, NotADirectoryError | FileExistsError):
            whole = (folder, *folder.parents)
            why = next((f"{f} is a file" for f in whole if f.is_file()), why)
        raise ValueError(
            f"{flag} {folder} cannot be written to: {why}; name a new folder, or one that files "
            "may be written to"
        ) from error
    finally:
        for path in reversed(made):
            try:
                path.rmdir()
            except OSError:  # another process has written to it meanwhile
                break
