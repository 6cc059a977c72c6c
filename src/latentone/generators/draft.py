"""Codes while they are being drawn: what is given, what is missing, where each item ends."""

from __future__ import annotations

import torch
from torch import Tensor

from ..sampling import layouts
from ..sampling.layouts import MISSING, OUTSIDE, Layout
from ..spec import LatentSpec
from .windows import Window

__all__ = ["Draft"]


class Draft:
    """Codes `(B, K, F)` with MISSING where they are still to be written."""

    def __init__(
        self,
        latent: LatentSpec,
        num_frames: int,
        batch: int,
        *,
        lengths: Tensor | None,
        known: Tensor | None,
        keep: Tensor | None,
        device: torch.device,
    ) -> None:
        """Check and place what is given.

        Raises:
            ValueError: lengths, known codes or a keep mask that do not fit.
        """
        self.codes = torch.full((batch, latent.dim, num_frames), MISSING, device=device)
        self.ends = _ends(lengths, num_frames, batch).to(device)
        if known is None:
            if keep is not None:
                raise ValueError("`keep` says what stays of `known`, but no `known` came")
        else:
            known, keep = _known(latent, num_frames, batch, known, keep)
            head = self.codes[:, :, : known.shape[2]]
            head[keep.to(device)] = known.to(device)[keep.to(device)]
        self.given = self.codes != MISSING

    def steps(self, layout: Layout, window: Window) -> Tensor:
        """The window's layout `(B, K, T)`."""
        size = window.stop - window.start
        lengths = (self.ends - window.start).clamp(0, size)
        return layouts.batch_steps(layout, self.codes.shape[1], lengths, size)

    def span(self, steps: Tensor, window: Window) -> tuple[int, int]:
        """First step of a window with something to write, and the one after the last."""
        given = self.given[:, :, window.start : window.stop].clone()
        given[:, :, : window.fresh - window.start] = True
        unwritten = steps[~given & (steps != OUTSIDE)]
        return (int(unwritten.min()), int(unwritten.max()) + 1) if unwritten.numel() else (0, 0)

    def merge(self, window: Window, written: Tensor) -> None:
        """Take over what a window wrote; what stood here already stays."""
        here = self.codes[:, :, window.start : window.stop]
        here.copy_(torch.where(here == MISSING, written, here))

    def end(self, which: Tensor, frame: int) -> bool:
        """End the items where `which (B,)` is True at `frame`; True when all have ended there."""
        ends = self.ends.clamp_max(frame)
        self.ends = torch.where(which.to(self.ends.device), ends, self.ends)
        return bool((self.ends <= frame).all())

    def finish(self) -> Tensor:
        """The codes, 0 past the end of an item unless given there.

        Raises:
            RuntimeError: a code is still missing.
        """
        past = torch.arange(self.codes.shape[2], device=self.ends.device) >= self.ends[:, None]
        codes = self.codes.masked_fill(past[:, None] & ~self.given, 0)
        if (codes == MISSING).any():
            raise RuntimeError("the layout has left codes unwritten")
        return codes


def _ends(lengths: Tensor | None, num_frames: int, batch: int) -> Tensor:
    if lengths is None:
        return torch.full((batch,), num_frames)
    if lengths.shape != (batch,) or int(lengths.min()) < 1 or int(lengths.max()) > num_frames:
        raise ValueError(
            f"lengths need one value from 1 to {num_frames} for each of {batch} items, "
            f"got {lengths.tolist()}"
        )
    return lengths.to(torch.int64).clone()


def _known(
    latent: LatentSpec, num_frames: int, batch: int, known: Tensor, keep: Tensor | None
) -> tuple[Tensor, Tensor]:
    if known.dim() != 3 or known.shape[:2] != (batch, latent.dim) or known.shape[2] > num_frames:
        raise ValueError(
            f"known codes must be ({batch}, {latent.dim}, up to {num_frames}), "
            f"got {tuple(known.shape)}"
        )
    if known.is_floating_point():
        raise ValueError(f"known codes must be integers, got {known.dtype}")
    if keep is None:
        keep = torch.ones_like(known, dtype=torch.bool)
    if keep.dtype != torch.bool:
        raise ValueError(f"keep must be bool, got {keep.dtype}")
    try:
        keep = keep.to(known.device).broadcast_to(known.shape)
    except RuntimeError:
        raise ValueError(
            f"keep of shape {tuple(keep.shape)} cannot be spread over {tuple(known.shape)}"
        ) from None
    if (keep[:, :, 1:] & ~keep[:, :, :-1]).any():
        raise ValueError(
            "an autoregressive model writes in order and cannot lead up to a code that comes "
            "later: keep the beginning of each row, or use a masked or diffusion generator to "
            "fill gaps"
        )
    size = torch.tensor(latent.vocab, device=known.device)[:, None]
    bad = keep & ((known < 0) | (known >= size))
    if bad.any():
        raise ValueError(
            f"known codes must be from 0 to below {latent.vocab}, got {known[bad][:3].tolist()}"
        )
    return known, keep
