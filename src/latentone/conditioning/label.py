"""Labels from fixed lists: genre, instrument, key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .base import Condition, Conditioner, ConditionerConfig

__all__ = ["LabelConditioner", "LabelConfig"]


@dataclass(frozen=True, kw_only=True)
class LabelConfig(ConditionerConfig):
    """Any number of fields, each with a list of labels."""

    fields: dict[str, tuple[str, ...]]
    """Field -> the labels it may have."""

    def __post_init__(self) -> None:
        if not self.fields:
            raise ValueError("labels need at least one field")
        for name, labels in self.fields.items():
            if not labels or len(set(labels)) != len(labels):
                raise ValueError(f"field {name!r} needs labels, each one once, got {labels}")

    def build(self, dim: int) -> LabelConditioner:
        return LabelConditioner(self, dim)


class LabelConditioner(Conditioner):
    """One vector: the sum over fields of the label's embedding, or of the field's null.

    A raw value is a mapping from field to label, with fields left out or None where they are
    missing; a lone label will do when there is one field.
    """

    kind = "vector"

    def __init__(self, config: LabelConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        embeddings = [nn.Embedding(len(labels), dim) for labels in config.fields.values()]
        for embedding in embeddings:
            nn.init.normal_(embedding.weight, std=dim**-0.5)
        self.embeddings = nn.ModuleList(embeddings)
        self.null = nn.Parameter(torch.zeros(len(config.fields), dim))

    def prepare(self, raw: Sequence[Any]) -> dict[str, Tensor]:
        rows = [self._indices(value) for value in raw]
        index = torch.tensor(rows, dtype=torch.int64).view(len(rows), len(self.config.fields))
        return {"index": index.clamp_min(0), "present": index >= 0}

    def _indices(self, value: Any) -> list[int]:
        fields = self.config.fields
        if value is None:
            return [-1] * len(fields)
        if not isinstance(value, Mapping):
            if len(fields) != 1:
                raise ValueError(f"labels are a mapping over {sorted(fields)}, got {value!r}")
            value = {next(iter(fields)): value}
        unknown = sorted(set(value) - set(fields))
        if unknown:
            raise ValueError(f"unknown label field {unknown[0]!r}; known: {sorted(fields)}")
        return [self._index(name, value.get(name)) for name in fields]

    def _index(self, field: str, label: Any) -> int:
        labels = self.config.fields[field]
        if label is None:
            return -1
        if label not in labels:
            near = difflib.get_close_matches(str(label), labels, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"unknown {field} {label!r}; known: {', '.join(labels)}{hint}")
        return labels.index(label)

    def forward(self, prepared: dict[str, Tensor]) -> Condition:
        index, present = prepared["index"], prepared["present"]
        columns = [embed(index[:, i]) for i, embed in enumerate(self.embeddings)]
        value = torch.where(present[..., None], torch.stack(columns, dim=1), self.null)
        return Condition(value.sum(1), present.any(1))
