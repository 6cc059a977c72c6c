"""The rotation trick: gradients that turn with the code instead of passing straight through.

Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", 2024.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["pass_rotated"]

SMALLEST = 1e-6
"""Norm below which a vector has no direction."""


def pass_rotated(rows: Tensor, quantized: Tensor) -> Tensor:
    """The values of `quantized`, as a rotated and scaled copy of `rows`.

    With e and q the two vectors, `q = (|q| / |e|) R e`, where R turns e's direction into q's inside
    the plane of both and leaves the rest alone. Held constant, scale and R carry the angle
    between gradient and code over to the input: `d/de = (|q| / |e|) R^T d/dq`.

    For unit vectors e, q and r = (e + q) / |e + q|, the reflections across the plane orthogonal to
    e and then to r give `R = I - 2 r r^T + 2 q e^T`, so R x takes three inner products. (For
    q = -e there is no such plane; with r = 0 this is the reflection of e alone.) Where either
    vector is zero, gradients pass straight through.

    Shape:
        - `rows`, `quantized`: `(..., D)`; returns the same.
    """
    e, q = rows.detach(), quantized.detach()
    length, target = e.norm(dim=-1, keepdim=True), q.norm(dim=-1, keepdim=True)
    e, q = F.normalize(e, dim=-1), F.normalize(q, dim=-1)
    r = F.normalize(e + q, dim=-1, eps=SMALLEST)
    turned = rows - 2 * (rows * r).sum(-1, keepdim=True) * r
    turned = turned + 2 * (rows * e).sum(-1, keepdim=True) * q
    scaled = turned * (target / length.clamp_min(SMALLEST))
    flat = (length < SMALLEST) | (target < SMALLEST)
    passed = scaled.where(~flat, rows)
    return passed + (quantized - passed).detach()
