"""ELU, twice as fast where a CPU infers: `x` above zero, `e^x - 1` below.

Clevert, Unterthiner, Hochreiter, "Fast and Accurate Deep Network Learning by Exponential Linear
Units", 2015.
"""

from __future__ import annotations

from math import e, log2

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .conv import infers_on_cpu

__all__ = ["ELU"]


class ELU(nn.ELU):
    """`nn.ELU()`, the same within a rounding of 1.

    Where a CPU infers it is `max(x, 2^(log2(e) min(x, 0)) - 1)` in fp32: the library's own takes
    its time for the digits of `e^x - 1` next to zero, which a sum with anything loses. Double
    precision keeps all of its digits.

    Args:
        inplace: whether the input may be overwritten.
    """

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)

    def forward(self, x: Tensor) -> Tensor:
        if not infers_on_cpu(x) or x.dtype == torch.float64:
            return F.elu(x, inplace=self.inplace)
        wide = torch.empty_like(x, dtype=torch.float32).copy_(x)
        y = wide.clamp_(max=0).mul_(log2(e)).exp2_().sub_(1).to(x.dtype)
        return torch.maximum(x, y, out=x if self.inplace else y)
