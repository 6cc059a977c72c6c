"""Quantised pictures: one codebook for all pixels, a code row for every row of the picture.

The code pictures of Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image
Synthesis", 2021, in the shape that all codes have here.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .quantizer import Quantized, check_rows

__all__ = ["RowVQ"]


class RowVQ(nn.Module):
    """A quantiser of pixels, over pictures whose rows are stacked as channels.

    Latents `(B, channels * rows, F)` are F columns of `rows` pixels, the channel being the slow
    index; codes are `(B, rows, F)`.

    Args:
        pixels: a quantiser with a single code row, for latents `(B, channels, N)`.
        rows: of the picture.

    Raises:
        ValueError: it has several code rows.
    """

    pixels: Any

    def __init__(self, pixels: nn.Module, rows: int) -> None:
        super().__init__()
        self.pixels = pixels
        self.rows = rows
        if len(self.pixels.vocab) != 1:
            raise ValueError(
                f"a pixel has one code: num_codebooks must be 1, got {len(self.pixels.vocab)}"
            )

    @property
    def vocab(self) -> tuple[int, ...]:
        return self.pixels.vocab * self.rows

    def encode(self, latents: Tensor, num_codebooks: int | None = None) -> Tensor:
        """Codes `(B, num_codebooks, F)` of latents `(B, channels * rows, F)`, first rows first.

        Raises:
            ValueError: there are not that many rows.
        """
        count = check_rows(num_codebooks, self.rows)
        pixels = latents.unflatten(1, (-1, self.rows))[:, :, :count].flatten(2)
        codes: Tensor = self.pixels.encode(pixels)
        return codes[:, 0].unflatten(1, (count, -1))

    def decode(self, codes: Tensor) -> Tensor:
        """Latents `(B, channels * rows, F)` of codes `(B, n, F)`; zeros in rows without a code.

        Raises:
            ValueError: more rows than there are.
        """
        count = check_rows(codes.shape[1], self.rows)
        pixels = self.pixels.decode(codes.flatten(1)[:, None]).unflatten(2, (count, -1))
        missing = pixels.new_zeros(*pixels.shape[:2], self.rows - count, pixels.shape[3])
        return torch.cat([pixels, missing], dim=2).flatten(1, 2)

    def forward(self, latents: Tensor, rng: torch.Generator | None = None) -> Quantized:
        """Quantise all pixels together; losses and metrics are those of the one codebook."""
        picture = latents.unflatten(1, (-1, self.rows))
        found = self.pixels(picture.flatten(2), rng)
        passed = found.latents.unflatten(2, picture.shape[2:]).flatten(1, 2)
        codes = found.codes[:, 0].unflatten(1, picture.shape[2:])
        return Quantized(passed, codes, found.losses, found.metrics)

    def surrogate(self, latents: Tensor) -> Tensor:
        """The smooth function whose gradient `forward` has, near `latents`."""
        smooth = getattr(self.pixels, "surrogate", None)
        if smooth is None:
            return latents
        picture = latents.unflatten(1, (-1, self.rows))
        return smooth(picture.flatten(2)).unflatten(2, picture.shape[2:]).flatten(1, 2)
