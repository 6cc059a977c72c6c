"""The recurrent layer of SEANet: an LSTM with a skip connection."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .channels_last import Kept
from .conv import infers_on_cpu

__all__ = ["ResidualLSTM"]

FEW_STEPS = 32
"""Up to so many steps, walking through them is faster on a CPU than the library's LSTM."""


class ResidualLSTM(nn.Module):
    """`x + LSTM(x)` over `(B, C, T)`; one direction, so it streams by its hidden state."""

    num_states = 2

    def __init__(self, dim: int, num_layers: int = 2) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, num_layers)
        self._kept: dict[str, Kept] = {}

    def forward(self, x: Tensor) -> Tensor:
        return self.step(x, self.initial_state(x.shape[0]))[0]

    def initial_state(self, batch: int) -> list[Tensor]:
        """Hidden and cell state, zeros `(num_layers, B, C)`."""
        weight = next(self.lstm.parameters())
        shape = (self.lstm.num_layers, batch, self.lstm.hidden_size)
        return [weight.new_zeros(shape) for _ in range(2)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Go on over `(B, C, n)` from where the state stands."""
        rows = x.permute(2, 0, 1)
        few = infers_on_cpu(x) and len(rows) <= FEW_STEPS  # in this order for torch.export
        if x.dtype == state[0].dtype:
            y, (hidden, cell) = (self._walk if few else self.lstm)(rows, (state[0], state[1]))
            return (y + rows).permute(1, 2, 0), [hidden, cell]
        start = (state[0].to(x.dtype), state[1].to(x.dtype))
        weights = [kept(w, lambda w: w.to(x.dtype)) for kept, w in self._kept_weights()]
        y, *end = torch.lstm(
            rows, start, weights, True, self.lstm.num_layers, 0.0, False, False, False
        )
        return (y + rows).permute(1, 2, 0), [tensor.to(state[0].dtype) for tensor in end]

    def _kept_weights(self) -> Iterator[tuple[Kept, Tensor]]:
        """All weights, each with what is kept of it in another precision."""
        for name, weight in self.lstm.named_parameters():
            yield self._kept.setdefault(name, Kept()), weight

    def train(self, mode: bool = True) -> Self:
        self._kept.clear()
        return super().train(mode)

    def run_long(self, pieces: Iterator[Tensor]) -> Iterator[Tensor]:
        """Run over consecutive pieces `(B, C, n)`, each from where the last one ended."""
        state: list[Tensor] | None = None
        for piece in pieces:
            y, state = self.step(piece, state or self.initial_state(len(piece)))
            yield y

    def _walk(
        self, rows: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """What `nn.LSTM` computes, one step after the other.

        On a CPU `nn.LSTM` packs its weights anew at every call, which for a single step takes
        longer than the step.
        """
        ends = []
        for layer, (h, c) in enumerate(zip(*state, strict=True)):
            into, along, bias_into, bias_along = self.lstm.all_weights[layer]
            outputs = []
            for gates in F.linear(rows, into, bias_into + bias_along):
                i, f, g, o = torch.addmm(gates, h, along.T).chunk(4, dim=1)
                c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                h = o.sigmoid() * c.tanh()
                outputs.append(h)
            rows = torch.stack(outputs)
            ends.append((h, c))
        hidden, cell = (torch.stack(tensors) for tensors in zip(*ends, strict=True))
        return rows, (hidden, cell)
