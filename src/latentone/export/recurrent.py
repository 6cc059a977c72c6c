"""Recurrent layers for exporters, which would unroll PyTorch's for the one length that they saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.rave_mel import LatentGRU
from ..nn.lstm import ResidualLSTM

__all__ = ["OnnxGRU", "OnnxLSTM", "ScannedGRU", "ScannedLSTM", "Way", "replace_recurrent"]

Way = Literal["scan", "onnx"]
"""As a loop of the graph, or as ONNX's own layers."""
Carry = tuple[Tensor, ...]


class ScannedLSTM(ResidualLSTM):
    """What `ResidualLSTM` computes, as one loop of the graph for each layer."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        rows = x.permute(2, 0, 1)

        def cell(carry: Carry, gates: Tensor, along: Tensor, bias: Tensor) -> Carry:
            h, c = carry
            i, f, g, o = (gates + F.linear(h, along, bias)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            return o.sigmoid() * c.tanh(), c

        y, state = _scan_layers(self.lstm, cell, rows, state)
        return (y + rows).permute(1, 2, 0), state


class ScannedGRU(LatentGRU):
    """What `LatentGRU` computes, as one loop of the graph for each layer."""

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        def cell(carry: Carry, gates: Tensor, along: Tensor, bias: Tensor) -> Carry:
            (h,) = carry
            from_input, from_hidden = (
                gates.chunk(3, dim=1),
                F.linear(h, along, bias).chunk(3, dim=1),
            )
            r, z = ((a + b).sigmoid() for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
            n = (from_input[2] + r * from_hidden[2]).tanh()
            return ((1 - z) * n + z * h,)

        y, state = _scan_layers(self.gru, cell, x.permute(2, 0, 1), state)
        return y.permute(1, 2, 0), state


def _scan_layers(
    layers: nn.LSTM | nn.GRU,
    cell: Callable[[Carry, Tensor, Tensor, Tensor], Carry],
    rows: Tensor,
    state: list[Tensor],
) -> tuple[Tensor, list[Tensor]]:
    """Run the layers over `rows (T, B, C)`, each from its part of the state."""
    from torch._higher_order_ops.scan import scan  # not public yet

    ends: list[Carry] = []
    for layer in range(layers.num_layers):
        into, along, bias_into, bias_along = layers.all_weights[layer]

        def step(
            carry: Carry,
            row: Tensor,
            into: Tensor = into,
            bias_into: Tensor = bias_into,
            along: Tensor = along,
            bias: Tensor = bias_along,
        ) -> tuple[Carry, Tensor]:
            # A product of all rows at once would flatten time and batch, and the graph of that
            # refuses a batch of one.
            carry = cell(carry, F.linear(row, into, bias_into), along, bias)
            return carry, carry[0].clone()

        first = tuple(tensor[layer].clone() for tensor in state)
        end, rows = scan(step, first, rows)
        ends.append(end)
    return rows, [torch.stack(tensors) for tensors in zip(*ends, strict=True)]


class OnnxLSTM(ResidualLSTM):
    """What `ResidualLSTM` computes, as ONNX's LSTM.

    ONNX orders the gates input, output, forget, cell, where PyTorch has input, forget, cell,
    output.
    """

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        rows = x.permute(2, 0, 1)
        y, state = _onnx_layers(self.lstm, "LSTM", (0, 3, 1, 2), {}, rows, state)
        return (y + rows).permute(1, 2, 0), state


class OnnxGRU(LatentGRU):
    """What `LatentGRU` computes, as ONNX's GRU.

    ONNX orders the gates update, reset, new, where PyTorch has reset, update, new; and it resets
    the hidden state before its matrix product unless told to do so behind it.
    """

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        rows, behind = x.permute(2, 0, 1), {"linear_before_reset": 1}
        y, state = _onnx_layers(self.gru, "GRU", (1, 0, 2), behind, rows, state)
        return y.permute(1, 2, 0), state


def _onnx_layers(
    layers: nn.LSTM | nn.GRU,
    operator: str,
    order: tuple[int, ...],
    settings: dict[str, int],
    rows: Tensor,
    state: list[Tensor],
) -> tuple[Tensor, list[Tensor]]:
    """Nodes of `operator` over `rows (T, B, C)`; gates are put into `order`."""
    steps, batch, _ = rows.shape
    dim = layers.hidden_size
    ends: list[list[Tensor]] = []
    for layer in range(layers.num_layers):
        parts = [weight.chunk(len(order)) for weight in layers.all_weights[layer]]
        into, along, *biases = (torch.cat([part[i] for i in order])[None] for part in parts)
        first = [tensor[layer : layer + 1] for tensor in state]
        y, *end = torch.onnx.ops.symbolic_multi_out(
            operator,
            (rows, into, along, torch.cat(biases, dim=1), None, *first),
            {"hidden_size": dim, **settings},
            dtypes=(rows.dtype,) * (1 + len(state)),
            shapes=((steps, 1, batch, dim), *[(1, batch, dim)] * len(state)),
        )
        rows = y[:, 0]
        ends.append(end)
    return rows, [torch.cat(tensors) for tensors in zip(*ends, strict=True)]


def replace_recurrent(model: nn.Module, way: Way) -> None:
    """Exchange every recurrent layer of `model` for its like with the same weights, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ResidualLSTM):
                lstm: Any = child.lstm
                made: Any = (ScannedLSTM if way == "scan" else OnnxLSTM)(
                    lstm.hidden_size, lstm.num_layers
                )
                made.lstm = lstm
            elif isinstance(child, LatentGRU):
                gru: Any = child.gru
                made = (ScannedGRU if way == "scan" else OnnxGRU)(gru.hidden_size, gru.num_layers)
                made.gru = gru
            else:
                continue
            setattr(module, name, made.eval())
