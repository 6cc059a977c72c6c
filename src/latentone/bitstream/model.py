"""How probable each next code is, in integers alone: what the entropy coder is told.

Counts of what was coded so far, mixed as in hierarchical Dirichlet smoothing (MacKay and Peto,
1995): the code's use in its row, its use after the code before it, and its use below the code of
the row above. Nothing here is a float, so that encoder and decoder agree on every machine, in
every batch and with any number of threads; a language model's probabilities do not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_VOCAB", "CodeModel"]

LARGEST_VOCAB = 2**16
"""Entries of a row beyond which a table for every code takes too long."""

UNIFORM, USES = 1, 20
"""Weight of every entry, and mean weight of what the codec knows of its codes' use."""
ROW = 2**20
"""Sum of the weights by use in the row; what follows is added to them."""
HERE = (32, 2**16, 2**14)
"""Weight of one occurrence in the row, after the same code, and below the same code."""
ELSEWHERE = (2, 2**13, 2**12)
"""The same for occurrences in other recordings, which say less of this one."""
ROW_LIMIT, CONTEXT_LIMIT = 2**24, 2**22
"""Sum of a row, and single weight in a context, at which all are halved: old occurrences fade,
and the sum of all weights stays below 2^40."""

Table = dict[int, int]


class CodeModel:
    """Adaptive frequencies of codes, row by row; encoder and decoder each hold one.

    Its numbers were chosen on one small EnCodec's codes; they decide how much is saved, and never
    whether the codes come back.

    Args:
        vocab: entries per row.
        uses: how often each entry is used, for each row: integers of any scale. None takes all as
            equally used.
    """

    def __init__(
        self, vocab: Sequence[int], uses: Sequence[NDArray[np.int64]] | None = None
    ) -> None:
        if not vocab or not all(1 <= entries <= LARGEST_VOCAB for entries in vocab):
            raise ValueError(
                f"entropy coding takes rows of 1 to {LARGEST_VOCAB} entries, got {tuple(vocab)}; "
                "pack the codes instead"
            )
        self.vocab = tuple(vocab)
        self._base = [
            np.full(entries, UNIFORM + USES, dtype=np.int64)
            if uses is None
            else _shares(uses[row], entries)
            for row, entries in enumerate(vocab)
        ]
        self._rows = [base.copy() for base in self._base]
        self._sums = [int(base.sum()) for base in self._base]
        self._after: list[dict[int, Table]] = [{} for _ in vocab]
        self._below: list[dict[int, Table]] = [{} for _ in vocab]
        self._digest = hashlib.sha256()
        for base in self._base:
            self._digest.update(base.astype("<i8").tobytes())

    @property
    def identity(self) -> bytes:
        """Eight bytes that differ when the model, as it was before coding, does."""
        return self._digest.digest()[:8]

    def learn(self, recordings: Iterable[NDArray[np.int64]]) -> None:
        """Count other recordings `(K, F)` first, so that this one starts from what is usual."""
        for codes in recordings:
            self._check(codes)
            self._digest.update(b"recording" + np.ascontiguousarray(codes, "<i8").tobytes())
            columns = codes.T.tolist()
            for frame, column in enumerate(columns):
                for row, code in enumerate(column):
                    before, above = self.context(columns, frame, row)
                    self._count(row, before, above, code, ELSEWHERE)

    def frequencies(self, row: int, before: int, above: int) -> NDArray[np.int64]:
        """Weight of every entry `(V,)`, at least 1 each, as the next code of a row."""
        weights = self._rows[row] * ROW // self._sums[row] + 1
        for table in (self._after[row].get(before), self._below[row].get(above)):
            if table:
                at = np.fromiter(table.keys(), np.int64, len(table))
                weights[at] += np.fromiter(table.values(), np.int64, len(table))
        return weights

    def update(self, row: int, before: int, above: int, code: int) -> None:
        """Count a code that was coded."""
        self._count(row, before, above, code, HERE)

    @staticmethod
    def context(columns: Sequence[Sequence[int]], frame: int, row: int) -> tuple[int, int]:
        """The code before in the same row, and that of the row above; -1 where there is none.

        The first row has none above it and takes the code two frames before instead.

        Args:
            columns: codes frame by frame, up to the one in question.
            frame: of the code in question.
            row: of the code in question.
        """
        before = columns[frame - 1][row] if frame else -1
        if row:
            return before, columns[frame][row - 1]
        return before, columns[frame - 2][0] if frame > 1 else -1

    def _count(
        self, row: int, before: int, above: int, code: int, weights: tuple[int, int, int]
    ) -> None:
        uses = self._rows[row]
        uses[code] += weights[0]
        self._sums[row] += weights[0]
        if self._sums[row] > ROW_LIMIT:
            base = self._base[row]
            uses[:] = base + (uses - base) // 2
            self._sums[row] = int(uses.sum())
        _add(self._after[row].setdefault(before, {}), code, weights[1])
        _add(self._below[row].setdefault(above, {}), code, weights[2])

    def _check(self, codes: NDArray[np.int64]) -> None:
        top = np.array(self.vocab)[:, None]
        if codes.ndim != 2 or len(codes) != len(top) or ((codes < 0) | (codes >= top)).any():
            raise ValueError(
                f"expected codes ({len(top)}, frames) below {self.vocab}, got {codes.shape}"
            )


def _shares(uses: NDArray[np.int64], entries: int) -> NDArray[np.int64]:
    """Turn uses into weights of the mean `UNIFORM + USES`."""
    if len(uses) != entries or (uses < 0).any() or not 0 < int(uses.sum()) < 2**40:
        raise ValueError(f"expected {entries} uses of 0 or more, not all 0, with a sum below 2^40")
    return UNIFORM + uses.astype(np.int64) * (USES * entries) // int(uses.sum())


def _add(table: Table, code: int, weight: int) -> None:
    table[code] = table.get(code, 0) + weight
    if table[code] > CONTEXT_LIMIT:
        halves = {key: value // 2 for key, value in table.items()}
        table.clear()
        table.update({key: value for key, value in halves.items() if value})
