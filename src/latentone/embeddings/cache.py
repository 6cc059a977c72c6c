"""What was embedded once, on disk: one database for each embedding."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .base import Embedding

__all__ = ["EmbeddingCache"]


class EmbeddingCache:
    """Vectors of files, by path, size and time of change: a changed file is embedded anew.

    Every file is one transaction, so a process may be killed at any moment, and several may share
    a folder.

    Args:
        folder: holds a database for every embedding; made when missing.
        embedding: whose vectors are kept.

    Raises:
        ValueError: the folder is a file, cannot be written to, or holds a damaged database.
    """

    def __init__(self, folder: str | Path, embedding: Embedding) -> None:
        self.path = Path(folder) / f"{embedding.name}-{embedding.fingerprint[:16]}.sqlite"
        self.dim = embedding.dim
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._open() as database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS files (key TEXT PRIMARY KEY, vectors BLOB)"
                )
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise ValueError(
                f"vectors cannot be kept in {folder}: {error.filename}: {error.strerror}; name "
                "another folder for the cache"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"{self.path} cannot be used as a cache of vectors ({error}): delete it, or name "
                "another folder for the cache"
            ) from error

    @staticmethod
    def key(path: Path) -> str | None:
        """What a file is kept under as it is now; None where there is none."""
        try:
            status = path.stat()
        except OSError:
            return None
        return f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}"

    def get(self, key: str) -> Tensor | None:
        """Vectors `(W, D)` of a file by its key, or None."""
        with self._open() as database:
            row = database.execute("SELECT vectors FROM files WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return torch.from_numpy(np.frombuffer(row[0], np.float32).reshape(-1, self.dim).copy())

    def put(self, key: str, vectors: Tensor) -> None:
        """Keep vectors `(W, D)` of a file by the key that it had before it was read."""
        blob = vectors.detach().cpu().to(torch.float32).contiguous().numpy().tobytes()
        with self._open() as database:
            database.execute("REPLACE INTO files VALUES (?, ?)", (key, blob))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed when all went well."""
        with closing(sqlite3.connect(self.path, timeout=60)) as database, database:
            yield database
