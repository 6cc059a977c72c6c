"""Texts and sounds in one space: do the pairs belong together?"""

from __future__ import annotations

import torch
from torch import Tensor

from ..distribution.features import check_set

__all__ = ["text_audio_similarity"]


def text_audio_similarity(
    audio_vectors: Tensor, text_vectors: Tensor, *, ks: tuple[int, ...] = (1, 5, 10)
) -> dict[str, float]:
    """Cosine of paired texts and sounds, and how well the one finds the other.

    A rank is 1 plus the number of candidates that are nearer than the partner, plus half of those
    just as near: vectors that are all equal have the rank of chance, not the first. Texts that
    occur twice are nobody's fault and cost their sounds half a place each; a sound's other takes
    that share its text count as wrong.

    Args:
        audio_vectors: `(N, D)`, any norm but 0.
        text_vectors: `(N, D)`, row i describes sound i.
        ks: places that count as found.

    Returns:
        `similarity`, the mean cosine of the pairs (the CLAP score, when CLAP made the vectors);
        `mismatched`, that of all other pairings (where there are any), which tells what of it the
        space gives away; for `text_to_audio` and `audio_to_text` each `/recall@k` in [0, 1] for
        every k up to N, k / N by chance, and `/median_rank`, 1 or more, (N + 1) / 2 by chance.

    Raises:
        ValueError: shapes that do not pair, vectors that are zero or not finite.
    """
    audio = check_set(audio_vectors, "audio", minimum=1).cpu()
    text = check_set(text_vectors, "text", minimum=1).cpu()
    if audio.shape != text.shape:
        raise ValueError(
            f"expected a text vector for every audio vector, got {tuple(audio.shape)} and "
            f"{tuple(text.shape)}"
        )
    for name, x in (("audio", audio), ("text", text)):
        zero = int((x.norm(dim=1) == 0).sum())
        if zero:
            raise ValueError(
                f"{zero} {name} vectors are zero, and have no direction: leave them out"
            )
    cosines = (text / text.norm(dim=1, keepdim=True)) @ (audio / audio.norm(dim=1, keepdim=True)).T
    # Rounding must not part what is equal.
    cosines = cosines.clamp(-1, 1).mul(1e9).round().div(1e9)
    count = len(cosines)
    own = cosines.diagonal()
    out = {"similarity": float(own.mean())}
    if count > 1:
        out["mismatched"] = float((cosines.sum() - own.sum()) / (count * (count - 1)))
    for name, table in (("text_to_audio", cosines), ("audio_to_text", cosines.T)):
        right = table.diagonal()[:, None]
        ranks = 1 + (table > right).sum(1) + ((table == right).sum(1) - 1) / 2
        for k in ks:
            if k <= count:
                out[f"{name}/recall@{k}"] = float((ranks <= k).double().mean())
        out[f"{name}/median_rank"] = float(torch.quantile(ranks.double(), 0.5))
    return out
