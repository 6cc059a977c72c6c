"""Principal components of latents: which directions the sound uses, and how many are enough.

As RAVE turns its latents before they are played (Caillon and Esling, "RAVE", 2021, section 3.3):
after a VAE's training most directions carry nothing, and the few that do make playable knobs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..nn.transform import LatentTransform

__all__ = ["LatentPCA", "with_noise"]


@dataclass(frozen=True)
class LatentPCA:
    """Mean, directions and variances of latents, the most used first."""

    mean: Tensor
    """`(D,)`."""
    components: Tensor
    """`(D, D)`, a direction in each row; orthonormal."""
    variance: Tensor
    """`(D,)` along each, falling."""

    @classmethod
    def fit(cls, latents: Iterable[Tensor]) -> LatentPCA:
        """Read latents once, in constant memory.

        Args:
            latents: pieces `(D, F)` or `(B, D, F)`, as a store or `encode` gives them.

        Raises:
            ValueError: fewer than two frames in all, codes, or values that are not finite.
        """
        count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
        for piece in latents:
            if not piece.is_floating_point():
                raise ValueError("codes have no directions: expected continuous latents")
            rows = piece.detach().to("cpu", torch.float64)
            rows = (rows[None] if rows.dim() == 2 else rows).transpose(1, 2).flatten(0, 1)
            if not len(rows):
                continue
            if not bool(rows.isfinite().all()):
                raise ValueError("latents are not finite: the model that made them has diverged")
            # Chan et al., 1979: sums about each piece's own mean lose no digits.
            new, total = rows.mean(0), count + len(rows)
            centred, shift = rows - new, new - mean
            scatter = scatter + centred.T @ centred
            scatter = scatter + torch.outer(shift, shift) * count * len(rows) / total
            mean = mean + shift * len(rows) / total
            count = total
        if count < 2:
            raise ValueError(f"expected at least two frames of latents, got {count}")
        variance, vectors = torch.linalg.eigh(scatter / (count - 1))
        components = vectors.flip(1).T
        # A direction and its opposite are the same: let the largest entry be positive.
        largest = components.abs().argmax(dim=1, keepdim=True)
        components = components * components.gather(1, largest).sign()
        return cls(mean.float(), components.float(), variance.flip(0).clamp_min(0).float())

    @property
    def fidelity(self) -> Tensor:
        """Share of the variance that the first 1, 2, ..., D directions keep, `(D,)`, rising to 1.

        Latents that never change are kept by any number of directions.
        """
        total = self.variance.sum()
        if total <= 0:
            return torch.ones_like(self.variance)
        return (self.variance.double().cumsum(0) / total).clamp(max=1).float()

    def dimensions(self, fidelity: float = 0.95) -> int:
        """The fewest directions that keep this share of the variance.

        Raises:
            ValueError: a share outside of (0, 1].
        """
        if not 0 < fidelity <= 1:
            raise ValueError(f"fidelity must be in (0, 1], got {fidelity}")
        enough = self.fidelity >= fidelity - 1e-6
        return int(enough.float().argmax()) + 1

    def report(self, fidelities: tuple[float, ...] = (0.8, 0.9, 0.95, 0.99)) -> dict[float, int]:
        """Directions needed for each of these shares."""
        return {share: self.dimensions(share) for share in fidelities}

    def transform(
        self, fidelity: float | None = None, *, dimensions: int | None = None
    ) -> LatentTransform:
        """Latents turned so that the most used direction comes first; the others are zero.

        `forward` gives `(B, D, F)` of which the kept rows come first; `inverse` turns back, with
        the mean for what was dropped.

        Args:
            fidelity: keep the fewest directions with this share of the variance.
            dimensions: or keep so many; all of them when both are None.

        Raises:
            ValueError: both are given, or more directions than there are.
        """
        if fidelity is not None and dimensions is not None:
            raise ValueError("give fidelity or dimensions, not both")
        dim = len(self.mean)
        kept = dim if dimensions is None else dimensions
        if fidelity is not None:
            kept = self.dimensions(fidelity)
        if not 1 <= kept <= dim:
            raise ValueError(f"expected 1 to {dim} dimensions, got {kept}")
        transform = LatentTransform(dim)
        transform.mean.copy_(self.mean)
        transform.rotation.copy_(self.components)
        transform.active[kept:] = False
        return transform


def with_noise(latents: Tensor, active: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Fill the dropped rows of turned latents `(B, D, F)` with standard normal noise.

    A VAE's unused directions hold noise of its prior while it is trained: its decoder expects it.

    Args:
        latents: what `LatentTransform.forward` gave.
        active: `(D,)`, its buffer.
        rng: decides the noise.
    """
    noise = (
        torch.randn_like(latents)
        if rng is None
        else torch.randn(latents.shape, generator=rng, device=rng.device).to(latents)
    )
    return torch.where(active[:, None], latents, noise)
