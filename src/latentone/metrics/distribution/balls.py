"""Which items lie in which balls: looked for in fp32, and settled in fp64.

fp32 distances cost half as much, and of few pairs do they leave it open on which side of a radius
the pair lies. With u = 2^-24, S = (|x| + |y|)^2 and D features, a squared distance that is worked
out as |x|^2 + |y|^2 - 2 x.y is off by no more than

    (D + 2) u 2 |x| |y| <= (D / 2 + 1) u S    the product of two rounded rows
    6 u S                                     rounded norms, and two sums

together c u S, c = D / 2 + 7. Since |y| <= |x| + d, S <= 8 |x|^2 + 2 d^2, which knows only one of
the two items: an outlier elsewhere blurs nothing. So what is found below r^2 (1 - 2 c u) -
8 c u |x|^2 is nearer to x than r, and what is found above r^2 (1 + 2 c u) + 8 c u |x|^2 is farther.
Only what lies between is worked out again, in fp64 and from differences.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .distances import distance_blocks, distances_of, search_dtype

__all__ = ["Hits", "Visit", "ball_radii", "find_hits", "ignore"]

SPARE = 4
"""Neighbours worked out beyond the k-th, whose order rounding may have changed."""
OUT = 1e30
"""Farther than anything."""

Visit = Callable[[Tensor], None]


def ignore(squares: Tensor) -> None:
    """Visit nothing."""


class Blur:
    """Features `(N, D)` as a search sees them, and how far off it may be about each."""

    def __init__(self, x: Tensor, dtype: torch.dtype) -> None:
        rounding = (x.shape[1] / 2 + 10) * torch.finfo(dtype).eps / 2
        self.features = x.to(dtype)
        self.relative = 2 * rounding
        # Squares may fall below what fp32 can hold; features are 1 at most.
        self.absolute = 8 * rounding * x.square().sum(1) + 1e-30

    def least(self, squares: Tensor) -> Tensor:
        """Below it, an item is nearer than `squares (N,)`."""
        return (squares * (1 - self.relative) - self.absolute).to(self.features.dtype)

    def most(self, squares: Tensor) -> Tensor:
        """Above it, an item is farther than `squares (N,)`."""
        return (squares * (1 + self.relative) + self.absolute).to(self.features.dtype)


class Hits:
    """Which balls of which set hold something of the other, and how often."""

    def __init__(self, n: int, m: int, device: torch.device) -> None:
        self.inside = 0
        """Pairs of a generated item and a reference ball that it lies in."""
        self.covered = torch.zeros(n, dtype=torch.bool, device=device)
        """Reference balls with a generated item."""
        self.recalled = torch.zeros(n, dtype=torch.bool, device=device)
        """Reference items in a generated ball."""
        self.precise = torch.zeros(m, dtype=torch.bool, device=device)
        """Generated items in a reference ball."""


def ball_radii(x: Tensor, k: int, block: int, visit: Visit = ignore) -> Tensor:
    """Squared distance of each item to its k-th nearest other, `(N,)` fp64.

    Args:
        x: `(N, D)` fp64, N above k, no feature above 1 in size.
        k: neighbours.
        block: distances held at once.
        visit: given every block of squared distances, to overwrite; each pair comes both ways, and
            an item is at infinity from itself. Not called where fp32 is no search's.
    """
    around = x - x.mean(0)
    rows = torch.arange(len(x), device=x.device)
    radii = x.new_empty(len(x))
    if search_dtype() == torch.float32:
        neighbour, sure = _find_kth(around, k, block, visit)
        radii[sure] = distances_of(x, x, rows[sure], neighbour[sure], block)
        rows = rows[~sure]
    radii[rows] = _measure_kth(x, around, rows, k, block)
    return radii


def find_hits(
    x: Tensor,
    y: Tensor,
    radii: tuple[Tensor, Tensor],
    *,
    closed: bool,
    block: int,
    visit: Visit = ignore,
) -> Hits:
    """Compare every distance of two sets with the balls of both.

    Args:
        x: reference `(N, D)` fp64, no feature above 1 in size.
        y: generated `(M, D)`, likewise.
        radii: squared, `(N,)` and `(M,)`.
        closed: whether what lies on a ball's surface is inside.
        block: distances held at once.
        visit: given every block of squared distances, to overwrite.
    """
    hits = Hits(len(x), len(y), x.device)
    blurs = [Blur(z - x.mean(0), search_dtype()) for z in (x, y)]
    sides = blurs[0].features, blurs[1].features
    least = blurs[0].least(radii[0])[:, None], blurs[1].least(radii[1])
    most = blurs[0].most(radii[0])[:, None], blurs[1].most(radii[1])

    def settle(i: Tensor, j: Tensor, limits: Tensor) -> Tensor:
        exact = distances_of(x, y, i, j, block)
        return exact <= limits if closed else exact < limits

    for start, squares in distance_blocks(*sides, block, shrink=False):
        rows = slice(start, start + len(squares))
        i, j = (squares <= most[0][rows]).nonzero(as_tuple=True)
        hit = squares[i, j] < least[0][rows][i, 0]
        i += start
        open_ = (~hit).nonzero()[:, 0]
        hit[open_] = settle(i[open_], j[open_], radii[0][i[open_]])
        hits.inside += int(hit.sum())
        hits.covered[i[hit]] = True
        hits.precise[j[hit]] = True
        sure = (squares - least[1]).amin(1) < 0
        hits.recalled[rows] = sure
        left = (((squares - most[1]).amin(1) <= 0) & ~sure).nonzero()[:, 0]
        i, j = (squares[left] <= most[1]).nonzero(as_tuple=True)
        i = left[i] + start
        hits.recalled[i[settle(i, j, radii[1][j])]] = True
        visit(squares)
    return hits


def _find_kth(x: Tensor, k: int, block: int, visit: Visit) -> tuple[Tensor, Tensor]:
    """Index of each item's k-th nearest other, and whether it is sure to be that one.

    It is where the items that come before and after it are farther from it, in squares, than both
    are blurred: `s' - s > relative (s + s') + 2 absolute` keeps their order.
    """
    blur = Blur(x, torch.float32)
    indices, sure = [], []
    for start, squares in distance_blocks(blur.features, blur.features, block, shrink=False):
        squares.diagonal(start).fill_(float("inf"))
        near = squares.topk(min(k + 1, len(x) - 1), dim=1, largest=False)
        values = nn.functional.pad(near.values.double(), (1, 0), value=-OUT)
        values = nn.functional.pad(values, (0, 1), value=OUT)[:, k - 1 : k + 2]
        absolute = blur.absolute[start : start + len(squares), None]
        gaps = 2 * (blur.relative * values[:, 1:] + absolute)
        sure.append((values.diff(dim=1) > gaps).all(1))
        indices.append(near.indices[:, k - 1])
        visit(squares)
    return torch.cat(indices), torch.cat(sure)


def _measure_kth(x: Tensor, around: Tensor, rows: Tensor, k: int, block: int) -> Tensor:
    """Squared distance to the k-th nearest other, for some rows of `x`."""
    count = min(k + SPARE, len(x) - 1)
    found = [x.new_empty(0)]
    for start, squares in distance_blocks(around[rows], around, block) if len(rows) else ():
        part = rows[start : start + len(squares)]
        squares[torch.arange(len(part), device=x.device), part] = OUT
        near = squares.topk(count, dim=1, largest=False).indices
        exact = distances_of(x, x, part.repeat_interleave(count), near.flatten(), block)
        found.append(exact.view(-1, count).kthvalue(k, dim=1).values)
    return torch.cat(found)
