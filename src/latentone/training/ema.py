"""The moving average of a model's weights, which usually sounds better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """Averages the trainable parameters of a model; buffers stay the model's own.

    With n updates done, the next one is

        average <- d average + (1 - d) weights,   d = min(decay, (1 + n) / (10 + n))

    so the window grows with the training (about a tenth of it) until `decay` takes over, and the
    random initial weights leave even a short training. With a power p, as Stable Audio's 3/4,

        d = min(decay, 1 - (1 + n)^-p)

    Args:
        model: whose parameters are averaged, on its device.
        decay: the final decay, in [0, 1).
        power: how the decay grows towards it, positive; None as above.

    Raises:
        ValueError: a decay outside [0, 1), or a power that is not positive.
    """

    def __init__(self, model: nn.Module, decay: float, power: float | None = None) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ema_decay must be in [0, 1), got {decay}")
        self.model = model
        if power is not None and power <= 0:
            raise ValueError(f"ema_power must be positive, got {power}")
        self.decay, self.power = decay, power
        self.average = {
            name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad
        }

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take in the weights as they are, after `updates` earlier calls."""
        growing = (1 + updates) / (10 + updates)
        if self.power is not None:
            growing = 1 - float((1 + updates) ** -self.power)
        decay = min(self.decay, growing)
        weights: list[Tensor] = [self.model.get_parameter(name) for name in self.average]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the average stand in for the weights; afterwards they are back bit for bit."""
        weights = {name: self.model.get_parameter(name) for name in self.average}
        kept = {name: weight.detach().clone() for name, weight in weights.items()}
        try:
            self._write(self.average, weights)
            yield
        finally:
            self._write(kept, weights)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged parameters by name."""
        return self.average

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over saved averages.

        Raises:
            ValueError: other parameters than the model's.
        """
        if set(state) != set(self.average):
            odd = sorted(set(state) ^ set(self.average))[0]
            raise ValueError(f"the saved average does not fit the model: {odd!r} is in one only")
        self._write(state, self.average)

    @staticmethod
    @torch.no_grad()
    def _write(
        source: dict[str, Tensor], target: dict[str, Tensor] | dict[str, nn.Parameter]
    ) -> None:
        for name, tensor in target.items():
            tensor.copy_(source[name])
