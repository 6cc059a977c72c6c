"""The gradient balancer: loss weights as shares of the gradient, whatever the losses' scales.

Defossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4. With g_i the gradient
of loss i with respect to the model's output and <|g_i|> the moving average of its norm, the output
receives

    g = R * sum_i  w_i / (sum_j w_j)  *  g_i / <|g_i|>

so loss i contributes a gradient of norm R * w_i / sum_j w_j on average.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Balancer"]


class Balancer(nn.Module):
    """Combines the gradients of several losses at the output of a model.

    The averages are buffers: a checkpoint keeps them. Every rank must present the same losses.

    Args:
        weights: share of each loss by name, relative to the sum over those present.
        total_norm: norm R of one item's gradient, on average.
        decay: of the moving average of the norms, which is debiased: the first call already
            divides by the first norm.

    Raises:
        ValueError: no weights, a weight that is not positive, or a decay outside [0, 1).
    """

    total: Tensor
    count: Tensor

    def __init__(
        self, weights: Mapping[str, float], *, total_norm: float = 1.0, decay: float = 0.999
    ) -> None:
        super().__init__()
        if not weights or min(weights.values()) <= 0:
            raise ValueError(f"expected positive weights by loss name, got {dict(weights)}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {decay}")
        self.weights = dict(weights)
        self.total_norm = total_norm
        self.decay = decay
        self.register_buffer("total", torch.zeros(len(weights)))
        self.register_buffer("count", torch.zeros(len(weights)))

    def forward(self, losses: Mapping[str, Tensor], output: Tensor) -> Tensor:
        """Compute the balanced gradient with respect to `output`.

        Only the graph between the losses and `output` is run: parameters gather no gradient, and
        the model behind `output` is left for one backward pass of the caller's,
        `(model_output * gradient).sum().backward()`.

        Args:
            losses: scalars by name, all or some of those in `weights`.
            output: `(B, ...)` that the losses were computed from; requires grad.

        Returns:
            The gradient, `(B, ...)`, detached.

        Raises:
            ValueError: no losses, or one without a weight.
        """
        unknown = sorted(set(losses) - set(self.weights))
        if unknown or not losses:
            raise ValueError(
                f"expected some of the losses {sorted(self.weights)}, got {sorted(losses)}"
            )
        present = [name for name in self.weights if name in losses]
        gradients = []
        for i, name in enumerate(present):
            more = i + 1 < len(present)
            (gradient,) = torch.autograd.grad(losses[name], [output], retain_graph=more)
            gradients.append(gradient)
        norms = self._average(present, torch.stack([_item_norm(g) for g in gradients]))
        weights = output.new_tensor([self.weights[name] for name in present])
        scales = self.total_norm * weights / weights.sum() / (norms + 1e-12)
        balanced = torch.zeros_like(output)
        for gradient, scale in zip(gradients, scales, strict=True):
            balanced.addcmul_(gradient, scale)
        return balanced

    def norms(self) -> dict[str, Tensor]:
        """The averaged gradient norms by name, of the losses seen so far."""
        seen = zip(self.weights, self.total, self.count, strict=True)
        return {name: total / count for name, total, count in seen if count > 0}

    def _average(self, present: list[str], norms: Tensor) -> Tensor:
        """Mean over ranks, then the moving average `(n,)` of the present losses."""
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(norms)
            norms = norms / dist.get_world_size()
        rows = [list(self.weights).index(name) for name in present]
        self.total[rows] = self.decay * self.total[rows] + (1 - self.decay) * norms
        self.count[rows] = self.decay * self.count[rows] + (1 - self.decay)
        return self.total[rows] / self.count[rows]


def _item_norm(gradient: Tensor) -> Tensor:
    """Mean over the batch of each item's Euclidean norm."""
    return gradient.flatten(1).float().norm(dim=1).mean()
