"""What both sides of the entropy coder know before the first code."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..codecs.base import Codec
from ..nn.quantize import EMACodebook
from .model import CodeModel

__all__ = ["code_uses", "identity_of", "models_of"]


def code_uses(codec: Codec) -> list[NDArray[np.int64]] | None:
    """How often each entry is used, row by row, where the codec's codebooks keep count.

    Running averages of the training, rounded to integers; None where they do not fit the rows.
    """
    books = [m for m in codec.modules() if isinstance(m, EMACodebook)]
    if tuple(book.size for book in books) != codec.vocab:
        return None
    uses = []
    for book in books:
        exact = book.cluster_size.detach().cpu().double().nan_to_num().numpy()
        counts = np.floor(np.clip(exact, 0, 2.0**24) * 2**16).astype(np.int64)
        while int(counts.sum()) >= 2**40:
            counts >>= 1
        uses.append(counts if counts.any() else counts + 1)
    return uses


def models_of(
    codec: Codec, vocabs: Mapping[str, Sequence[int]], prior: Sequence[Tensor]
) -> dict[str, CodeModel]:
    """The entropy model of each stream of codes, as both sides begin."""
    models = {}
    for name, vocab in vocabs.items():
        if not vocab:
            continue
        uses = code_uses(codec) if name == "acoustic" else None
        models[name] = CodeModel(vocab, None if uses is None else uses[: len(vocab)])
        if name == "acoustic":
            models[name].learn(codes[: len(vocab)].cpu().numpy() for codes in prior)
    return models


def identity_of(models: Mapping[str, CodeModel]) -> bytes:
    """Eight bytes for all models of a stream together, zeros where there are none."""
    if not models:
        return bytes(8)
    together = b"".join(name.encode() + models[name].identity for name in sorted(models))
    return hashlib.sha256(together).digest()[:8]
